"""A case that could turn green without looking is refused before the run."""

import asyncio
from collections.abc import Callable

import pytest

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import CaseBody, Phase
from caas_conformance.errors import AuthoringError
from caas_conformance.plan import lint
from caas_conformance.plan.requirements import Registry
from caas_conformance.wire.answer import Answer
from caas_reports.model import Requirement

REGISTRY = Registry(
    {
        r: Requirement(id=r, text="keep it", source="design", planned=r == "LATER")
        for r in ("REQ-01", "REQ-02", "LATER")
    }
)


async def whole(t: CaseContext) -> None:
    """Look at an answer."""
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is fine") as check:
        check.status(answer, (400, 404), because="hides what exists")


async def without_check(t: CaseContext) -> None:
    """Look at nothing."""
    _ = await t.service("auth-service").get("/")


async def by_another_function(t: CaseContext) -> None:
    """Let another function look."""
    await whole(t)


async def twice_the_same_id(t: CaseContext) -> None:
    """Use one id for two checks."""
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is fine") as check:
        check.status(answer, 200)
    with t.check("fine", "it is fine again") as check:
        check.status(answer, 200)


async def one_id_in_a_loop(t: CaseContext) -> None:
    """Open the same check in every turn."""
    for path in ("/", "/a"):
        answer = await t.service("auth-service").get(path)
        with t.check("fine", "it is fine") as check:
            check.status(answer, 200)


async def hollow(t: CaseContext) -> None:
    """Open a check and assert nothing."""
    _ = await t.service("auth-service").get("/")
    with t.check("fine", "it is fine") as check:  # noqa: F841
        pass


async def refused_for_whatever(t: CaseContext) -> None:
    """Look at a refusal's number alone."""
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is refused") as check:
        check.status(answer, 401)


async def problem_of_whatever(t: CaseContext) -> None:
    """Look at a problem document, whatever it says."""
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is refused") as check:
        check.problem(answer, 401)


async def set_up_by_hope(t: CaseContext) -> None:
    """Throw away what the set-up was answered."""
    await t.service("auth-service").put("/setting", json={"locale": "da"})
    answer = await t.service("auth-service").get("/setting")
    with t.check("fine", "it is set") as check:
        check.status(answer, 200)


async def many_set_up_by_hope(t: CaseContext) -> None:
    """Throw away what several set-ups were answered."""
    await asyncio.gather(*[t.service("auth-service").post("/") for _ in range(2)])
    await _send(t)
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is set") as check:
        check.status(answer, 200)


async def _send(t: CaseContext) -> Answer:
    return await t.service("auth-service").post("/")


async def without_with(t: CaseContext) -> None:
    """Open a check that never closes."""
    _ = await t.service("auth-service").get("/")
    t.check("fine", "it is fine")


async def any_status(t: CaseContext) -> None:
    """Accept whatever comes."""
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is fine") as check:
        check.status(answer, [200, 404, 500], because="whatever")


async def range_of_statuses(t: CaseContext) -> None:
    """Accept whatever comes, computed."""
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is fine") as check:
        check.status(answer, range(200, 500))


async def uses_assert(t: CaseContext) -> None:
    """Decide past the report."""
    answer = await t.service("auth-service").get("/")
    assert answer.status
    with t.check("fine", "it is fine") as check:
        check.status(answer, 200)


async def swallows(t: CaseContext) -> None:
    """Catch what a failed check raises."""
    try:
        answer = await t.service("auth-service").get("/")
        with t.check("fine", "it is fine") as check:
            check.status(answer, 200)
    except Exception:  # noqa: BLE001, S110 - what the lint looks for
        pass


async def sleeps(t: CaseContext) -> None:
    """Wait for time instead of for the platform."""
    await asyncio.sleep(1)
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is fine") as check:
        check.status(answer, 200)


async def unknown_requirement(t: CaseContext) -> None:
    """Name a requirement that nobody wrote down."""
    answer = await t.service("auth-service").get("/")
    with t.check("fine", "it is fine", requirements=["REQ-99"]) as check:
        check.status(answer, 200)


def problems(
    body: CaseBody[CaseContext],
    *,
    requirements: tuple[str, ...] = ("REQ-01",),
    baseline: tuple[int, ...] = (),
) -> list[str]:
    """Return what the lint says of one case."""
    phase = Phase("Z01", "Phase", "For the lint.")
    phase.case("Z01.01", "Title", proves="It.", requirements=requirements, baseline=baseline)(body)
    return [str(problem) for problem in lint.lint([phase], REGISTRY, baseline=range(1, 122))]


