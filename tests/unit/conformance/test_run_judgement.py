"""From verdicts of cases to the verdict, the gates and the exit code of a run."""

from typing import Any

import msgspec
import pytest

from caas_conformance.engine.agreement import is_flaky, worst
from caas_conformance.verdicts.gates import judge_gates, percentile
from caas_conformance.verdicts.judging import count, exit_code, verdict_of_run
from caas_reports.figures import Figures, GateLimits, Shard
from caas_reports.model import (
    SCHEMA_VERSION,
    Attempt,
    Case,
    Check,
    Correlation,
    DocumentedOperation,
    Gate,
    Level,
    Requirement,
    Run,
    Status,
    Verdict,
)

P, F, W = Verdict.PASSED, Verdict.FAILED, Verdict.WARNING
E, S, N = Verdict.ERROR, Verdict.SKIPPED, Verdict.NOT_RUN


def case(verdict: Verdict, number: int = 1, *, requirement: str = "REQ-01") -> Case:
    """Return a case with one check on *requirement*."""
    check = Check(id="c", title="c", level=Level.MUST, verdict=verdict, requirements=(requirement,))
    attempt = Attempt(
        number=1, status=Status.FINISHED, verdict=verdict, started_at="", duration_ms=1.0,
        checks=(check,),
    )  # fmt: skip
    return Case(
        id=f"Z01.{number:02d}", title="t", phase="Z01", proves="p", verdict=verdict,
        attempts=(attempt,),
    )  # fmt: skip


def run_of(*verdicts: Verdict, status: Status = Status.FINISHED, gate: Verdict = P) -> Run:
    """Return a run of cases with these verdicts and one gate."""
    cases = tuple(case(verdict, n) for n, verdict in enumerate(verdicts))
    return Run(
        schema_version=SCHEMA_VERSION, run_id="r", status=status, verdict=N, started_at="",
        duration_ms=1.0, tool_version="1", command="c", cases=cases, counts=count(cases),
        gates=(Gate(name="g", verdict=gate, expected="1", actual="0"),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "verdict", "code"),
    [
        (run_of(P, P), P, 0),
        (run_of(P, W), W, 0),
        (run_of(P, S), P, 0),
        (run_of(P, F), F, 1),
        (run_of(F, E, N), F, 1),
        (run_of(P, E), E, 3),
        (run_of(P, N), E, 3),
        (run_of(S, S), E, 3),
        (run_of(), E, 3),
        (run_of(P, status=Status.ABORTED), E, 3),
        (run_of(P, status=Status.RUNNING), E, 3),
        (run_of(P, gate=F), F, 4),
        (run_of(F, gate=F), F, 1),
        (run_of(P, gate=S), P, 0),
    ],
)
def test_only_a_whole_green_run_is_green(run: Run, verdict: Verdict, code: int) -> None:
    """Nothing run, nothing judged, not finished: none of them is success."""
    assert (verdict_of_run(run), exit_code(run)) == (verdict, code)


def test_the_worst_verdict_wins() -> None:
    """Of none, nothing is known."""
    assert worst([P, W, F, E, S]) is F
    assert worst([P, E, N]) is E
    assert worst([P, S]) is S
    assert worst([]) is N


@pytest.mark.parametrize(
    ("verdicts", "flaky"),
    [
        ([P, P], False),
        ([F, P], True),
        ([F, F], False),
        ([W, P], False),
        ([E, P], True),
        ([S], False),
    ],
)
def test_flaky_is_disagreement(verdicts: list[Verdict], flaky: bool) -> None:  # noqa: FBT001
    """A warning and a pass agree that it is green."""
    assert is_flaky(verdicts) is flaky


REQUIREMENTS = tuple(
    Requirement(id=r, text=r, source="s", planned=r == "LATER")
    for r in ("REQ-01", "REQ-02", "LATER")
)
ALL_OWNED = Correlation(
    attempts=2,
    attempts_with_trace=2,
    attempts_with_log=2,
    spans=9,
    owned_spans=8,
    logs=4,
    owned_logs=4,
)


def gates(limits: GateLimits | None = None, **found: Any) -> dict[str, Gate]:
    """Judge the gates of a run of two passed cases and return them by name."""
    run = msgspec.structs.replace(
        run_of(P, P), correlation=ALL_OWNED, requirements=REQUIREMENTS,
        limits=limits or GateLimits(),
    )  # fmt: skip
    of_run = {name: found.pop(name) for name in run.__struct_fields__ if name in found}
    run = msgspec.structs.replace(run, figures=Figures(**found), **of_run)
    run = msgspec.structs.replace(run, counts=count(run.cases))
    return {gate.name: gate for gate in judge_gates(run)}


def test_every_gate_holds_on_a_good_run() -> None:
    """And each says what was expected and what came."""
    judged = gates()

    assert {gate.verdict for gate in judged.values()} == {P}
    owned = judged["spans owned by one attempt"]
    assert (owned.actual, owned.detail) == ("100 %", "8 of 8")


