"""The suite as a whole: what it must cover, whoever adds to it."""

import pytest

from caas_conformance.authoring.definition import CaseDefinition
from caas_conformance.plan import suites
from caas_conformance.plan.lint import lint
from caas_conformance.plan.suites import LoadedSuite

AUTH_AND_GATEWAY_SEED_CASES = {
    *range(1, 5), *range(11, 35), *range(67, 85), *range(111, 114), *range(115, 122)
}  # fmt: skip
CASES_MIN = 120


@pytest.fixture(scope="module")
def suite() -> LoadedSuite:
    """The suite, as it is found by its entry point."""
    return suites.load(suites.find("caas"))


@pytest.fixture(scope="module")
def cases(suite: LoadedSuite) -> list[CaseDefinition]:
    """Return every case of the suite."""
    return suite.cases


def test_the_suite_keeps_its_own_rules(suite: LoadedSuite) -> None:
    """Hollow checks, unknown requirements and ids used twice are found without a platform."""
    assert suite.baseline is not None
    seeds = {case.number for case in suite.baseline.cases}
    found = lint(suite.phases, suite.registry, context=suite.suite.context, baseline=seeds)

    assert [str(problem) for problem in found] == []
    assert seeds == set(range(1, 122))


def test_every_seed_case_of_auth_and_gateway_has_a_successor(cases: list[CaseDefinition]) -> None:
    """The 121 stay traceable one by one."""
    replaced = {number for case in cases for number in case.baseline}

    assert sorted(AUTH_AND_GATEWAY_SEED_CASES - replaced) == []
    assert len(cases) >= CASES_MIN


def test_every_requirement_of_what_exists_has_a_case(
    suite: LoadedSuite, cases: list[CaseDefinition]
) -> None:
    """Only capabilities that are still to come may be uncovered."""
    registry = suite.registry

    assert registry.uncovered(cases) == ()
    assert len(registry.built) < len(registry.requirements)


def test_every_case_says_what_would_turn_it_red(cases: list[CaseDefinition]) -> None:
    """A case whose author can't name a broken platform for it proves nothing."""
    silent = [case.id for case in cases if not (case.body.__doc__ or "").startswith("Red ")]

    assert silent == []
