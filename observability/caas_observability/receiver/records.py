"""What the receiver keeps: spans and log records, free of any transport's types."""

from typing import Any

import msgspec


class ReceivedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened within a span."""

    time_ns: int
    name: str
    attributes: dict[str, Any] = {}


class ReceivedLink(msgspec.Struct, frozen=True, kw_only=True):
    """A reference to a span, mostly of another trace."""

    trace_id: str
    span_id: str
    attributes: dict[str, Any] = {}


class ReceivedSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One span, with the resource it came from; times are Unix nanoseconds."""

    trace_id: str
    span_id: str
    parent_span_id: str  # empty for a root
    name: str
    kind: str  # unspecified | internal | server | client | producer | consumer
    service: str
    start_ns: int
    end_ns: int
    status: str = "unset"  # unset | ok | error
    status_message: str = ""
    tracestate: str = ""
    attributes: dict[str, Any] = {}
    events: tuple[ReceivedEvent, ...] = ()
    links: tuple[ReceivedLink, ...] = ()
    resource: dict[str, Any] = {}
    scope: str = ""


class ReceivedLog(msgspec.Struct, frozen=True, kw_only=True):
    """One log record; `trace_id` is empty when it was written outside every span."""

    time_ns: int
    service: str
    level: str  # debug | info | warning | error | critical
    message: str
    trace_id: str = ""
    span_id: str = ""
    attributes: dict[str, Any] = {}
    resource: dict[str, Any] = {}
    scope: str = ""