def test_a_single_stray_record_is_not_rounded_away() -> None:
    """What failed never reads 100 %, and is named behind the counts."""
    owned = Correlation(attempts=1, attempts_with_trace=1, owned_spans=99_999, owned_logs=1)
    gate = gates(correlation=owned, mix_ups=1, mix_up_examples=("auth: span names Z01.02",))[
        "records under the right attempt"
    ]

    assert (gate.verdict, gate.actual) == (F, "99.9 %")
    assert gate.detail == "99999 of 100000: auth: span names Z01.02"


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ({"mix_ups": 1}, "records under the right attempt"),
        ({"lost_records": 3}, "telemetry records lost"),
        ({"leaks": 1}, "secrets found in reports"),
        ({"died": ("auth-service: restarted 1 times",)}, "services that died"),
        (
            {"answered": 2, "unproven": 1},
            "answers with one true access line",
        ),
        ({"cases": (case(P), case(N, 2))}, "planned cases without a verdict"),
        (
            {"correlation": Correlation(attempts=2, attempts_with_trace=1, attempts_with_log=2,
                                        owned_spans=1, owned_logs=1)},
            "attempts with a trace",
        ),
        (
            {"correlation": Correlation(attempts=2, attempts_with_trace=2, attempts_with_log=1,
                                        owned_spans=1, owned_logs=1)},
            "attempts with a log line",
        ),
        (
            {"correlation": Correlation(attempts=1, attempts_with_trace=1, attempts_with_log=1,
                                        owned_spans=9, orphan_spans=1, owned_logs=1)},
            "spans owned by one attempt",
        ),
    ],
)  # fmt: skip
def test_each_gate_can_fail(found: dict[str, Any], name: str) -> None:
    """One thing wrong fails one gate."""
    judged = gates(**found)

    assert [gate.name for gate in judged.values() if gate.verdict is F] == [name]


def test_no_telemetry_at_all_is_not_a_hundred_percent() -> None:
    """Nothing of nothing proves nothing."""
    judged = gates(correlation=Correlation())

    assert judged["attempts with a trace"].verdict is F
    assert judged["spans owned by one attempt"].actual == "none"


def test_without_telemetry_its_gates_are_skipped_and_shown() -> None:
    """A reader sees what was not looked at."""
    judged = gates(GateLimits(telemetry=False), correlation=Correlation())

    assert judged["attempts with a trace"].verdict is S


def test_coverage_counts_green_checks_of_built_requirements() -> None:
    """A requirement whose only case failed is not covered; a planned one is not expected."""
    half = gates(GateLimits(min_coverage=50.0))["requirements tagged"]
    all_of_it = gates(GateLimits(min_coverage=51.0))["requirements tagged"]
    red = gates(GateLimits(min_coverage=1.0), cases=(case(F),))["requirements tagged"]

    assert (half.verdict, half.actual, half.detail) == (P, "50 %", "1 of 2")
    assert (all_of_it.verdict, all_of_it.detail) == (F, "1 of 2: REQ-02")
    assert (red.actual, red.detail) == ("0 %", "0 of 2: REQ-01, REQ-02")


def test_a_part_is_not_judged_as_the_whole() -> None:
    """What its part can't show is left to the merge; all else is judged at once."""
    limits = GateLimits(min_cases=9, min_coverage=100.0, whole=True)
    judged = gates(
        limits, has_contract=True, leaks=1, shard=Shard(index=1, count=2, plan=("Z01.00",)),
        contract=(DocumentedOperation(service="auth", method="GET", path="/"),),
    )  # fmt: skip

    skipped = {name for name, gate in judged.items() if gate.verdict is S}
    assert skipped == {
        "green cases", "requirements tagged", "contract: operations whose success was never seen",
        "contract: exceptions that are none",
    }  # fmt: skip
    assert [name for name, gate in judged.items() if gate.verdict is F] == [
        "secrets found in reports"
    ]


def test_a_requirement_is_shown_by_a_fault_that_turns_a_green_case_red() -> None:
    """Tags alone show nothing, nor does a proof by a case that is not green now."""
    proofs: dict[str, tuple[str, ...]] = {"broken": ("Z01.01",)}
    known = (
        Requirement(id="REQ-01", text="keep", source="d", proofs=proofs),
        Requirement(id="REQ-02", text="keep", source="d"),
    )
    name = "requirements shown"
    half = gates(GateLimits(min_shown=50.0), requirements=known)[name]
    more = gates(GateLimits(min_shown=51.0), requirements=known)[name]
    red = gates(GateLimits(min_shown=1.0), requirements=known, cases=(case(F),))[name]

    assert (half.verdict, half.actual, half.detail) == (P, "50 %", "1 of 2")
    assert (more.verdict, more.detail) == (F, "1 of 2: REQ-02")
    assert (red.verdict, red.actual) == (F, "0 %")


def test_percentiles_are_values_that_occurred() -> None:
    """Nearest rank, so that a limit is compared with something that was measured."""
    assert percentile([], 95) == 0.0
    assert percentile([5.0], 95) == 5.0
    assert percentile([float(n) for n in range(1, 101)], 95) == 95.0
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
