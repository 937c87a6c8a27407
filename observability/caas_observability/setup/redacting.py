"""Redaction as the first thing that happens to a recorded span or log record.

What these hand to the processors behind them holds no secret, whoever recorded it: our own code,
an instrumentation of others, or a library that logs through the OpenTelemetry API.
"""

from typing import Any

from opentelemetry._logs import LogRecord
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk._logs import ReadWriteLogRecord, SynchronousMultiLogRecordProcessor
from opentelemetry.sdk.trace import Event, ReadableSpan, SynchronousMultiSpanProcessor
from opentelemetry.trace import Link, Status

from caas_observability.setup import cleaning
from caas_observability.setup.cleaning import clean_text, clean_value
from caas_observability.setup.context import current_correlation_id

CORRELATION_KEY = "correlation_id"  # as in the log lines


class RedactingSpanProcessor(SynchronousMultiSpanProcessor):
    """Hands each ended span on to every processor, redacted."""

    def on_end(self, span: ReadableSpan) -> None:
        """Pass on *span*, or a copy of it without what must not be seen."""
        super().on_end(redacted(span))


class RedactingLogProcessor(SynchronousMultiLogRecordProcessor):
    """Hands each log record on to every processor, redacted and with its correlation id.

    What the exporter itself logs while it exports is not passed on: it would feed itself.
    """

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Redact in place and pass on."""
        if not is_instrumentation_enabled():
            return
        _redact_record(log_record.log_record)
        super().on_emit(log_record)


def _redact_record(record: LogRecord) -> None:
    if isinstance(record.body, str):
        record.body = clean_text(record.body)
    elif record.body is not None:
        record.body = clean_value("", record.body)
    attributes: Any = record.attributes  # the SDK's own, which can be written
    for name, value in (cleaning.changed(attributes) or {}).items():
        attributes[name] = value
    correlation_id = current_correlation_id(record.context)
    if correlation_id:
        attributes[CORRELATION_KEY] = correlation_id


def redacted(span: ReadableSpan) -> ReadableSpan:
    """Return *span* itself when it holds no secret, else a copy without."""
    name = clean_text(span.name)
    status = span.status
    attributes = cleaning.changed(span.attributes)
    events = _events(span) if span.events else None
    links = _links(span) if span.links else None
    if status.description:
        status = Status(status.status_code, clean_text(status.description))
    if (
        name == span.name
        and status is span.status
        and attributes is None
        and events is None
        and links is None
    ):
        return span
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes if attributes is None else BoundedAttributes(None, attributes),
        events=span.events if events is None else events,
        links=span.links if links is None else links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _events(span: ReadableSpan) -> list[Event] | None:
    cleaned = [cleaning.changed(event.attributes) for event in span.events]
    names = [clean_text(event.name) for event in span.events]
    if not any(cleaned) and names == [event.name for event in span.events]:
        return None
    return [
        Event(name, event.attributes if attributes is None else attributes, event.timestamp)
        for event, name, attributes in zip(span.events, names, cleaned, strict=True)
    ]


def _links(span: ReadableSpan) -> list[Link] | None:
    cleaned = [cleaning.changed(link.attributes) for link in span.links]
    if not any(cleaned):
        return None
    return [
        link if attributes is None else Link(link.context, attributes)
        for link, attributes in zip(span.links, cleaned, strict=True)
    ]
