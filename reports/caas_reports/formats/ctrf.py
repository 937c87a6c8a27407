"""CTRF, the Common Test Report Format (https://ctrf.io).

What we write of it is held by `reports/schemas/ctrf.schema.json`.
"""

import uuid
from datetime import datetime
from typing import Any, BinaryIO

import msgspec

from caas_reports.comparison.context import Context
from caas_reports.model import Attempt, Case, Run, Verdict
from caas_reports.wording import failure_message, failure_text

NAME = "ctrf"
FILENAME = "ctrf.json"
SPEC_VERSION = "1.0.0"
TOOL = "caas-conformance"
# The namespace of the case ids: CTRF wants a UUID that stays the same from run to run.
CASE_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:caas:conformance:case")

_STATUS = {
    Verdict.PASSED: "passed",
    Verdict.WARNING: "passed",  # every MUST was kept; `rawStatus` tells
    Verdict.FAILED: "failed",
    Verdict.ERROR: "other",
    Verdict.SKIPPED: "skipped",
    Verdict.NOT_RUN: "pending",
}


def write(run: Run, stream: BinaryIO, context: Context) -> None:  # noqa: ARG001
    """Write the document; the verdict in our words stands in `rawStatus`."""
    tests = [_test(run, case) for case in run.cases]
    start = _epoch_ms(run.started_at)
    statuses = [test["status"] for test in tests]
    summary: dict[str, Any] = {
        "tests": len(tests),
        **{status: statuses.count(status) for status in sorted(set(_STATUS.values()))},
        "flaky": run.counts.flaky,
        "suites": len({case.phase for case in run.cases}),
        "start": start,
        "stop": start + round(run.duration_ms),
        "duration": round(run.duration_ms),
        "extra": {"verdict": run.verdict.value, "planned": run.counts.planned},
    }
    document = {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": str(uuid.uuid5(CASE_NAMESPACE, run.run_id)),
        "timestamp": run.started_at,
        "generatedBy": f"caas {run.tool_version}",
        "results": {
            "tool": {"name": TOOL, "version": run.tool_version},
            "summary": summary,
            "tests": tests,
            "environment": {"extra": dict(run.environment)},
            "extra": {"runId": run.run_id, "command": run.command},
        },
    }
    stream.write(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def _test(run: Run, case: Case) -> dict[str, Any]:
    last = case.attempts[-1] if case.attempts else None
    title = next((phase.title for phase in run.phases if phase.id == case.phase), case.phase)
    test: dict[str, Any] = {
        "id": str(uuid.uuid5(CASE_NAMESPACE, case.id)),
        "name": f"{case.id} {case.title}",
        "status": _STATUS[case.verdict],
        "rawStatus": case.verdict.value,
        "duration": round(last.duration_ms) if last else 0,
        "suite": [f"{case.phase} {title}"],
        "type": "conformance",
        "tags": list(case.tags),
        "flaky": case.flaky,
        "retries": max(0, len(case.attempts) - 1),
        "extra": _extra(case, last),
    }
    if case.requirements:
        test["labels"] = {"requirement": list(case.requirements)}
    if last:
        test["start"] = _epoch_ms(last.started_at)
        test["stop"] = test["start"] + test["duration"]
    message = failure_message(case)
    if message:
        test["message"] = message
        test["trace"] = failure_text(last) if last else message
    if len(case.attempts) > 1:
        test["retryAttempts"] = [_attempt(attempt) for attempt in case.attempts[:-1]]
    return test


def _extra(case: Case, last: Attempt | None) -> dict[str, Any]:
    extra: dict[str, Any] = {"caseId": case.id, "proves": case.proves}
    if case.baseline:
        extra["baseline"] = list(case.baseline)
    if case.reproduce:
        extra["reproduce"] = case.reproduce
    if last and last.trace_id:
        extra["traceId"] = last.trace_id
    return extra


def _attempt(attempt: Attempt) -> dict[str, Any]:
    start = _epoch_ms(attempt.started_at)
    return {
        "attempt": attempt.number,
        "status": _STATUS[attempt.verdict],
        "duration": round(attempt.duration_ms),
        "start": start,
        "stop": start + round(attempt.duration_ms),
        "message": failure_text(attempt).partition("\n")[0],
        "extra": {"rawStatus": attempt.verdict.value, "traceId": attempt.trace_id},
    }


def _epoch_ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
