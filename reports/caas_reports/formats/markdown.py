"""Markdown in the shape of the seed's report, so that the two can be read side by side.

The seed's parts keep their names and order: Summary; per case Type, Outcome, Started, Ended, Tags,
then Request, Response and Service Reaction Logs. What the seed lacked comes beside them: what the
case proves, its checks, and the trace.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import BinaryIO

from caas_reports.archive import Archive
from caas_reports.causes.grouping import causes
from caas_reports.comparison.context import Context
from caas_reports.model import Attempt, Case, Check, Exchange, Message, Run, Verdict
from caas_reports.plain import plain
from caas_reports.traceability import covered_line, matrix
from caas_reports.wording import duration, failure_message, seen_line, share

NAME = "markdown"
FILENAME = "report.md"
WIRE_EVENTS_MAX = 200
LOG_LINES_MAX = 500
ATTEMPTS_MAX = 5
"""Of one case, with their evidence; the last ones that did not pass."""


def write(run: Run, stream: BinaryIO, context: Context) -> None:
    """Write the document; control characters of what the platform said are shown.

    What passed has a line; with `context.full` it is told like the rest.
    """
    stream.writelines(plain(line).encode() + b"\n" for line in _document(run, context))


def _document(run: Run, context: Context) -> Iterator[str]:
    yield "# CAAS conformance report"
    yield ""
    yield f"**Generated:** {run.started_at}"
    yield f"**Run:** {run.run_id} ({run.status.value}, {run.verdict.value})"
    yield f"**Command:** {_code(run.command)}"
    yield f"**Tested:** {_tested(run)}"
    yield ""
    yield from _summary(run)
    yield from _attention(run, context.archive)
    in_a_line = [] if context.full else [case for case in run.cases if _simply_passed(case)]
    for case in run.cases:
        if context.full or not _simply_passed(case):
            yield from _case(case, context)
    yield from _passed(in_a_line)
    yield from _contract(run)
    yield from _requirements(run)


def _simply_passed(case: Case) -> bool:
    return case.verdict is Verdict.PASSED and not case.flaky


def _passed(cases: list[Case]) -> Iterator[str]:
    if not cases:
        return
    yield "## Passed"
    for case in cases:
        last = case.attempts[-1]
        times = f", {len(case.attempts)} times" if len(case.attempts) > 1 else ""
        told = f"{len(last.checks)} checks in {duration(last.duration_ms)}"
        yield f"- **{case.id}** {_line(case.title)}: {told}{times}"
    yield ""
    yield "`caas report render --format markdown --full` tells these with their evidence, too."
    yield ""


def _tested(run: Run) -> str:
    versions = [f"{name} {version}" for name, version in sorted(run.target.versions.items())]
    told = ", ".join(versions)
    return _line(f"{run.target.description} ({told})" if told else run.target.description)


def _summary(run: Run) -> Iterator[str]:
    counts = run.counts
    yield "## Summary"
    for name, count in (
        ("Total Cases", counts.planned),
        ("Passed", counts.passed),
        ("Warnings", counts.warning),
        ("Failed", counts.failed),
        ("Errors", counts.error),
        ("Skipped", counts.skipped),
        ("Not run", counts.not_run),
        ("Vacuous", counts.vacuous),
        ("Flaky", counts.flaky),
    ):
        yield f"- {name}: {count}"
    yield f"- Duration: {duration(run.duration_ms)}"
    found = run.correlation
    yield f"- Cases with a trace: {share(found.attempts_with_trace, found.attempts)}"
    yield f"- Cases with a log line: {share(found.attempts_with_log, found.attempts)}"
    spans = f"{found.owned_spans} owned, {found.orphan_spans} orphans"
    yield f"- Spans: {spans}, {found.foreign_spans} foreign"
    untraced = sum(found.uncorrelated_logs.values())
    logs = f"{found.owned_logs} owned, {found.foreign_logs} foreign"
    yield f"- Logs: {logs}, {untraced} without a trace"
    yield (
        f"- Harness overhead per case: median {duration(run.overhead.median_ms)}, "
        f"p95 {duration(run.overhead.p95_ms)}"
    )
    yield ""
    if run.gates:
        yield "| Gate | Verdict | Expected | Actual | Detail |"
        yield "|---|---|---|---|---|"
        for gate in run.gates:
            cells = (gate.name, gate.verdict.value, gate.expected, gate.actual, gate.detail)
            yield f"| {' | '.join(map(_cell, cells))} |"
        yield ""


def _attention(run: Run, archive: Archive) -> Iterator[str]:
    wanting = [case for case in run.cases if case.verdict is not Verdict.PASSED]
    yield from _causes(run, archive)
    if not wanting:
        return
    yield "## Needs attention"
    for case in wanting:
        yield f"- **{case.id}** {_line(case.title)}: {case.verdict.value}"
        message = failure_message(case)
        if message:
            yield f"  - {_line(message)}"
    yield ""


def _causes(run: Run, archive: Archive) -> Iterator[str]:
    found = causes(run, archive)
    if not found.causes:
        return
    yield "## What broke"
    for cause in found.causes:
        many = f"{len(cause.cases)} cases" if len(cause.cases) > 1 else "1 case"
        yield f"- **{_line(cause.title)}** ({many}: {', '.join(cause.cases)})"
        said = found.findings[cause.example]
        if said.exchange:
            came = said.status if said.status is not None else said.error or "no answer"
            asked = _code(f"{said.method} {said.url}")
            yield f"  - In {cause.example}: {asked} answered {_line(str(came))}"
        if said.at:
            wanted, got = _code(said.expected), _code(said.actual)
            yield f"  - {_code(said.at)}: expected {wanted}, got {got}"
        if said.note:
            yield f"  - {_line(said.note)}"
        for record in said.logs:
            yield f"  - {record.level} {_line(record.service)}: {_line(record.message)}"
    yield ""


def _case(case: Case, context: Context) -> Iterator[str]:
    last = case.attempts[-1] if case.attempts else None
    protocols = sorted({exchange.protocol for exchange in last.exchanges}) if last else []
    yield f"## [{case.id}] {_line(case.title)}"
    yield f"- **Type:** {', '.join(protocols) or '-'}"
    yield f"- **Outcome:** {case.verdict.value}{' (flaky)' if case.flaky else ''}"
    yield f"- **Started:** {last.started_at if last else '-'}"
    yield f"- **Ended:** {_ended(last) if last else '-'}"
    yield f"- **Tags:** {_line(', '.join(case.tags))}"
    yield f"- **Proves:** {_line(case.proves)}"
    yield f"- **Requirements:** {', '.join(case.requirements) or '-'}"
    if case.baseline:
        yield f"- **Replaces seed cases:** {', '.join(map(str, case.baseline))}"
    if case.reason:
        yield f"- **Reason:** {_line(case.reason)}"
    if case.reproduce:
        yield f"- **Reproduce:** {_code(case.reproduce)}"
    yield ""
    shown = case.attempts if context.full else _worth_showing(case)
    for attempt in shown:
        if len(case.attempts) > 1:
            yield f"### Attempt {attempt.number}: {attempt.verdict.value}"
            yield ""
        yield from _attempt(context.archive.full(attempt))
    numbers = {attempt.number for attempt in shown}
    rest = Counter(a.verdict.value for a in case.attempts if a.number not in numbers)
    if rest:
        told = ", ".join(f"{times} {verdict}" for verdict, times in rest.items())
        yield f"{len(case.attempts)} attempts; not shown: {told}."
        yield ""
    yield "---"
    yield ""


def _worth_showing(case: Case) -> tuple[Attempt, ...]:
    """Give the last attempts that did not pass; of a case that has none, the last."""
    broken = [a for a in case.attempts if a.verdict is not Verdict.PASSED]
    return tuple(broken[-ATTEMPTS_MAX:] or case.attempts[-1:])


def _ended(attempt: Attempt) -> str:
    started = datetime.fromisoformat(attempt.started_at)
    ended = started + timedelta(milliseconds=attempt.duration_ms)
    return ended.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _attempt(attempt: Attempt) -> Iterator[str]:
    if attempt.failure:
        yield f"**{attempt.failure.kind}:** {_line(attempt.failure.message)}"
        yield ""
        if attempt.failure.detail:
            yield from _fence("text", attempt.failure.detail)
    yield from _checks(attempt.checks)
    for exchange in attempt.exchanges:
        yield from _exchange(exchange)
    yield from _logs(attempt)
    yield from _trace(attempt)


def _checks(checks: tuple[Check, ...]) -> Iterator[str]:
    if not checks:
        return
    yield "### Checks"
    yield "| Check | Level | Requirement | Verdict | At | Expected | Actual |"
    yield "|---|---|---|---|---|---|---|"
    for check in checks:
        head = (check.title, check.level.value, ", ".join(check.requirements), check.verdict.value)
        for assertion in check.assertions:
            cells = (*head, assertion.at, assertion.expected, assertion.actual)
            yield f"| {' | '.join(map(_cell, cells))} |"
            head = ("", "", "", "")
        if not check.assertions:
            yield f"| {' | '.join(map(_cell, (*head, '-', '-', '-')))} |"
    yield ""


def _exchange(exchange: Exchange) -> Iterator[str]:
    timings = exchange.timings
    yield "### Request"
    yield f"{exchange.id}: {exchange.method} {_code(exchange.url)} to {exchange.service}"
    yield ""
    yield from _message(exchange.request)
    yield "### Response"
    said = str(exchange.status or exchange.error or "no answer")
    if exchange.status and exchange.error:
        said = f"{said}, but {exchange.error}"
    first = duration(timings.first_byte_ms)
    yield f"{_line(said)} after {duration(timings.total_ms)} (first byte after {first})"
    yield ""
    for note in exchange.notes:
        yield f"- {_line(note)}"
    if exchange.notes:
        yield ""
    yield from _message(exchange.response)
    if exchange.events:
        yield "| At | Direction | Kind | Name | Bytes | Data |"
        yield "|---|---|---|---|---|---|"
        for event in exchange.events[:WIRE_EVENTS_MAX]:
            cells = (
                f"{event.offset_ms:.1f} ms",
                event.direction,
                event.kind,
                event.name,
                str(event.bytes),
                event.data,
            )
            yield f"| {' | '.join(map(_cell, cells))} |"
        if len(exchange.events) > WIRE_EVENTS_MAX:
            yield f"| | | {len(exchange.events) - WIRE_EVENTS_MAX} more in run.json | | | |"
        yield ""


def _message(message: Message) -> Iterator[str]:
    if message.headers:
        yield from _fence("http", "\n".join(f"{name}: {value}" for name, value in message.headers))
    if message.body:
        kind = "json" if message.body.lstrip().startswith(("{", "[")) else "text"
        yield from _fence(kind, message.body)
    if message.trailers:
        yield "Trailers:"
        yield ""
        yield from _fence("http", "\n".join(f"{name}: {value}" for name, value in message.trailers))


def _logs(attempt: Attempt) -> Iterator[str]:
    yield "### Service Reaction Logs"
    ordered = sorted(attempt.logs, key=lambda record: record.offset_ms)
    for service in sorted({record.service for record in ordered}):
        lines = [
            f"[{record.offset_ms:9.3f} ms] {record.level.upper()} {record.message}"
            + "".join(f" {key}={value}" for key, value in sorted(record.attributes.items()))
            for record in ordered
            if record.service == service
        ]
        if len(lines) > LOG_LINES_MAX:
            lines[LOG_LINES_MAX:] = [f"({len(lines) - LOG_LINES_MAX} more in run.json)"]
        yield f"#### {_line(service)}"
        yield from _fence("text", "\n".join(lines))
    if not ordered:
        yield "None."
        yield ""


def _trace(attempt: Attempt) -> Iterator[str]:
    if not attempt.trace_id:
        return
    yield "### Trace"
    yield f"{attempt.trace_id}, {len(attempt.spans)} spans"
    yield ""
    depth = {"": -1}
    lines = []
    for span in sorted(attempt.spans, key=lambda span: (span.offset_ms, -span.duration_ms)):
        depth[span.span_id] = depth.get(span.parent_span_id, -1) + 1
        mark = " !" if span.status == "error" else ""
        name = f"{'  ' * depth[span.span_id]}{span.service}: {span.name}{mark}"
        lines.append(f"{span.offset_ms:9.3f} +{span.duration_ms:9.3f} ms  {name}")
    if lines:
        yield from _fence("text", "\n".join(lines))


def _contract(run: Run) -> Iterator[str]:
    if not run.contract:
        return
    yield "## Contract"
    yield f"{seen_line(run.contract)}."
    yield ""
    yield "| Service | Operation | Status | Times | First case |"
    yield "|---|---|---|---|---|"
    for one in run.contract:
        head = (one.service, f"{one.method} {one.path}")
        for answer in one.answers:
            never = one.unseen_because or "never"
            times = str(answer.times) if answer.times else never
            cells = (*head, answer.status, times, answer.first_case)
            yield f"| {' | '.join(map(_cell, cells))} |"
            head = ("", "")
    yield ""


def _requirements(run: Run) -> Iterator[str]:
    rows = matrix(run)
    if not rows:
        return
    yield "## Requirements"
    yield f"{covered_line(rows)}."
    yield ""
    yield "| Requirement | Level | Verdict | Cases | Shown by | What must be true | Source |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        known = row.requirement
        cells = (
            row.id,
            known.level.value if known else "",
            row.state.value,
            ", ".join(row.cases),
            ", ".join(row.shown_by),
            known.text if known else "not in the catalogue",
            ", ".join(filter(None, (known.source, known.anchor))) if known else "",
        )
        yield f"| {' | '.join(map(_cell, cells))} |"
    yield ""


def _fence(kind: str, text: str) -> Iterator[str]:
    """Fence a text with more backticks than stand in it."""
    longest = max((len(run) for run in _backtick_runs(text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{kind}"
    yield text
    yield fence
    yield ""


def _backtick_runs(text: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]


def _line(text: str) -> str:
    """Put a text on one line, its angle brackets and pipes harmless."""
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|")


def _cell(text: str) -> str:
    return _line(text) or " "


def _code(text: str) -> str:
    flat = " ".join(text.split())
    longest = max((len(run) for run in _backtick_runs(flat)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{ticks}{pad}{flat}{pad}{ticks}"
