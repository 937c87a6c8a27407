"""What a request, a task or a log line belongs to: the OpenTelemetry context, and our id in it.

Trace and span are where the API keeps them; the correlation id lies beside them in the same
context, so that whoever starts a span below, an instrumentation of others included, hands it on.
"""

import re

from opentelemetry import context as api
from opentelemetry import trace
from opentelemetry.context import Context

TRACESTATE_MAX_CHARS = 512  # W3C Trace Context 3.3.1.5: what a vendor should at least pass on
FLUSH_MEMBER = "caas=flush"

_CORRELATION = api.create_key("caas-correlation-id")
(_SPAN,) = trace.set_span_in_context(trace.INVALID_SPAN, Context())  # the API's key
_VERSION_00_CHARS = 55
_VERSION_CHARS = 2
_TRACE_ID_CHARS = 32
_HEX_DIGITS = b"0123456789abcdef"
_LATER_VERSION = re.compile(r"(?!00)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})-.*")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_SAMPLED_FLAG = 1


def current_span_context() -> trace.SpanContext:
    """Return the ids and flags of what runs now; `is_valid` is false outside every span."""
    return trace.get_current_span().get_span_context()


def current_correlation_id(within: Context | None = None) -> str:
    """Return the correlation id of the current request, or of *within*; empty without one."""
    value = api.get_value(_CORRELATION, within)
    return value if isinstance(value, str) else ""


def with_correlation_id(value: str) -> Context:
    """Return a context that holds the correlation id and nothing else."""
    return Context({_CORRELATION: value})


def of_request(correlation_id: str, span: trace.Span) -> Context:
    """Return a context that holds the two and nothing else, as `set_span_in_context` would."""
    return Context({_CORRELATION: correlation_id, _SPAN: span})


def set_correlation_id(value: str) -> None:
    """Give what runs now, and what it starts, a correlation id."""
    api.attach(api.set_value(_CORRELATION, value))


def split_traceparent(value: bytes | str) -> tuple[str, str, bool] | None:
    """Return trace id, parent id and sampled flag of a header; None when *value* is invalid.

    Versions above 00 are read as far as 00 goes (W3C Trace Context 3.2.2.4). The API's propagator
    does the same, with objects that a request which is not sampled has no use for.
    """
    raw = value if isinstance(value, bytes) else value.encode("latin-1", "replace")
    text = raw.decode("latin-1")
    # Two passes in C check everything; a regular expression takes four times as long.
    if len(raw) == _VERSION_00_CHARS and raw.translate(None, _HEX_DIGITS) == b"---":
        version, trace_id, span_id, flags = text.split("-")
        if len(version) != _VERSION_CHARS or len(trace_id) != _TRACE_ID_CHARS:
            return None
        if len(flags) != _VERSION_CHARS:
            return None
    else:
        match = _LATER_VERSION.fullmatch(text)
        if match is None:
            return None
        version, trace_id, span_id, flags = match.groups()
    if version == "ff" or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    if flags == "00":
        return trace_id, span_id, False
    return trace_id, span_id, flags == "01" or bool(int(flags, 16) & _SAMPLED_FLAG)


def clean_tracestate(value: bytes | str) -> trace.TraceState:
    """Return the members to pass on: ours is taken out, an oversized list is dropped whole."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if len(text) > TRACESTATE_MAX_CHARS or not text.isascii() or not text.isprintable():
        return trace.TraceState()
    state = trace.TraceState.from_header([text])
    return state.delete("caas") if "caas" in state else state


def asks_flush(tracestate: bytes | str | None) -> bool:
    """Tell whether `tracestate` has the end marker `caas=flush` among its members."""
    if not tracestate:
        return False
    text = tracestate.decode("latin-1") if isinstance(tracestate, bytes) else tracestate
    return any(member.strip() == FLUSH_MEMBER for member in text.split(","))
