"""Trace context in any carrier of text pairs: HTTP headers, a handshake's `auth`, an event."""

from collections.abc import Mapping, MutableMapping

from caas_observability.setup import context
from caas_observability.setup.context import SpanContext

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
CORRELATION_ID = "x-correlation-id"


def inject(carrier: MutableMapping[str, str]) -> None:
    """Write the current trace context and correlation id; nothing outside every span."""
    scope = context.current_scope()
    if scope is None:
        return
    carrier[TRACEPARENT] = scope.traceparent()
    if scope.tracestate:
        carrier[TRACESTATE] = scope.tracestate
    if scope.correlation_id:
        carrier[CORRELATION_ID] = scope.correlation_id


def extract(carrier: Mapping[str, object]) -> SpanContext | None:
    """Read a trace context that someone injected; None when it is missing or invalid."""
    value, state = carrier.get(TRACEPARENT), carrier.get(TRACESTATE)
    if not isinstance(value, str):
        return None
    return context.parse_traceparent(value, state if isinstance(state, str) else None)
