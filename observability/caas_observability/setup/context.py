"""The current trace context: what a request, a task or a log line belongs to.

One context variable holds everything (trace, span, correlation id), because each further one
costs every request a look-up. Ids are W3C Trace Context's, as lower-case hex text.
"""

import random
import re
from contextvars import ContextVar

TRACESTATE_MAX_CHARS = 512  # W3C Trace Context 3.3.1.5: what a vendor should at least pass on
FLUSH_MEMBER = "caas=flush"

_VERSION_00_CHARS = 55
_VERSION_CHARS = 2
_TRACE_ID_CHARS = 32
_HEX_DIGITS = b"0123456789abcdef"
_LATER_VERSION = re.compile(r"(?!00)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})-.*")
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_SAMPLED_FLAG = 1


class SpanContext:
    """The part of a span that travels.

    Attributes:
        trace_id: 32 hex digits.
        span_id: 16 hex digits.
        sampled: Whether the trace is being recorded somewhere.
        tracestate: The other vendors' members, passed on as they came; may be empty.
    """

    __slots__ = ("sampled", "span_id", "trace_id", "tracestate")

    def __init__(self, trace_id: str, span_id: str, sampled: bool, tracestate: str = "") -> None:  # noqa: FBT001
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.tracestate = tracestate

    def traceparent(self) -> str:
        """Write the context as a `traceparent` header value (also right for `traceresponse`)."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.traceparent()})"


class Scope(SpanContext):
    """A context that can be current; `previous` is restored when it ends."""

    __slots__ = ("correlation_id", "previous")

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        sampled: bool,  # noqa: FBT001
        previous: "Scope | None",
        tracestate: str = "",
    ) -> None:
        """Make a scope that inherits the correlation id of *previous*."""
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.tracestate = tracestate
        self.previous = previous
        self.correlation_id: str = (
            _CORRELATION.get() if previous is None else previous.correlation_id
        )


# Public for the recorder alone, which can't afford a call for each look.
CURRENT: ContextVar[Scope | None] = ContextVar("caas_scope", default=None)
# Only for code that runs outside any span, such as a start-up task.
_CORRELATION: ContextVar[str] = ContextVar("caas_correlation_id", default="")


def current() -> SpanContext | None:
    """Return what runs now, or None outside every span."""
    return CURRENT.get()


def current_scope() -> Scope | None:
    """Return the current span object itself, or None outside every span."""
    return CURRENT.get()


def activate(scope: Scope) -> None:
    """Make *scope* the current one."""
    CURRENT.set(scope)


def deactivate(scope: Scope) -> None:
    """Restore what was current before *scope*; nothing happens when it isn't current here.

    A span may end in another task than it began in (a stream); that task's own scope stays.
    """
    if CURRENT.get() is scope:
        CURRENT.set(scope.previous)


def current_correlation_id() -> str:
    """Return the correlation id of the current request; empty when there is none."""
    scope = CURRENT.get()
    return _CORRELATION.get() if scope is None else scope.correlation_id


def set_correlation_id(value: str) -> None:
    """Give the current span, and the spans that start below it, a correlation id."""
    scope = CURRENT.get()
    if scope is None:
        _CORRELATION.set(value)
    else:
        scope.correlation_id = value


def traceparent() -> str:
    """Return the `traceparent` value for an outgoing call; empty outside every span."""
    scope = CURRENT.get()
    return "" if scope is None else scope.traceparent()


def parse_traceparent(
    value: bytes | str | None, tracestate: bytes | str | None = None
) -> SpanContext | None:
    """Read a `traceparent` header; None when it is missing or invalid.

    Versions above 00 are read as far as 00 goes (W3C Trace Context 3.2.2.4).
    """
    parts = None if value is None else split_traceparent(value)
    if parts is None:
        return None
    state = "" if tracestate is None else clean_tracestate(tracestate)
    return SpanContext(*parts, state)


def split_traceparent(value: bytes | str) -> tuple[str, str, bool] | None:
    """Return trace id, parent id and sampled flag; None when *value* is invalid."""
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


def clean_tracestate(value: bytes | str) -> str:
    """Return the members to pass on: ours is taken out, an oversized list is dropped whole."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if len(text) > TRACESTATE_MAX_CHARS or not text.isascii() or not text.isprintable():
        return ""
    members = (member.strip() for member in text.split(","))
    return ",".join(m for m in members if m and not m.startswith("caas="))


def asks_flush(tracestate: bytes | str | None) -> bool:
    """Tell whether `tracestate` has the end marker `caas=flush` among its members."""
    if not tracestate:
        return False
    text = tracestate.decode("latin-1") if isinstance(tracestate, bytes) else tracestate
    return any(member.strip() == FLUSH_MEMBER for member in text.split(","))


def new_trace_id() -> str:
    """Return a random trace id; `random` reseeds itself in a forked child."""
    return f"{random.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    """Return a random span id."""
    return f"{random.getrandbits(64) or 1:016x}"


def new_ids() -> tuple[str, str]:
    """Return a random trace id and span id, both from one draw."""
    text = f"{random.getrandbits(192):048x}"
    trace_id, span_id = text[:32], text[32:]
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return new_trace_id(), new_span_id()
    return trace_id, span_id
