"""Spans: a lean recorder that decides on sampling before it builds anything.

Two kinds of span share one interface. `Span` is what an unsampled request gets: ids for the log
lines and the headers, and nothing else. `RecordingSpan` keeps what it is told and puts itself
into the process's queue when it ends. Names and attributes follow OpenTelemetry's semantic
conventions; `docs/adr/0003-lean-span-recorder.md` says why the SDK's span is not used here.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from caas_observability.redaction import redact_text
from caas_observability.setup import context
from caas_observability.setup.context import CURRENT, Scope, SpanContext
from caas_observability.setup.sampling import Sampler
from caas_observability.setup.signals import MARKER_RESERVE_ITEMS, SignalQueue

ATTRIBUTES_MAX = 128
EVENTS_MAX = 128
LINKS_MAX = 128
TEXT_MAX_CHARS = 8192
EXCEPTION_MESSAGE_MAX_CHARS = 1024

KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}  # OTLP numbers
_SERVER = KINDS["server"]
STATUS_UNSET, STATUS_OK, STATUS_ERROR = 0, 1, 2

Attributes = Mapping[str, Any]


class Recorder:
    """Where this process's spans go.

    Attributes:
        queue: None while nothing is exported; then no trace is recorded and the caller's
            context is passed on unchanged, as if this process were not there.
        sampler: Decides for roots, and for callers' traces.
    """

    __slots__ = ("queue", "sampler")

    def __init__(self, queue: SignalQueue | None = None, sampler: Sampler | None = None) -> None:
        self.queue = queue
        self.sampler = sampler or Sampler()


_recorder = Recorder()


def install(recorder: Recorder) -> Recorder:
    """Make *recorder* this process's; return the one it replaces."""
    global _recorder
    replaced, _recorder = _recorder, recorder
    return replaced


class Span(Scope):
    """A span that nobody records: it carries ids, and ignores what it is told.

    A context manager; it becomes current when it starts and the one before it when it ends.
    """

    __slots__ = ()
    recording = False

    @property
    def context(self) -> SpanContext:
        """The part of the span that travels."""
        return self

    def set(self, key: str, value: Any) -> None:
        """Set one attribute; None is left out."""

    def set_many(self, attributes: Attributes) -> None:
        """Set several attributes."""

    def add_event(
        self, name: str, attributes: Attributes | None = None, *, time_ns: int | None = None
    ) -> None:
        """Record that something happened, at *time_ns* (Unix) or now."""

    def add_link(self, linked: SpanContext, attributes: Attributes | None = None) -> None:
        """Refer to a span of another trace, such as the one an observer watches."""

    def record_error(self, error: BaseException) -> None:
        """Mark the span as failed by *error*; its text is redacted."""

    def set_error(self, description: str = "", *, error_type: str = "") -> None:
        """Mark the span as failed without an exception, such as by a 5xx answer."""

    def set_ok(self) -> None:
        """Mark the span as successful against what an instrumentation may think."""

    def update_name(self, name: str) -> None:
        """Rename the span, such as once the route is known."""

    def end(self, end_ns: int | None = None) -> None:  # noqa: ARG002 - for those that record
        """End the span; a second call does nothing."""
        if CURRENT.get() is self:
            CURRENT.set(self.previous)
        self.previous = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, Exception):
            self.record_error(exc)
        self.end()


def describe(error: BaseException) -> dict[str, str]:
    """Return an exception's type and redacted text as `exception` event attributes."""
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    message = redact_text(str(error)[:EXCEPTION_MESSAGE_MAX_CHARS])
    return {"exception.type": name, "exception.message": message}


class _SilentSpan(Span):
    """What a child of an unsampled span is: one shared object that never becomes current."""

    __slots__ = ()

    @property
    def context(self) -> SpanContext:
        return context.current() or self

    def end(self, end_ns: int | None = None) -> None:
        """Do nothing."""


_SILENT = _SilentSpan("0" * 32, "0" * 16, False, None)  # noqa: FBT003


