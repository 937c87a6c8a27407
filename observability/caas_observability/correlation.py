"""Which span and which log line belongs to which attempt.

An attempt owns what carries its trace id and hangs, through known parents, below a span the
runner opened itself (the attempt's root, or the span of one of its requests).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from caas_observability.receiver.records import ReceivedLog, ReceivedSpan


class AttemptTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What the runner knows of an attempt: its trace, and the ids of the spans it opened."""

    attempt_id: str
    trace_id: str
    span_ids: frozenset[str]


class AttemptTelemetry(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt owns, oldest first, and what only claims to be its own."""

    attempt_id: str
    spans: tuple[ReceivedSpan, ...] = ()
    logs: tuple[ReceivedLog, ...] = ()
    orphan_spans: tuple[ReceivedSpan, ...] = ()
    orphan_logs: tuple[ReceivedLog, ...] = ()


class RunTelemetry(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run's telemetry, sorted out.

    Attributes:
        attempts: By attempt id; every attempt has an entry.
        foreign_spans: Their trace is no attempt's.
        foreign_logs: The same for log records with a trace id.
        uncorrelated_logs: Log records without a trace id, by service.
    """

    attempts: dict[str, AttemptTelemetry]
    foreign_spans: tuple[ReceivedSpan, ...] = ()
    foreign_logs: tuple[ReceivedLog, ...] = ()
    uncorrelated_logs: dict[str, int] = {}


def correlate(
    spans: Iterable[ReceivedSpan],
    logs: Iterable[ReceivedLog],
    attempts: Iterable[AttemptTrace],
    *,
    ignored_traces: Collection[str] = (),
) -> RunTelemetry:
    """Sort telemetry by attempt.

    Args:
        spans: In any order.
        logs: In any order.
        attempts: Each with a trace of its own.
        ignored_traces: End markers and whatever else the runner caused itself.

    Raises:
        ValueError: Two attempts share a trace, so that nothing could be told apart.
    """
    attempts = list(attempts)
    traces = {attempt.trace_id for attempt in attempts}
    if len(traces) != len(attempts):
        raise ValueError("two attempts share a trace id")
    ignored = set(ignored_traces)
    spans_by_trace: dict[str, list[ReceivedSpan]] = {}
    foreign_spans = []
    for span in spans:
        if span.trace_id in traces:
            spans_by_trace.setdefault(span.trace_id, []).append(span)
        elif span.trace_id not in ignored:
            foreign_spans.append(span)
    logs_by_trace: dict[str, list[ReceivedLog]] = {}
    foreign_logs = []
    uncorrelated: Counter[str] = Counter()
    for log in logs:
        if not log.trace_id:
            uncorrelated[log.service] += 1
        elif log.trace_id in traces:
            logs_by_trace.setdefault(log.trace_id, []).append(log)
        elif log.trace_id not in ignored:
            foreign_logs.append(log)
    return RunTelemetry(
        attempts={
            attempt.attempt_id: attribute(
                attempt,
                spans_by_trace.get(attempt.trace_id, ()),
                logs_by_trace.get(attempt.trace_id, ()),
            )
            for attempt in attempts
        },
        foreign_spans=tuple(foreign_spans),
        foreign_logs=tuple(foreign_logs),
        uncorrelated_logs=dict(uncorrelated),
    )


def attribute(
    attempt: AttemptTrace, spans: Sequence[ReceivedSpan], logs: Sequence[ReceivedLog]
) -> AttemptTelemetry:
    """Split the spans and log records of one attempt's trace into owned and orphaned.

    A log record without a span id is owned: it carries the trace and claims no parent.
    """
    parents = {span.span_id: span.parent_span_id for span in spans}
    owned = _below(attempt.span_ids, parents)
    known = owned | attempt.span_ids
    mine = [span for span in spans if span.span_id in owned]
    mine_logs = [log for log in logs if not log.span_id or log.span_id in known]
    return AttemptTelemetry(
        attempt_id=attempt.attempt_id,
        spans=tuple(sorted(mine, key=lambda span: span.start_ns)),
        logs=tuple(sorted(mine_logs, key=lambda log: log.time_ns)),
        orphan_spans=tuple(span for span in spans if span.span_id not in owned),
        orphan_logs=tuple(log for log in logs if log.span_id and log.span_id not in known),
    )


def _below(roots: Collection[str], parents: Mapping[str, str]) -> set[str]:
    """Return the spans whose chain of parents ends in one of *roots*; a circle ends nowhere."""
    owned: set[str] = set()
    for span_id in parents:
        chain: list[str] = []
        seen: set[str] = set()
        at = span_id
        while at in parents and at not in owned and at not in roots and at not in seen:
            seen.add(at)
            chain.append(at)
            at = parents[at]
        if at in owned or at in roots:
            owned.update(chain)
            owned.update(() if at not in parents else (at,))
    return owned
