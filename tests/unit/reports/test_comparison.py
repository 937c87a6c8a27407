"""Then and now: every definition, one by one."""

import msgspec
import pytest

from caas_reports.comparison.baseline import Baseline
from caas_reports.comparison.compare import Change, is_proven, median, with_run, with_seed
from caas_reports.model import (
    SCHEMA_VERSION,
    Assertion,
    Attempt,
    Case,
    Check,
    Level,
    Run,
    Status,
    Verdict,
)

STATUS_AND_BODY = ("status", "body.plan")


def _case(
    verdict: Verdict,
    *,
    id_: str = "S01.01",
    baseline: tuple[int, ...] = (),
    places: tuple[str, ...] = STATUS_AND_BODY,
    checks: tuple[str, ...] = ("one",),
    waited_ms: float = 0.0,
) -> Case:
    assertions = tuple(
        Assertion(at=place, expected="1", actual="1", passed=True) for place in places
    )
    attempt = Attempt(
        number=1,
        status=Status.FINISHED,
        verdict=verdict,
        started_at="2031-01-01T00:00:00.000Z",
        duration_ms=10,
        sut_wait_ms=waited_ms,
        checks=tuple(
            Check(id=name, title=name, level=Level.MUST, verdict=verdict, assertions=assertions)
            for name in checks
        ),
    )
    return Case(
        id=id_,
        title="made up",
        phase=id_[:3],
        proves="nothing",
        verdict=verdict,
        baseline=baseline,
        attempts=() if verdict is Verdict.NOT_RUN else (attempt,),
    )


def _run(*cases: Case, run_id: str = "now") -> Run:
    return Run(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        status=Status.FINISHED,
        verdict=Verdict.PASSED,
        started_at="2031-01-01T00:00:00.000Z",
        duration_ms=10,
        tool_version="0",
        command="",
        cases=cases,
    )


# The excerpt's cases: 1 stated, 2 wrong, 4 unproven, 8 unanswered, 9 failed.
@pytest.mark.parametrize(
    ("number", "verdicts", "change"),
    [
        (1, [Verdict.PASSED], Change.SAME),
        (1, [Verdict.FAILED], Change.REGRESSED),
        (1, [Verdict.PASSED, Verdict.FAILED], Change.REGRESSED),
        (4, [Verdict.PASSED], Change.HARDENED),
        (4, [Verdict.WARNING], Change.HARDENED),
        (4, [Verdict.FAILED], Change.REGRESSED),
        (2, [Verdict.PASSED], Change.FIXED),
        (2, [Verdict.PASSED, Verdict.WARNING], Change.FIXED),
        (2, [Verdict.FAILED], Change.SAME),
        (2, [Verdict.PASSED, Verdict.FAILED], Change.SAME),
        (8, [Verdict.PASSED], Change.FIXED),
        (9, [Verdict.PASSED], Change.FIXED),
        (9, [Verdict.FAILED], Change.SAME),
        (9, [], Change.NOT_COVERED),
        (9, [Verdict.NOT_RUN], Change.NOT_COVERED),
        (9, [Verdict.ERROR], Change.NOT_COVERED),
        (1, [Verdict.SKIPPED], Change.NOT_COVERED),
        (9, [Verdict.SKIPPED, Verdict.PASSED], Change.FIXED),
    ],
)
def test_each_change_is_what_its_definition_says(
    number: int, verdicts: list[Verdict], change: Change, baseline: Baseline
) -> None:
    """What it was worth then, and what every case that names it says now."""
    cases = [
        _case(verdict, id_=f"S01.0{at}", baseline=(number,)) for at, verdict in enumerate(verdicts)
    ]

    row = with_seed(_run(*cases), baseline).rows[number - 1]

    assert (row.number, row.change) == (number, change)
    assert row.reason
    assert row.cases == tuple(case.id for case in cases)