class RecordingSpan(Span):
    """A span that is kept; see `Span` for what the methods do.

    Attributes:
        dropped_attributes: How many attributes were over `ATTRIBUTES_MAX`.
    """

    __slots__ = (
        "attributes", "dropped_attributes", "end_ns", "events", "flush", "kind", "links", "name",
        "parent_span_id", "queue", "start_ns", "status", "status_message",
    )  # fmt: skip
    recording = True

    def __init__(
        self,
        name: str,
        kind: int,
        trace_id: str,
        parent_span_id: str,
        queue: SignalQueue,
        previous: Scope | None,
        *,
        tracestate: str = "",
        attributes: dict[str, Any] | None = None,
    ) -> None:
        # Scope's own, written out: a call for it costs as much as all of these together.
        self.trace_id = trace_id
        self.span_id = context.new_span_id()
        self.sampled = True
        self.tracestate = tracestate
        self.previous = previous
        self.correlation_id = (
            context.current_correlation_id() if previous is None else previous.correlation_id
        )
        self.name = name
        self.kind = kind
        self.parent_span_id = parent_span_id
        self.queue = queue
        self.attributes: dict[str, Any] = {} if attributes is None else attributes
        self.dropped_attributes = 0
        self.events: list[tuple[int, str, dict[str, Any]]] | None = None
        self.links: list[tuple[SpanContext, dict[str, Any]]] | None = None
        self.status = STATUS_UNSET
        self.status_message = ""
        self.flush = False
        self.end_ns = 0
        self.start_ns = time.time_ns()

    def set(self, key: str, value: Any) -> None:
        """Set one attribute, up to `ATTRIBUTES_MAX`; None is left out."""
        if value is None:
            return
        attributes = self.attributes
        if len(attributes) >= ATTRIBUTES_MAX and key not in attributes:
            self.dropped_attributes += 1
            return
        if type(value) is str and len(value) > TEXT_MAX_CHARS:
            value = value[:TEXT_MAX_CHARS]
        attributes[key] = value

    def set_many(self, attributes: Attributes) -> None:
        """Set several attributes."""
        for key, value in attributes.items():
            self.set(key, value)

    def add_event(
        self, name: str, attributes: Attributes | None = None, *, time_ns: int | None = None
    ) -> None:
        """Record that something happened, up to `EVENTS_MAX`."""
        if self.events is None:
            self.events = []
        if len(self.events) < EVENTS_MAX:
            self.events.append((time_ns or time.time_ns(), name, dict(attributes or {})))

    def add_link(self, linked: SpanContext, attributes: Attributes | None = None) -> None:
        """Refer to a span of another trace, up to `LINKS_MAX`."""
        if self.links is None:
            self.links = []
        if len(self.links) < LINKS_MAX:
            self.links.append((linked, dict(attributes or {})))

    def record_error(self, error: BaseException) -> None:
        """Mark the span as failed by *error*; its text is redacted."""
        described = describe(error)
        self.add_event("exception", described)
        self.set_error(described["exception.message"], error_type=described["exception.type"])

    def set_error(self, description: str = "", *, error_type: str = "") -> None:
        """Mark the span as failed without an exception."""
        self.status = STATUS_ERROR
        self.status_message = description
        if error_type:
            self.set("error.type", error_type)

    def set_ok(self) -> None:
        """Mark the span as successful."""
        self.status = STATUS_OK
        self.status_message = ""

    def update_name(self, name: str) -> None:
        """Rename the span."""
        self.name = name

    def end(self, end_ns: int | None = None) -> None:
        """End the span and queue it; a second call does nothing."""
        if self.end_ns:
            return
        self.end_ns = time.time_ns() if end_ns is None else end_ns
        context.deactivate(self)
        self.previous = None
        queue = self.queue
        if not self.flush:
            queue.put(self)
            return
        # The reader of the marker learns here whether anything before it was lost.
        self.set("caas.telemetry.dropped_spans", queue.dropped_spans)
        self.set("caas.telemetry.dropped_logs", queue.dropped_logs)
        queue.put(self, MARKER_RESERVE_ITEMS)
        queue.wake()


