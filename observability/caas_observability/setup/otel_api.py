"""The OpenTelemetry API over our spans, so that third-party instrumentations join our traces.

What they start is recorded by our recorder below our current span; what we start inside their
`start_as_current_span` hangs below theirs; what they inject is our context.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators import textmap
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util._decorator import _agnosticcontextmanager  # as the SDK's tracer does

from caas_observability.setup import context as scopes
from caas_observability.setup import tracing
from caas_observability.setup.context import Scope, SpanContext
from caas_observability.setup.tracing import RecordingSpan, Span

_KINDS = {
    trace.SpanKind.INTERNAL: "internal",
    trace.SpanKind.SERVER: "server",
    trace.SpanKind.CLIENT: "client",
    trace.SpanKind.PRODUCER: "producer",
    trace.SpanKind.CONSUMER: "consumer",
}
_Links = Sequence[trace.Link] | None


class ApiSpan(trace.Span):
    """One of our spans with the API's methods.

    Attributes:
        span: Ours.
    """

    def __init__(self, span: Span) -> None:
        self.span = span

    def get_span_context(self) -> trace.SpanContext:
        """Return the ids and flags."""
        return _api_context(self.span.context)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute."""
        self.span.set(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        self.span.set_many(attributes)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Record that something happened, at *timestamp* (Unix nanoseconds) or now."""
        self.span.add_event(name, attributes, time_ns=timestamp)

    def add_link(self, context: trace.SpanContext, attributes: Any = None) -> None:
        """Refer to another span."""
        if context.is_valid:
            self.span.add_link(_our_context(context), attributes)

    def update_name(self, name: str) -> None:
        """Rename the span."""
        self.span.update_name(name)

    def is_recording(self) -> bool:
        """Tell whether anything told to the span is kept."""
        return self.span.recording

    def set_status(
        self, status: trace.Status | trace.StatusCode, description: str | None = None
    ) -> None:
        """Set the outcome."""
        code = status.status_code if isinstance(status, trace.Status) else status
        text = status.description if isinstance(status, trace.Status) else description
        if code is trace.StatusCode.ERROR:
            self.span.set_error(text or "")
        elif code is trace.StatusCode.OK:
            self.span.set_ok()

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: ARG002, FBT001, FBT002 - the API's signature
    ) -> None:
        """Record *exception* as an event; its text is redacted."""
        self.span.add_event(
            "exception", {**tracing.describe(exception), **(attributes or {})}, time_ns=timestamp
        )

    def end(self, end_time: int | None = None) -> None:
        """End the span, at *end_time* (Unix nanoseconds) or now."""
        self.span.end(end_time)


class ApiTracer(trace.Tracer):
    """Starts our spans for one instrumentation library."""

    def __init__(self, library: str) -> None:
        self._library = library

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Any = None,
        links: _Links = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: ARG002, FBT001, FBT002
        set_status_on_exception: bool = True,  # noqa: ARG002, FBT001, FBT002
    ) -> trace.Span:
        """Start a span that is not current."""
        span = tracing.span_below(_parent(context), name, tracing.KINDS[_KINDS[kind]])
        if isinstance(span, RecordingSpan):
            span.set("otel.scope.name", self._library)
            span.set_many(attributes or {})
            span.start_ns = start_time or time.time_ns()
            for link in links or ():
                span.add_link(_our_context(link.context), link.attributes)
        return ApiSpan(span)

    @_agnosticcontextmanager
    def start_as_current_span(  # noqa: PLR0913, PLR0917 - the API's signature
        self,
        name: str,
        context: Context | None = None,
        kind: trace.SpanKind = trace.SpanKind.INTERNAL,
        attributes: Any = None,
        links: _Links = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002
        end_on_exit: bool = True,  # noqa: FBT001, FBT002
    ) -> Iterator[trace.Span]:
        """Start a span that is current, for the API and for us."""
        api_span = self.start_span(name, context, kind, attributes, links, start_time)
        assert isinstance(api_span, ApiSpan)  # noqa: S101 - made two lines above
        span = api_span.span
        scopes.activate(span)
        try:
            with trace.use_span(
                api_span,
                end_on_exit=False,
                record_exception=record_exception,
                set_status_on_exception=set_status_on_exception,
            ):
                yield api_span
        finally:
            scopes.deactivate(span)
            if end_on_exit:
                span.end()


class ApiTracerProvider(trace.TracerProvider):
    """Gives out tracers over our recorder.

    Attributes:
        resource: What this process says of itself.
    """

    def __init__(self, resource: Resource) -> None:
        self.resource = resource

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,  # noqa: ARG002 - the API's signature
        schema_url: str | None = None,  # noqa: ARG002
        attributes: Any = None,  # noqa: ARG002
    ) -> trace.Tracer:
        """Return the tracer of one instrumentation library."""
        return ApiTracer(instrumenting_module_name)


class ScopePropagator(textmap.TextMapPropagator):
    """W3C Trace Context, with our current span where the API has none."""

    def __init__(self) -> None:
        self._standard = TraceContextTextMapPropagator()

    def extract(
        self,
        carrier: textmap.CarrierT,
        context: Context | None = None,
        getter: textmap.Getter[textmap.CarrierT] = textmap.default_getter,
    ) -> Context:
        """Read a context as the standard propagator does."""
        return self._standard.extract(carrier, context, getter)

    def inject(
        self,
        carrier: textmap.CarrierT,
        context: Context | None = None,
        setter: textmap.Setter[textmap.CarrierT] = textmap.default_setter,
    ) -> None:
        """Write the context the next span would have as its parent."""
        parent = _parent(context)
        if parent is not None:
            span = trace.NonRecordingSpan(_api_context(parent))
            self._standard.inject(carrier, trace.set_span_in_context(span), setter)

    @property
    def fields(self) -> set[str]:
        """The names that `inject` writes."""
        return self._standard.fields


def install(resource: Resource) -> None:
    """Make the API use our recorder; the first call in a process wins, as the API has it."""
    trace.set_tracer_provider(ApiTracerProvider(resource))
    propagate.set_global_textmap(ScopePropagator())


def _parent(context: Context | None) -> SpanContext | None:
    """Find the parent: the innermost of the API's current span and ours.

    An explicit context counts alone, for a library that passes one means it.
    """
    api_span = trace.get_current_span(context)
    theirs = api_span.get_span_context()
    ours = scopes.current_scope()
    if not theirs.is_valid:
        return ours if context is None else None
    if not isinstance(api_span, ApiSpan):
        return _our_context(theirs)
    if context is None and ours is not None and _is_inside(ours, api_span.span):
        return ours
    return api_span.span.context


def _is_inside(inner: Scope, outer: Scope) -> bool:
    scope: Scope | None = inner
    while scope is not None:
        if scope is outer:
            return True
        scope = scope.previous
    return False


def _our_context(context: trace.SpanContext) -> SpanContext:
    return SpanContext(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        context.trace_flags.sampled,
        context.trace_state.to_header(),
    )


def _api_context(context: SpanContext) -> trace.SpanContext:
    state = trace.TraceState.from_header([context.tracestate]) if context.tracestate else None
    return trace.SpanContext(
        trace_id=int(context.trace_id, 16),
        span_id=int(context.span_id, 16),
        is_remote=False,
        trace_flags=trace.TraceFlags(context.sampled),
        trace_state=state,
    )
