"""The server span of a request: decided on before any object of the SDK is made.

An unsampled request gets an `UnsampledSpan` in its context, which carries ids for the log lines and
for who is called next; a sampled one gets the SDK's span. Children are started with
`opentelemetry.trace`, by whoever likes.
"""

import random
from collections.abc import Callable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as api
from opentelemetry import trace
from opentelemetry.context import Context

from caas_observability.redaction import redact_text
from caas_observability.setup import context
from caas_observability.setup.markers import Markers
from caas_observability.setup.propagation import remote_context
from caas_observability.setup.sampling import DecidedIds, Sampler

EXCEPTION_MESSAGE_MAX_CHARS = 1024

Attributes = Mapping[str, Any]

_BITS_64 = (1 << 64) - 1


class Recorder:
    """How this process records requests.

    Attributes:
        sampler: Decides for roots, and for callers' traces.
        tracer: Of the SDK; None while nothing is exported: then nothing is recorded, and the
            caller's context is passed on unchanged, as if this process were not there.
        ids: The tracer's id generator.
        markers: Answers those who ask for an end marker.
    """

    __slots__ = ("ids", "markers", "sampler", "tracer")

    def __init__(
        self,
        sampler: Sampler | None = None,
        tracer: trace.Tracer | None = None,
        ids: DecidedIds | None = None,
        markers: Markers | None = None,
    ) -> None:
        self.sampler = sampler or Sampler()
        self.tracer = tracer
        self.ids = ids or DecidedIds()
        self.markers = markers


_recorder = Recorder()


def install(recorder: Recorder) -> Recorder:
    """Make *recorder* this process's; return the one it replaces."""
    global _recorder
    replaced, _recorder = _recorder, recorder
    return replaced


class UnsampledSpan(trace.NonRecordingSpan):
    """A span that is not recorded here; its ids stay text until somebody asks for the API's form.

    Most requests that are not recorded log nothing and call nobody, so nobody does.
    """

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        *,
        sampled: bool = False,
        tracestate: bytes | str | None = None,
        is_remote: bool = True,
    ) -> None:
        """Take the ids of the caller, or fresh ones; *sampled* is what others are told."""
        self._ids = (trace_id, span_id, sampled, tracestate)
        self._is_remote = is_remote
        self._made: trace.SpanContext | None = None

    def get_span_context(self) -> trace.SpanContext:
        """Return ids, flags and state."""
        if self._made is None:
            self._made = remote_context(*self._ids, is_remote=self._is_remote)
        return self._made

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.get_span_context()!r})"


class ServerSpan:
    """The span of an incoming request, recorded or not, as the edge sees it.

    Current from its start to its end, which belong in one task. What it is told is ignored when
    nothing is recorded.

    Attributes:
        span: The API's span.
        recording: Whether what the span is told is kept.
        sampled: Whether the trace is recorded, here or by those who took part before.
        correlation_id: Of the request.
    """

    __slots__ = ("_marks", "_text", "_token", "correlation_id", "recording", "sampled", "span")

    def __init__(
        self,
        span: trace.Span,
        traceparent: str,
        correlation_id: str,
        *,
        sampled: bool,
        marks: Markers | None = None,
    ) -> None:
        self.span = span
        self.recording = span.is_recording()
        self.sampled = sampled
        self.correlation_id = correlation_id
        self._text = traceparent
        self._marks = marks
        self._token: Token[Context] | None = api.attach(context.of_request(correlation_id, span))

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self._text[3:35]

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return self._text[36:52]

    def traceparent(self) -> str:
        """Write the context as a `traceparent` header value (also right for `traceresponse`)."""
        return self._text

    def set(self, key: str, value: Any) -> None:
        """Set one attribute; None is left out."""
        if self.recording and value is not None:
            self.span.set_attribute(key, value)

    def set_many(self, attributes: Attributes) -> None:
        """Set several attributes at the price of one."""
        if self.recording:
            self.span.set_attributes(attributes)

    def add_event(self, name: str, attributes: Attributes | None = None) -> None:
        """Record that something happened."""
        if self.recording:
            self.span.add_event(name, dict(attributes or {}))

    def record_error(self, error: BaseException) -> None:
        """Mark the span as failed by *error*; its text is redacted."""
        described = describe(error)
        self.add_event("exception", described)
        self.set_error(described["exception.message"], error_type=described["exception.type"])

    def set_error(self, description: str = "", *, error_type: str = "") -> None:
        """Mark the span as failed, with or without an exception, such as by a 5xx answer."""
        if self.recording:
            self.span.set_status(trace.StatusCode.ERROR, description or None)
            if error_type:
                self.span.set_attribute("error.type", error_type)

    def update_name(self, name: str) -> None:
        """Rename the span, such as once the route is known."""
        if self.recording:
            self.span.update_name(name)

    def end(self) -> None:
        """End the span; a second call does nothing."""
        token, self._token = self._token, None
        if token is None:
            return
        api.detach(token)
        if self.recording:
            self.span.end()
        if self._marks is not None:
            self._marks.ask(self.span.get_span_context())

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


