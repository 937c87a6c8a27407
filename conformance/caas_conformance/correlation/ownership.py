"""Prove that what is shown under a case belongs to it, and to no other.

Precision: no record in an attempt's trace names another attempt. Recall: every traced exchange
left a server span, and no record that names the attempt lies in another trace. The attempt's
name travels as trace id and as correlation id; both may be wrong together, so the line that a
service wrote about each exchange is compared with the wire as well (`access_lines`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from caas_conformance.authoring.checks import MUST, Assertion, Check
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.suite import AccessLine
from caas_conformance.correlation import access_lines, leaks
from caas_conformance.engine.attempt import AttemptRecord
from caas_conformance.wire.answer import ExchangeRecord
from caas_observability.correlation import AttemptTelemetry, AttemptTrace, attribute
from caas_observability.receiver.records import ReceivedLog, ReceivedSpan

CHECK_ID = "telemetry"
CHECK_TITLE = (
    "every service that was called took part in the trace; none logged an error or a secret"
)
SHOWN_MAX = 5
_ERROR_LEVELS = frozenset({"error", "critical"})
_METHOD_KEYS = ("http.request.method", "http.method")


def owned(
    context: CaseContext, spans: Iterable[ReceivedSpan], logs: Iterable[ReceivedLog]
) -> AttemptTelemetry:
    """Split what carries the attempt's trace into its own and orphans."""
    opened = {x.span_id for x in context.wire.exchanges}
    trace = AttemptTrace(
        attempt_id=context.trace.correlation_prefix,
        trace_id=context.trace.trace_id,
        span_ids=frozenset(opened | {context.trace.root_span_id}),
    )
    return attribute(trace, list(spans), list(logs))


def missing_server_spans(record: AttemptRecord, spans: Iterable[ReceivedSpan]) -> list[str]:
    """Return the ids of traced exchanges below which no server span hangs."""
    served = _served(record, spans)
    return [x.id for x in traced_exchanges(record) if x.id not in served]


def _served(record: AttemptRecord, spans: Iterable[ReceivedSpan]) -> set[str]:
    """Return the ids of exchanges below which a server span hangs."""
    parents = {span.parent_span_id for span in spans if span.kind == "server"}
    return {x.id for x in record.context.wire.exchanges if x.span_id in parents}


def traced_exchanges(record: AttemptRecord) -> list[ExchangeRecord]:
    """Return the exchanges that the platform's own edge answered under our trace.

    Bytes that the HTTP server below refuses never reach a service; such an answer lacks the
    correlation id that the edge puts on every response.
    """
    return [
        x
        for x in record.context.wire.exchanges
        if x.is_traced
        and x.sampled
        and x.status is not None
        and any(name.lower() == "x-correlation-id" for name, _ in x.response_headers)
    ]


def called_services(record: AttemptRecord) -> list[str]:
    """Return the services that answered at least one traced request, in order of the first."""
    answered = [
        x
        for x in record.context.wire.exchanges
        if x.is_traced and x.sampled and x.status is not None
    ]
    return list(dict.fromkeys(x.service for x in answered))


def strangers(record: AttemptRecord, telemetry: AttemptTelemetry, run_marker: str) -> list[str]:
    """Return what lies in the attempt's trace and names another attempt.

    Args:
        record: The attempt.
        telemetry: What its trace holds.
        run_marker: With what every correlation id of this run begins.
    """
    mine = f"{record.trace.correlation_prefix}."
    found = [
        f"{span.service}: span {span.name} names {name}"
        for span in (*telemetry.spans, *telemetry.orphan_spans)
        for name in _names(span.attributes, run_marker)
        if not name.startswith(mine)
    ]
    found += [
        f"{log.service}: log {log.message!r} names {name}"
        for log in (*telemetry.logs, *telemetry.orphan_logs)
        for name in _names(log.attributes, run_marker)
        if not name.startswith(mine)
    ]
    return found + list(_wrong_methods(record, telemetry.spans))


class Naming(NamedTuple):
    """A record that names an exchange of this run, and the trace it lies in."""

    service: str
    name: str
    trace_id: str