@pytest.mark.parametrize(
    ("places", "proven"),
    [
        (("status", "body.plan"), True),
        (("x1.status", "x1.body.plan"), True),
        (("response.status", "body"), True),
        (("status", "header.allow", "trace", "logs"), False),
        (("ack.status", "ack.message_id"), True),
        (("status",), False),
        (("body.plan",), False),
        ((), False),
    ],
)
def test_hardened_takes_the_status_and_what_the_answer_says(
    places: tuple[str, ...], *, proven: bool, baseline: Baseline
) -> None:
    """A status alone is what the seed's report had."""
    case = _case(Verdict.PASSED, baseline=(4,), places=places)

    assert is_proven(case.attempts[-1]) is proven
    change = with_seed(_run(case), baseline).rows[3].change
    assert change is (Change.HARDENED if proven else Change.SAME)


def test_every_seed_case_has_one_row_and_one_count(baseline: Baseline) -> None:
    """Nothing of the seed's report gets lost, covered or not."""
    result = with_seed(_run(_case(Verdict.PASSED, baseline=(1, 2, 4))), baseline)

    assert [row.number for row in result.rows] == list(range(1, 10))
    assert result.counts == {
        "regressed": 0,
        "fixed": 1,
        "hardened": 1,
        "same": 1,
        "not_covered": 6,
    }


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (Verdict.PASSED, Verdict.PASSED, Change.SAME),
        (Verdict.FAILED, Verdict.FAILED, Change.SAME),
        (Verdict.FAILED, Verdict.PASSED, Change.FIXED),
        (Verdict.ERROR, Verdict.WARNING, Change.FIXED),
        (Verdict.PASSED, Verdict.FAILED, Change.REGRESSED),
        (Verdict.WARNING, Verdict.ERROR, Change.REGRESSED),
        (Verdict.PASSED, Verdict.NOT_RUN, Change.REGRESSED),
        (Verdict.ERROR, Verdict.FAILED, Change.REGRESSED),
        (Verdict.PASSED, Verdict.WARNING, Change.CHANGED),
        (Verdict.FAILED, Verdict.ERROR, Change.CHANGED),
        (None, Verdict.PASSED, Change.NEW),
        (Verdict.PASSED, None, Change.REMOVED),
    ],
)
def test_two_runs_are_set_side_by_side(
    before: Verdict | None, after: Verdict | None, change: Change
) -> None:
    """One row a case of either."""
    old = _run(*([_case(before)] if before else []), run_id="old")
    new = _run(*([_case(after)] if after else []), run_id="new")

    result = with_run(old, new)

    assert [(row.id, row.change) for row in result.rows] == [("S01.01", change)]
    assert result.counts[change.value] == 1


def test_checks_and_waits_are_compared() -> None:
    """A check that silently went away shows, and so does a slower answer."""
    old = _run(_case(Verdict.PASSED, checks=("a", "b"), waited_ms=10), run_id="old")
    new = _run(_case(Verdict.PASSED, checks=("b", "c", "d"), waited_ms=15), run_id="new")

    result = with_run(old, new)

    row = result.rows[0]
    assert (row.checks_gone, row.checks_new) == (("a",), ("c", "d"))
    assert (result.checks_before, result.checks_after) == (2, 3)
    assert (result.latency_before_ms, result.latency_after_ms) == (10, 15)


def test_a_median_was_measured() -> None:
    """The lower of two middle values, and 0 of none."""
    assert [median([]), median([3.0]), median([1.0, 9.0]), median([5.0, 1.0, 9.0])] == [0, 3, 1, 5]


def test_a_run_without_attempts_is_compared_all_the_same() -> None:
    """A case that never ran has no checks and no wait."""
    case = msgspec.structs.replace(_case(Verdict.NOT_RUN), attempts=())

    row = with_run(_run(case), _run(case)).rows[0]

    assert (row.checks_before, row.latency_after_ms, row.change) == (0, 0.0, Change.SAME)
