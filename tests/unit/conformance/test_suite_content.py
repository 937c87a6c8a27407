"""The suite as a whole: what it must cover, whoever adds to it."""

import pytest

from caas_conformance.authoring.definition import CaseDefinition
from caas_conformance.plan.discovery import discover
from caas_conformance.plan.lint import lint
from caas_conformance.plan.requirements import load

AUTH_AND_GATEWAY_SEED_CASES = {
    *range(1, 5), *range(11, 35), *range(67, 85), *range(111, 114), *range(115, 122)
}  # fmt: skip
CASES_MIN = 120


@pytest.fixture(scope="module")
def cases() -> list[CaseDefinition]:
    """Return every case of the suite."""
    return [case for phase in discover() for case in phase.cases]


def test_the_suite_keeps_its_own_rules() -> None:
    """Hollow checks, unknown requirements and ids used twice are found without a platform."""
    assert lint(discover(), load()) == []


def test_every_seed_case_of_auth_and_gateway_has_a_successor(cases: list[CaseDefinition]) -> None:
    """The 121 stay traceable one by one."""
    replaced = {number for case in cases for number in case.baseline}

    assert sorted(AUTH_AND_GATEWAY_SEED_CASES - replaced) == []
    assert len(cases) >= CASES_MIN


def test_every_requirement_of_what_exists_has_a_case(cases: list[CaseDefinition]) -> None:
    """Only capabilities that are still to come may be uncovered."""
    registry = load()

    assert registry.uncovered(cases) == ()
    assert len(registry.built) < len(registry.requirements)


def test_every_case_says_what_would_turn_it_red(cases: list[CaseDefinition]) -> None:
    """A case whose author can't name a broken platform for it proves nothing."""
    silent = [case.id for case in cases if not (case.body.__doc__ or "").startswith("Red ")]

    assert silent == []
