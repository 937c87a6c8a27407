"""Made-up runs for tests, golden files and screenshots: rich, and the same bytes every time.

`python -m caas_reports.testing DIRECTORY [CASES]` writes every format of one into a directory.
"""

from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import msgspec

from caas_reports.archive import FILENAME, MEMBER_BYTES, Archive, ArchiveWriter, brief
from caas_reports.model import (
    SCHEMA_VERSION,
    Attempt,
    Case,
    Correlation,
    Counts,
    DocumentedOperation,
    Failure,
    Gate,
    Overhead,
    Run,
    SeenAnswer,
    Status,
    Target,
    Verdict,
)
from caas_reports.testing.evidence import fatten
from caas_reports.testing.plan import PHASES, REQUIREMENTS, TEMPLATES, Template
from caas_reports.testing.scenarios import PROVES, evidence

RUN_ID = "20260302-091500-7f3a"
STARTED_AT = "2026-03-02T09:15:00.000Z"

DEFAULT_CASES = len(TEMPLATES)


def build_run(
    cases: int = DEFAULT_CASES, *, run_id: str = RUN_ID, hostile: str = "", bulk: int = 1
) -> Run:
    """Make a run with every verdict, several attempts, sockets, streams, spans and logs in it.

    Args:
        cases: How many cases; the templates repeat with new ids.
        run_id: Its id.
        hostile: Text that is put into every free-text field, for tests that look for injection.
        bulk: How many times over an attempt has its evidence, each time with other random parts.
    """
    ordinals: Counter[str] = Counter()
    made = []
    for number, template in enumerate(islice(cycle(TEMPLATES), cases), start=1):
        ordinals[template.phase] += 1
        made.append(_case(number, ordinals[template.phase], template, hostile, bulk))
    built = tuple(sorted(made, key=lambda case: case.id))
    counts = _counts(built)
    return Run(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        suite="caas",
        status=Status.FINISHED,
        verdict=Verdict.FAILED if counts.failed else Verdict.PASSED,
        started_at=STARTED_AT,
        duration_ms=round(sum(a.duration_ms for c in built for a in c.attempts) / 4, 1),
        tool_version="0.1.0",
        command="caas conformance run -n 4" + hostile,
        target=Target(
            urls={
                "gateway": "http://127.0.0.1:4000",
                "auth-service": "http://127.0.0.1:4001",
                "socket-service-1": "http://127.0.0.1:4002",
            },
            versions={"gateway": "0.1.0", "auth-service": "0.1.0", "socket-service-1": "0.1.0"},
            description="local stack, profile caas" + hostile,
        ),
        options={"parallel": 4, "retries": 1, "phases": ["S01", "S02"], "note": "made up"},
        counts=counts,
        plan=tuple(case.id for case in built),
        phases=PHASES,
        cases=built,
        requirements=REQUIREMENTS,
        gates=_gates(hostile),
        correlation=_correlation(built),
        contract=_contract(),
        overhead=Overhead(median_ms=0.9, p95_ms=2.4, total_ms=18.2, telemetry_wait_ms=41.0),
        environment={"python": "3.13.1", "system": "Linux x86-64", "cpus": "2"},
    )


def kept_beside(run: Run, directory: Path, *, member_bytes: int = MEMBER_BYTES) -> Run:
    """Keep the evidence of what passed beside a run, as the runner does."""
    writer = ArchiveWriter(directory / FILENAME, member_bytes=member_bytes)

    def kept(case: Case, attempt: Attempt) -> Attempt:
        place = writer.add(case.id, attempt)
        return brief(attempt, place) if attempt.verdict is Verdict.PASSED else attempt

    cases = tuple(
        msgspec.structs.replace(case, attempts=tuple(kept(case, one) for one in case.attempts))
        for case in run.cases
    )
    return msgspec.structs.replace(run, cases=cases, evidence=writer.close())


def whole(run: Run, directory: Path) -> Run:
    """Put the evidence that lies beside a run back into it."""
    kept = Archive.beside(directory, run)
    return msgspec.structs.replace(
        run,
        cases=tuple(
            msgspec.structs.replace(case, attempts=tuple(map(kept.full, case.attempts)))
            for case in run.cases
        ),
    )


def _gates(hostile: str) -> tuple[Gate, ...]:
    return (
        Gate(name="cases", verdict=Verdict.PASSED, expected=">= 10", actual="14"),
        Gate(
            name="correlation",
            verdict=Verdict.PASSED,
            expected="100 %",
            actual="100 %",
            detail="14 of 14",
        ),
        Gate(
            name="flaky",
            verdict=Verdict.FAILED,
            expected="0",
            actual="1" + hostile,
            detail="S02.02 passed only when it was tried again",
        ),
    )