def start_server_span(
    name: str,
    *,
    correlation_id: str = "",
    traceparent: bytes | str | None = None,
    tracestate: bytes | str | None = None,
    attributes_lazy: Callable[[], dict[str, Any]] | None = None,
) -> ServerSpan:
    """Start the span of an incoming request and make it current.

    Sampling is decided from the caller's flags, or from a fresh trace id, before any object is
    made. A sampled `traceparent` with the member `caas=flush` in its `tracestate` asks for end
    markers, which follow right after the span ended. Whoever calls may ask for either, so both
    are bounded; see `caas_observability.setup.sampling`.

    Args:
        name: `METHOD route`, or the method alone until the route is known.
        correlation_id: Of the request; the log lines and calls made below it carry it.
        traceparent: The header; an invalid one is ignored and a new trace begins.
        tracestate: The header that belongs to it.
        attributes_lazy: Called for a recorded span only.
    """
    parts = None if traceparent is None else context.split_traceparent(traceparent)
    if parts is None:
        return _start_root(name, correlation_id, attributes_lazy)
    recorder = _recorder
    sampler, tracer = recorder.sampler, recorder.tracer
    trace_id, span_id, wanted = parts
    marks = None
    if tracer is None:
        # Not recorded here; it is in the log all the same, and in who is called next.
        sampled = wanted and sampler.forced.take()
    else:
        if wanted and tracestate and context.asks_flush(tracestate) and sampler.flushes.take():
            marks = recorder.markers
        # Who asks for markers wants those, not itself: it takes nobody's share of what is recorded.
        sampled = marks is None and sampler.child(trace_id, wanted)
        if sampled:
            parent = trace.NonRecordingSpan(remote_context(trace_id, span_id, sampled, tracestate))
            within = context.of_request(correlation_id, parent)
            return _record(tracer, name, within, correlation_id, attributes_lazy)
    # The caller's span id stands: there will be no span to put in between.
    return ServerSpan(
        UnsampledSpan(trace_id, span_id, sampled=sampled, tracestate=tracestate),
        f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}",
        correlation_id,
        sampled=sampled,
        marks=marks,
    )


def _start_root(
    name: str, correlation_id: str, attributes_lazy: Callable[[], dict[str, Any]] | None
) -> ServerSpan:
    recorder = _recorder
    number = random.getrandbits(192)
    trace_id = number >> 64 or 1
    if recorder.tracer is None or not recorder.sampler.root(trace_id):
        fresh = f"{trace_id:032x}", f"{number & _BITS_64 or 1:016x}"
        span = UnsampledSpan(*fresh, is_remote=False)
        return ServerSpan(span, f"00-{fresh[0]}-{fresh[1]}-00", correlation_id, sampled=False)
    recorder.ids.decide(trace_id)
    within = context.with_correlation_id(correlation_id)
    return _record(recorder.tracer, name, within, correlation_id, attributes_lazy)


def _record(
    tracer: trace.Tracer,
    name: str,
    within: Context,
    correlation_id: str,
    attributes_lazy: Callable[[], dict[str, Any]] | None,
) -> ServerSpan:
    attributes = _attributes(correlation_id, attributes_lazy)
    span = tracer.start_span(name, within, trace.SpanKind.SERVER, attributes)
    own = span.get_span_context()
    text = f"00-{own.trace_id:032x}-{own.span_id:016x}-01"
    return ServerSpan(span, text, correlation_id, sampled=True)


def _attributes(correlation_id: str, lazily: Callable[[], dict[str, Any]] | None) -> dict[str, Any]:
    attributes = {} if lazily is None else lazily()
    if correlation_id:
        attributes["correlation_id"] = correlation_id
    return attributes
