"""A plan is what was asked for, and never nothing."""

import pytest

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.plan.selection import Selection, SelectionError, plan


async def body(t: CaseContext) -> None:
    """Send something."""
    await t.service("auth-service").get("/")


@pytest.fixture
def phases() -> list[Phase]:
    """Two phases of two cases, written out of order."""
    made = []
    for phase_id, tags in (("S02", ("auth",)), ("S01", ())):
        phase = Phase(phase_id, phase_id, "d", tags=tags)
        for number, case_tags in ((2, ["slow"]), (1, ["fast"])):
            case_id = f"{phase_id}.0{number}"
            phase.case(case_id, case_id, proves="p", requirements=["R"], tags=case_tags)(body)
        made.append(phase)
    return made


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ["S01.01", "S01.02", "S02.01", "S02.02"]),
        (Selection(phases=["S02"]), ["S02.01", "S02.02"]),
        (Selection(cases=["S0?.02"]), ["S01.02", "S02.02"]),
        (Selection(tags=["auth"]), ["S02.01", "S02.02"]),
        (Selection(tags=["auth", "fast"]), ["S01.01", "S02.01", "S02.02"]),
        (Selection(tags=["auth", "!slow"]), ["S02.01"]),
        (Selection(only=frozenset({"S01.02"})), ["S01.02"]),
        (Selection(phases=["S01"], tags=["slow"]), ["S01.02"]),
    ],
)
def test_plan(phases: list[Phase], selection: Selection, expected: list[str]) -> None:
    """The plan is in the order of the ids, whatever was asked for."""
    assert [case.id for case in plan(phases, selection)] == expected


@pytest.mark.parametrize(
    "selection",
    [
        Selection(phases=["S09"]),
        Selection(cases=["S01.09"]),
        Selection(tags=["nope"]),
        Selection(only=frozenset()),
        Selection(phases=["S01"], cases=["S02.01"]),
    ],
)
def test_nothing_to_run_is_an_error(phases: list[Phase], selection: Selection) -> None:
    """A run without a case would be green for having done nothing."""
    with pytest.raises(SelectionError):
        plan(phases, selection)
