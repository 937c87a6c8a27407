"""The traceability matrix: what each requirement's cases say of it, and which have none."""

import msgspec
import pytest

from caas_reports.model import Requirement, Run, Verdict
from caas_reports.traceability import Gap, covered_line, matrix


def _states(run: Run) -> dict[str, str]:
    return {row.id: row.state.value for row in matrix(run)}


def test_a_requirement_stands_as_its_worst_case(run: Run) -> None:
    """One broken case of three is a broken requirement."""
    states = _states(run)

    assert states["TENANT-1"] == "failed"
    assert states["SESSION-1"] == "error"
    assert states["STREAM-1"] == "not_run"
    assert states["HEALTH-1"] == "passed"


def test_planned_is_not_uncovered(run: Run) -> None:
    """A service that is yet to come leaves no gap; a forgotten requirement does."""
    states = _states(run)

    assert states["AUDIT-1"] == Gap.UNCOVERED
    assert states["CRYPTO-1"] == Gap.PLANNED
    assert covered_line(matrix(run)) == (
        "9 requirements: 7 tagged by a case, 1 shown by a fault, 1 uncovered, 1 planned"
    )


def test_what_a_fault_has_shown_is_told_apart_from_tags(run: Run) -> None:
    """A green case that the fault has turned red; red now, it shows nothing."""
    green = next(case.id for case in run.cases if case.verdict is Verdict.PASSED)
    red = next(case.id for case in run.cases if case.verdict is Verdict.FAILED)
    proofs = {"left open": (red, green), "slow": (red,)}
    proven = tuple(msgspec.structs.replace(one, proofs=proofs) for one in run.requirements[:1])
    row = matrix(msgspec.structs.replace(run, requirements=proven))[0]

    assert row.shown_by == ("left open",)


def test_a_case_outweighs_the_plan(run: Run) -> None:
    """Once a case names it, what counts is the case."""
    early = tuple(msgspec.structs.replace(one, planned=True) for one in run.requirements)

    assert _states(msgspec.structs.replace(run, requirements=early))["HEALTH-1"] == Verdict.PASSED


@pytest.mark.parametrize(
    "content", [b'{"id": "A", "text": "b"}', b'{"id": "A", "text": "b", "new": 1}']
)
def test_runs_of_other_versions_are_read(content: bytes) -> None:
    """Without the flag nothing is planned; members of a later version do no harm."""
    assert msgspec.json.decode(content, type=Requirement) == Requirement(id="A", text="b")


def test_an_unknown_requirement_has_a_row(run: Run) -> None:
    """Named by a case, and in no registry."""
    fewer = msgspec.structs.replace(run, requirements=run.requirements[1:])

    last = matrix(fewer)[-1]
    assert (last.id, last.requirement, last.state) == ("HEALTH-1", None, Verdict.PASSED)