@pytest.mark.parametrize("body", [whole, by_another_function])
def test_a_whole_case_has_no_problem(body: CaseBody[CaseContext]) -> None:
    """Checks may stand in a function that the case calls."""
    assert problems(body, baseline=(1, 121)) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (without_check, "has no check"),
        (twice_the_same_id, "opened 2 times"),
        (one_id_in_a_loop, "one id for every turn"),
        (hollow, "asserts nothing"),
        (without_with, "not opened by `with`"),
        (any_status, "several classes"),
        (range_of_statuses, "any status"),
        (refused_for_whatever, "judged by its own reason"),
        (problem_of_whatever, "give its code="),
        (set_up_by_hope, "nobody looks at the answer"),
        (uses_assert, "uses assert"),
        (swallows, "catches every exception"),
        (sleeps, "sleeps"),
        (unknown_requirement, "REQ-99"),
    ],
)
def test_each_broken_rule_is_named(body: CaseBody[CaseContext], expected: str) -> None:
    """One broken rule gives one message that names it."""
    found = problems(body)

    assert len(found) == 1, found
    assert expected in found[0]


def test_each_thrown_away_answer_is_named() -> None:
    """Also of requests sent side by side, and of functions that hand answers on."""
    found = problems(many_set_up_by_hope)

    assert len(found) == 2, found
    assert all("nobody looks at the answer" in problem for problem in found)


@pytest.mark.parametrize(
    ("requirements", "baseline", "expected"),
    [
        ((), (), "names no requirement"),
        (("REQ-77",), (), "not in the registry"),
        (("LATER",), (), "planned"),
        (("REQ-01",), (0,), "no seed case 0"),
        (("REQ-01",), (122,), "no seed case 122"),
        (("REQ-01",), (5, 5), "twice"),
    ],
)
def test_what_a_case_names_must_exist(
    requirements: tuple[str, ...], baseline: tuple[int, ...], expected: str
) -> None:
    """Requirements and seed cases are references, and references resolve."""
    found = problems(whole, requirements=requirements, baseline=baseline)

    assert len(found) == 1, found
    assert expected in found[0]


def test_ids_are_used_once() -> None:
    """Else two cases would share a history."""
    phase = Phase("Z01", "Phase", "For the lint.")
    for title in ("One", "Two"):
        phase.case("Z01.01", title, proves="It.", requirements=["REQ-01"])(whole)

    assert "used 2 times" in str(lint.lint([phase], REGISTRY)[0])


def test_a_phase_without_cases_is_a_problem() -> None:
    """An empty phase looks like a finished one."""
    assert "no case" in str(lint.lint([Phase("Z01", "P", "d")], REGISTRY)[0])


@pytest.mark.parametrize(
    "define",
    [
        lambda: Phase("S1", "P", "d"),
        lambda: Phase("S01", "P", "d").case("S02.01", "T", proves="p", requirements=["R"]),
        lambda: Phase("S01", "P", "d").case("S01.1", "T", proves="p", requirements=["R"]),
        lambda: Phase("S01", "P", "d").case("S01.01", " ", proves="p", requirements=["R"]),
        lambda: Phase("S01", "P", "d").case("S01.01", "T", proves="", requirements=["R"]),
    ],
)
def test_ids_and_sentences_are_checked_at_import(define: Callable[[], object]) -> None:
    """A case without a sentence for people is not written yet."""
    with pytest.raises(AuthoringError):
        define()


class OwnContext(CaseContext):
    """What another suite gives its cases."""


async def of_another_suite(t: OwnContext) -> None:
    """Expect what only that suite's context has."""
    await whole(t)


def test_a_case_takes_what_its_suite_gives() -> None:
    """Found before the run, not as a missing attribute in the middle of it."""
    phase = Phase("Z01", "Phase", "For the lint.")
    phase.case("Z01.01", "Title", proves="It.", requirements=["REQ-01"])(of_another_suite)

    assert lint.lint([phase], REGISTRY, context=OwnContext) == []
    (problem,) = lint.lint([phase], REGISTRY)
    assert problem.message == "takes a OwnContext, and its suite gives a CaseContext"


def test_without_a_baseline_there_is_no_seed_case() -> None:
    """A number that refers to nothing would promise a comparison."""
    phase = Phase("Z01", "Phase", "For the lint.")
    phase.case("Z01.01", "T", proves="It.", requirements=["REQ-01"], baseline=[1])(whole)

    assert [p.message for p in lint.lint([phase], REGISTRY)] == ["there is no seed case 1"]
