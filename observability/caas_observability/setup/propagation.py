"""Trace context and correlation id in any carrier of text pairs: headers, a handshake, an event.

The trace context is the API's W3C propagator's; ours adds the correlation id, also to what
instrumentations of others send. Baggage is not passed on: it is a stranger's text.
"""

from collections.abc import Mapping, MutableMapping

from opentelemetry import propagate, trace
from opentelemetry.context import Context, get_current
from opentelemetry.propagators import textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from caas_observability.setup import context as ours

CORRELATION_ID = "x-correlation-id"
_TRACEPARENT, _TRACESTATE = "traceparent", "tracestate"


class CorrelationIdPropagator(textmap.TextMapPropagator):
    """Writes `x-correlation-id`; who reads one checks it first, so nothing is read here."""

    def extract(
        self,
        carrier: textmap.CarrierT,  # noqa: ARG002 - the API's signature
        context: Context | None = None,
        getter: textmap.Getter[textmap.CarrierT] = textmap.default_getter,  # noqa: ARG002
    ) -> Context:
        """Add nothing."""
        return get_current() if context is None else context

    def inject(
        self,
        carrier: textmap.CarrierT,
        context: Context | None = None,
        setter: textmap.Setter[textmap.CarrierT] = textmap.default_setter,
    ) -> None:
        """Write the id, if there is one."""
        value = ours.current_correlation_id(context)
        if value:
            setter.set(carrier, CORRELATION_ID, value)

    @property
    def fields(self) -> set[str]:
        """The names that `inject` writes."""
        return {CORRELATION_ID}


_PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), CorrelationIdPropagator()])


def install() -> None:
    """Make instrumentations of others pass on the same."""
    propagate.set_global_textmap(_PROPAGATOR)


def inject(carrier: MutableMapping[str, str]) -> None:
    """Write the current trace context and correlation id; outside every span there is none."""
    _PROPAGATOR.inject(carrier)


def extract(carrier: Mapping[str, object]) -> trace.SpanContext | None:
    """Read a trace context that someone injected; None when it is missing or invalid."""
    value, state = carrier.get(_TRACEPARENT), carrier.get(_TRACESTATE)
    parts = ours.split_traceparent(value) if isinstance(value, str) else None
    if parts is None:
        return None
    return remote_context(*parts, state if isinstance(state, str) else None)


def remote_context(
    trace_id: str,
    span_id: str,
    sampled: bool,  # noqa: FBT001 - as `split_traceparent` returns it
    tracestate: bytes | str | None = None,
    *,
    is_remote: bool = True,
) -> trace.SpanContext:
    """Return what a caller sent as the API has it; or what began here, unless *is_remote*."""
    return trace.SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=is_remote,
        trace_flags=_SAMPLED if sampled else _UNSAMPLED,
        trace_state=ours.clean_tracestate(tracestate) if tracestate else None,
    )


_SAMPLED, _UNSAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED), trace.TraceFlags()