def _case(number: int, ordinal: int, template: Template, hostile: str, bulk: int) -> Case:
    title, phase, tags, requirements, baseline, kind, verdicts = template
    case_id = f"{phase}.{ordinal:02d}"
    attempts = tuple(
        _attempt(case_id, index, kind, verdict, requirements, hostile, bulk)
        for index, verdict in enumerate(verdicts, start=1)
        if verdict is not Verdict.SKIPPED
    )
    verdict = verdicts[-1] if verdicts else Verdict.NOT_RUN
    return Case(
        id=case_id,
        title=f"{title}{hostile}",
        phase=phase,
        proves=PROVES[kind] + hostile,
        verdict=verdict,
        tags=(*tags, *([hostile] if hostile else [])),
        requirements=requirements,
        baseline=baseline if number <= DEFAULT_CASES else (),
        attempts=attempts,
        flaky=verdict is Verdict.PASSED and len(verdicts) > 1,
        reproduce=f"caas conformance run --case {case_id}{hostile}" if attempts else "",
        reason=_REASONS.get(verdict, "") + (hostile if verdict in _REASONS else ""),
    )


_REASONS = {
    Verdict.SKIPPED: "the profile has no supervisor role",
    Verdict.NOT_RUN: "the run ended before its turn",
}


def _attempt(
    case_id: str,
    number: int,
    kind: str,
    verdict: Verdict,
    requirements: tuple[str, ...],
    hostile: str,
    bulk: int,
) -> Attempt:
    seed = f"{case_id}#{number}"
    made = evidence(kind, verdict, requirements, hostile, seed=seed)
    fatten(made, bulk)
    failure = None
    if verdict is Verdict.ERROR:
        failure = Failure(
            kind="environment",
            message="auth-service refused the connection" + hostile,
            detail="connect 127.0.0.1:4001: connection refused, 3 times in 450 ms" + hostile,
        )
    second = sum(map(ord, case_id)) % 60
    return Attempt(
        number=number,
        status=Status.FINISHED,
        verdict=verdict,
        started_at=f"2026-03-02T09:15:{second:02d}.{number * 111:03d}Z",
        duration_ms=made.duration_ms,
        sut_wait_ms=round(made.duration_ms * 0.93, 3),
        overhead_ms=round(made.duration_ms * 0.03, 3),
        trace_id=made.trace_id,
        steps=made.steps,
        checks=made.checks,
        exchanges=made.exchanges,
        spans=made.spans,
        logs=made.logs,
        failure=failure,
    )


def _counts(cases: tuple[Case, ...]) -> Counts:
    of = {verdict: sum(case.verdict is verdict for case in cases) for verdict in Verdict}
    return Counts(
        planned=len(cases),
        passed=of[Verdict.PASSED],
        failed=of[Verdict.FAILED],
        warning=of[Verdict.WARNING],
        error=of[Verdict.ERROR],
        skipped=of[Verdict.SKIPPED],
        not_run=of[Verdict.NOT_RUN],
        flaky=sum(case.flaky for case in cases),
    )


def _contract() -> tuple[DocumentedOperation, ...]:
    answers = (
        SeenAnswer(status="200", times=12, first_case="S08.01"),
        SeenAnswer(status="503"),
    )
    why = "asked by services alone"
    return (
        DocumentedOperation(service="gateway", method="GET", path="/v1/tenant", answers=answers),
        DocumentedOperation(
            service="auth-service", method="POST", path="/internal/{key}",
            answers=(SeenAnswer(status="204"),), unseen_because=why,
        ),
    )  # fmt: skip


def _correlation(cases: tuple[Case, ...]) -> Correlation:
    attempts = [attempt for case in cases for attempt in case.attempts]
    spans = sum(len(attempt.spans) for attempt in attempts)
    logs = sum(len(attempt.logs) for attempt in attempts)
    return Correlation(
        attempts=len(attempts),
        attempts_with_trace=sum(bool(attempt.trace_id) for attempt in attempts),
        attempts_with_log=sum(bool(attempt.logs) for attempt in attempts),
        spans=spans,
        owned_spans=spans,
        logs=logs,
        owned_logs=logs,
        uncorrelated_logs={"auth-service": 2, "gateway": 1},
    )
