"""Made-up runs for tests, golden files and screenshots: rich, and the same bytes every time.

`python -m caas_reports.testing DIRECTORY [CASES]` writes every format of one into a directory.
"""

import sys
from collections import Counter
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from caas_reports import scenario
from caas_reports.model import (
    SCHEMA_VERSION,
    Attempt,
    Case,
    Correlation,
    Counts,
    Failure,
    Gate,
    Level,
    Overhead,
    Phase,
    Requirement,
    Run,
    Status,
    Target,
    Verdict,
)

RUN_ID = "20260302-091500-7f3a"
STARTED_AT = "2026-03-02T09:15:00.000Z"

PHASES = (
    Phase(id="S01", title="Health", description="Every service says whether it can work."),
    Phase(id="S02", title="Client registration", description="A company becomes a tenant."),
    Phase(id="S05", title="SDK sessions", description="A tenant's end users get a session."),
    Phase(id="S08", title="Gateway routes", description="The front door, as a signed-in user."),
    Phase(id="S11", title="Realtime", description="Several users in one conversation."),
    Phase(id="T04", title="Streaming answers", description="A model's answer, chunk by chunk."),
)

REQUIREMENTS = (
    Requirement(
        id="HEALTH-1",
        text="Every service answers its health route without credentials.",
        source="flow-explanation",
        anchor="Phase 1",
    ),
    Requirement(
        id="TENANT-1",
        text="A registered tenant sees its own company on the very next call.",
        source="flow-explanation",
        anchor="Phase 6",
    ),
    Requirement(
        id="TENANT-2",
        text="One e-mail address makes exactly one tenant.",
        source="flow-explanation",
        anchor="Phase 2",
    ),
    Requirement(
        id="SESSION-1",
        text="An SDK session carries an access token, a refresh token and the user.",
        source="flow-explanation",
        anchor="Phase 4",
    ),
    Requirement(
        id="LIMIT-1",
        level=Level.SHOULD,
        text="Rate-limited routes say what is left of the limit.",
        source="seed-report",
        anchor="case 27",
    ),
    Requirement(
        id="CHAT-1",
        text="A message reaches every member of the conversation exactly once.",
        source="flow-explanation",
        anchor="Phase 8",
    ),
    Requirement(
        id="STREAM-1",
        text="A streamed answer ends with exactly one done event.",
        source="chat-guide",
        anchor="Streaming",
    ),
    Requirement(
        id="AUDIT-1",
        text="Every administrative act leaves an audit record.",
        source="flow-explanation",
        anchor="Phase 7",
    ),
)


class _Template(NamedTuple):
    """A case to be made, with the verdicts of its attempts."""

    title: str
    phase: str
    tags: tuple[str, ...]
    requirements: tuple[str, ...]
    baseline: tuple[int, ...]
    scenario: str
    verdicts: tuple[Verdict, ...]


_TEMPLATES = (
    _Template(
        "The gateway says that it is alive",
        "S01",
        ("health",),
        ("HEALTH-1",),
        (1,),
        "health",
        (Verdict.PASSED,),
    ),
    _Template(
        "The gateway names its dependencies",
        "S01",
        ("health",),
        ("HEALTH-1",),
        (2, 3),
        "health",
        (Verdict.PASSED,),
    ),
    _Template(
        "A company registers and becomes a tenant",
        "S02",
        ("auth", "client"),
        ("TENANT-2",),
        (12, 13),
        "register",
        (Verdict.PASSED,),
    ),
    _Template(
        "A second registration of one e-mail is refused",
        "S02",
        ("auth", "client", "negative"),
        ("TENANT-2",),
        (14,),
        "register",
        (Verdict.FAILED, Verdict.PASSED),
    ),
    _Template(
        "An API key opens a session for a user",
        "S05",
        ("auth", "sdk"),
        ("SESSION-1",),
        (19, 20),
        "session",
        (Verdict.PASSED,),
    ),
    _Template(
        "A session needs an API key",
        "S05",
        ("auth", "sdk", "negative"),
        ("SESSION-1",),
        (21,),
        "session",
        (Verdict.ERROR,),
    ),
    _Template(
        "A tenant reads its own company",
        "S08",
        ("gateway",),
        ("TENANT-1", "LIMIT-1"),
        (27, 111),
        "tenant",
        (Verdict.FAILED,),
    ),
    _Template(
        "Usage counts what the tenant has",
        "S08",
        ("gateway",),
        ("TENANT-1",),
        (28, 113),
        "tenant",
        (Verdict.PASSED,),
    ),
    _Template(
        "Responses say what is left of the limit",
        "S08",
        ("gateway", "limits"),
        ("LIMIT-1",),
        (),
        "tenant",
        (Verdict.WARNING,),
    ),
    _Template(
        "A member's message reaches the other node",
        "S11",
        ("socket", "chat"),
        ("CHAT-1",),
        (46, 63),
        "socket",
        (Verdict.PASSED,),
    ),
    _Template(
        "A stranger hears nothing of the conversation",
        "S11",
        ("socket", "chat", "negative"),
        ("CHAT-1",),
        (45, 62),
        "socket",
        (Verdict.FAILED, Verdict.FAILED),
    ),
    _Template(
        "An answer streams and ends once",
        "T04",
        ("sse", "model"),
        ("STREAM-1",),
        (),
        "stream",
        (Verdict.PASSED,),
    ),
    _Template(
        "A cut connection resumes where it stopped",
        "T04",
        ("sse", "model"),
        ("STREAM-1",),
        (),
        "stream",
        (),
    ),
    _Template(
        "An observer sees the running stream",
        "T04",
        ("sse", "supervisor"),
        ("STREAM-1",),
        (),
        "stream",
        (Verdict.SKIPPED,),
    ),
)