def namings(records: Iterable[ReceivedSpan | ReceivedLog], run_marker: str) -> Iterator[Naming]:
    """Yield each record that names an exchange of this run."""
    for item in records:
        for name in _names(item.attributes, run_marker):
            yield Naming(item.service, name, item.trace_id)


def strays(named: Iterable[Naming], trace_of: Mapping[str, str]) -> list[str]:
    """Return what names an exchange and lies in another trace than its attempt's.

    Args:
        named: The records that name one.
        trace_of: The trace of each traced exchange, by its correlation id.
    """
    return [
        f"{one.service}: a record of {one.name} lies in trace {one.trace_id or '(none)'}"
        for one in named
        if trace_of.get(one.name, one.trace_id) != one.trace_id
    ]


def add_check(
    record: AttemptRecord,
    telemetry: AttemptTelemetry,
    run_marker: str,
    unsettled: list[str],
    access: AccessLine | None,
) -> None:
    """Judge the attempt's telemetry by the check that every case has."""
    check = Check(
        CHECK_ID,
        CHECK_TITLE,
        level=MUST,
        requirements=(),
        step=None,
        go_on=True,
        on_close=record.extra_checks.append,
    )
    with check:
        for service in unsettled:
            _note(check, f"telemetry.{service}", "arrived", "did not arrive in time")
        if not record.case.untraced_because:
            _note_participation(check, record, telemetry)
            if access is not None:
                _note_access_lines(check, record, telemetry, access)
        if not record.case.errors_logged_because:
            errors = [
                f"{log.service}: {log.message}"
                for log in (*telemetry.logs, *telemetry.orphan_logs)
                if log.level in _ERROR_LEVELS
            ]
            _note(check, "logs.errors", [], errors[:SHOWN_MAX])
        others = strangers(record, telemetry, run_marker)
        _note(check, "trace.others", [], others[:SHOWN_MAX])
        spans = (*telemetry.spans, *telemetry.orphan_spans)
        logs = (*telemetry.logs, *telemetry.orphan_logs)
        shown = leaks.exposed((*spans, *logs), record.context.secrets)
        _note(check, "telemetry.leaks", [], shown[:SHOWN_MAX])


def _note(check: Check, at: str, expected: Any, actual: Any) -> None:
    check.assertions.append(Assertion(at, expected, actual, expected == actual))


def _note_participation(check: Check, record: AttemptRecord, telemetry: AttemptTelemetry) -> None:
    present = {span.service for span in telemetry.spans}
    for service in called_services(record):
        seen = "in the trace" if service in present else "not in the trace"
        _note(check, f"spans.{service}", "in the trace", seen)
    missing = missing_server_spans(record, telemetry.spans)
    _note(check, "exchanges.without_server_span", [], missing[:SHOWN_MAX])
    unasked = [x.id for x in record.context.wire.exchanges if not x.sampled]
    recorded = sorted({x for x in unasked if x in _served(record, telemetry.spans)})
    _note(check, "exchanges.recorded_unasked", [], recorded[:SHOWN_MAX])
    orphans = [f"{span.service}: {span.name}" for span in telemetry.orphan_spans]
    _note(check, "spans.orphans", [], orphans[:SHOWN_MAX])


def _note_access_lines(
    check: Check, record: AttemptRecord, telemetry: AttemptTelemetry, access: AccessLine
) -> None:
    answered = traced_exchanges(record)
    record.answered = len(answered)
    record.unproven = access_lines.unproven(answered, telemetry, access)
    _note(check, "exchanges.access_line", [], record.unproven[:SHOWN_MAX])


def _names(attributes: Mapping[str, Any], run_marker: str) -> Iterator[str]:
    for value in attributes.values():
        if isinstance(value, str) and value.startswith(run_marker):
            yield value


def _wrong_methods(record: AttemptRecord, spans: Iterable[ReceivedSpan]) -> Iterator[str]:
    sent = {x.span_id: x for x in record.context.wire.exchanges}
    for span in spans:
        exchange = sent.get(span.parent_span_id)
        method = next((span.attributes[k] for k in _METHOD_KEYS if k in span.attributes), None)
        if exchange is None or method is None or span.kind != "server":
            continue
        if method not in (exchange.method, "_OTHER"):
            yield f"{span.service}: a span of {method} under {exchange.method} ({exchange.id})"