def start_span(
    name: str,
    *,
    kind: str = "internal",
    attributes: Attributes | None = None,
    parent: SpanContext | None = None,
    links: Iterable[SpanContext] = (),
    activate: bool = True,
) -> Span:
    """Start a span below *parent* (default: the current one) and make it current.

    Args:
        name: Low cardinality: `POST`, `find users`, never an id.
        kind: internal, server, client, producer or consumer.
        attributes: By semantic convention.
        parent: A context that came with a message; a local span may be given as well.
        links: Spans of other traces this one has to do with.
        activate: False for a span that others run beside, such as a long stream's.

    Returns:
        A span that records, or one that ignores everything when the trace is not sampled.
    """
    scope = context.current_scope()
    origin: SpanContext | None = scope if parent is None else parent
    if origin is scope and origin is not None and not isinstance(origin, RecordingSpan):
        return _SILENT
    span = span_below(origin, name, KINDS[kind])
    if attributes:
        span.set_many(attributes)
    for linked in links:
        span.add_link(linked)
    return _activated(span) if activate else span


def span_below(origin: SpanContext | None, name: str, kind: int) -> Span:
    """Make a span below *origin*, a root without one, that is not current yet."""
    scope, queue = context.current_scope(), _recorder.queue
    if origin is None:
        trace_id, span_id = context.new_ids()
        if queue is None or not _recorder.sampler.root(trace_id):
            return Span(trace_id, span_id, False, scope)  # noqa: FBT003
        return RecordingSpan(name, kind, trace_id, "", queue, scope)
    if queue is None or not origin.sampled:
        return Span(origin.trace_id, origin.span_id, origin.sampled, scope, origin.tracestate)
    return RecordingSpan(
        name, kind, origin.trace_id, origin.span_id, queue, scope, tracestate=origin.tracestate
    )


def start_server_span(
    name: str,
    *,
    traceparent: bytes | str | None = None,
    tracestate: bytes | str | None = None,
    attributes_lazy: Callable[[], dict[str, Any]] | None = None,
) -> Span:
    """Start the span of an incoming request and make it current.

    Sampling is decided from the caller's flags, or from a fresh trace id, before any object is
    made. A sampled request whose `tracestate` has the member `caas=flush` is an end marker:
    everything queued is exported right after its span ended. Whoever calls may ask for either,
    so both are bounded; see `caas_observability.setup.sampling`.

    Args:
        name: `METHOD route`, or the method alone until the route is known.
        traceparent: The header; an invalid one is ignored and a new trace begins.
        tracestate: The header that belongs to it.
        attributes_lazy: Called for a recording span only.
    """
    recorder = _recorder
    queue, sampler = recorder.queue, recorder.sampler
    previous = CURRENT.get()
    flush = False
    remote = None if traceparent is None else context.split_traceparent(traceparent)
    if remote is None:
        trace_id, span_id = context.new_ids()
        parent_span_id, state = "", ""
        sampled = queue is not None and sampler.root(trace_id)
    else:
        trace_id, parent_span_id, sampled = remote
        state = context.clean_tracestate(tracestate) if tracestate else ""
        if queue is None:
            # Not recorded here; it is in the log all the same, and in who is called next.
            sampled = sampled and sampler.forced.take()
            span = Span(trace_id, parent_span_id, sampled, previous, state)
            CURRENT.set(span)
            return span
        if sampled and tracestate:
            flush = context.asks_flush(tracestate) and sampler.flushes.take()
        # Unsampled, the caller's span id stands: there will be no span to put in between.
        sampled, span_id = flush or sampler.child(trace_id, sampled), parent_span_id
    if queue is None or not sampled:
        span = Span(trace_id, span_id, False, previous, state)  # noqa: FBT003
        CURRENT.set(span)
        return span
    recording = RecordingSpan(
        name, _SERVER, trace_id, parent_span_id, queue, previous,
        tracestate=state,
        attributes=None if attributes_lazy is None else attributes_lazy(),
    )  # fmt: skip
    recording.flush = flush
    return _activated(recording)


def _activated(span: Span) -> Span:
    context.activate(span)
    return span