DEFAULT_CASES = len(_TEMPLATES)


def build_run(cases: int = DEFAULT_CASES, *, run_id: str = RUN_ID, hostile: str = "") -> Run:
    """Make a run with every verdict, several attempts, sockets, streams, spans and logs in it.

    Args:
        cases: How many cases; the templates repeat with new ids.
        run_id: Its id.
        hostile: Text that is put into every free-text field, for tests that look for injection.
    """
    ordinals: Counter[str] = Counter()
    made = []
    for number, template in enumerate(islice(cycle(_TEMPLATES), cases), start=1):
        ordinals[template.phase] += 1
        made.append(_case(number, ordinals[template.phase], template, hostile))
    built = tuple(sorted(made, key=lambda case: case.id))
    counts = _counts(built)
    return Run(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
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
        overhead=Overhead(median_ms=0.9, p95_ms=2.4, total_ms=18.2, telemetry_wait_ms=41.0),
        environment={"python": "3.13.1", "system": "Linux x86-64", "cpus": "2"},
    )


def _gates(hostile: str) -> tuple[Gate, ...]:
    return (
        Gate(name="cases", verdict=Verdict.PASSED, expected=">= 10", actual="14"),
        Gate(name="correlation", verdict=Verdict.PASSED, expected="100 %", actual="100 %"),
        Gate(
            name="flaky",
            verdict=Verdict.FAILED,
            expected="0",
            actual="1" + hostile,
            detail="S02.02 passed only when it was tried again",
        ),
    )


def _case(number: int, ordinal: int, template: _Template, hostile: str) -> Case:
    title, phase, tags, requirements, baseline, kind, verdicts = template
    case_id = f"{phase}.{ordinal:02d}"
    attempts = tuple(
        _attempt(case_id, index, kind, verdict, requirements, hostile)
        for index, verdict in enumerate(verdicts, start=1)
        if verdict is not Verdict.SKIPPED
    )
    verdict = verdicts[-1] if verdicts else Verdict.NOT_RUN
    return Case(
        id=case_id,
        title=f"{title}{hostile}",
        phase=phase,
        proves=scenario.PROVES[kind] + hostile,
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
) -> Attempt:
    evidence = scenario.evidence(kind, verdict, requirements, hostile, seed=f"{case_id}#{number}")
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
        duration_ms=evidence.duration_ms,
        sut_wait_ms=round(evidence.duration_ms * 0.93, 3),
        overhead_ms=round(evidence.duration_ms * 0.03, 3),
        trace_id=evidence.trace_id,
        steps=evidence.steps,
        checks=evidence.checks,
        exchanges=evidence.exchanges,
        spans=evidence.spans,
        logs=evidence.logs,
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


def _correlation(cases: tuple[Case, ...]) -> Correlation:
    attempts = [attempt for case in cases for attempt in case.attempts]
    spans = sum(len(attempt.spans) for attempt in attempts)
    logs = sum(len(attempt.logs) for attempt in attempts)
    return Correlation(
        attempts=len(attempts),
        attempts_with_trace=sum(bool(attempt.trace_id) for attempt in attempts),
        spans=spans,
        owned_spans=spans,
        logs=logs,
        owned_logs=logs,
        uncorrelated_logs={"auth-service": 2, "gateway": 1},
    )


def main(arguments: list[str]) -> None:
    """Write every format of a made-up run into a directory."""
    from caas_reports import formats  # noqa: PLC0415  (the writers import this package's model)

    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    cases = int(arguments[1]) if len(arguments) > 1 else DEFAULT_CASES
    formats.write_all(build_run(cases), directory)


if __name__ == "__main__":
    main(sys.argv[1:])
