"""Spans and log records as OTLP protobuf bytes, written directly.

The generated classes cost 10 to 20 µs a span, most of it for attributes that are the same on
every request. Here an attribute is encoded and redacted once and its bytes are kept. Field
numbers are those of opentelemetry-proto 1.x; a test decodes everything with its classes.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from caas_observability.redaction import REDACTED, is_secret_name, redact_json, redact_text
from caas_observability.signals import LogItem
from caas_observability.tracing import RecordingSpan

VALUE_MAX_CHARS = 8192
NESTING_MAX_LEVELS = 8
CACHED_ATTRIBUTES_MAX = 4096
CACHED_VALUE_MAX_CHARS = 128
SCOPE_NAME = "caas_observability"
CORRELATION_KEY = "correlation_id"  # as in the log lines

_SERVER = 2  # SpanKind; the spans below carry the same trace, so one of them names the request
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_UINT64 = 1 << 64
_SHORT = tuple(bytes([n]) for n in range(128))
_pack_fixed64 = struct.Struct("<Q").pack
_pack_times = struct.Struct("<cQcQ").pack
_pack_double = struct.Struct("<d").pack
_SAMPLED_SPAN_FLAGS = b"\x85\x01\x01\x00\x00\x00"  # field 16, fixed32: sampled
_SAMPLED_LOG_FLAGS = b"\x45\x01\x00\x00\x00"  # field 8, fixed32: sampled

_cache: dict[tuple[str, Any, type], bytes] = {}


def varint(number: int) -> bytes:
    """Encode a non-negative integer as a protobuf varint."""
    if number < 128:  # noqa: PLR2004 - seven bits fit one byte
        return _SHORT[number]
    out = bytearray()
    while number > 127:  # noqa: PLR2004
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(tag: bytes, payload: bytes) -> bytes:
    return tag + varint(len(payload)) + payload


def _text(tag: bytes, text: str) -> bytes:
    return _field(tag, text.encode("utf-8", "replace"))


def _key_value(key: str, value: Any) -> bytes:
    if is_secret_name(key) and value not in (None, True, False, ""):
        value = REDACTED
    body = _text(b"\x0a", key) + _field(b"\x12", _any_value(value, 0))
    return varint(len(body)) + body


def _any_value(value: Any, level: int) -> bytes:
    scalar = _scalar(value)
    if scalar is not None:
        return scalar
    if level < NESTING_MAX_LEVELS:
        if isinstance(value, Mapping):
            return _field(b"\x32", _key_value_list(redact_json(dict(value)), level + 1))
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            items = (_field(b"\x0a", _any_value(item, level + 1)) for item in value)
            return _field(b"\x2a", b"".join(items))
    return _text(b"\x0a", redact_text(str(value)[:VALUE_MAX_CHARS]))


def _scalar(value: Any) -> bytes | None:
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, str):
        return _text(b"\x0a", redact_text(value[:VALUE_MAX_CHARS]))
    if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
        return b"\x18" + varint(value if value >= 0 else value + _UINT64)
    if isinstance(value, float):
        return b"\x21" + _pack_double(value)
    return b"" if value is None else None


def _key_value_list(members: Mapping[Any, Any], level: int) -> bytes:
    return b"".join(
        _field(b"\x0a", _text(b"\x0a", str(key)) + _field(b"\x12", _any_value(value, level)))
        for key, value in members.items()
    )


def append_attributes(parts: list[bytes], tag: bytes, members: Mapping[str, Any]) -> None:
    """Append attributes, redacted, as repeated KeyValue fields with *tag*.

    Short texts, numbers and flags are looked up by value: most are the same on every request.
    """
    known = _cache.get
    for key, value in members.items():
        kind = type(value)
        if kind is str or kind is int or kind is bool:
            encoded = known((key, value, kind))
            if encoded is None:
                encoded = _key_value(key, value)
                if kind is not str or len(value) <= CACHED_VALUE_MAX_CHARS:
                    if len(_cache) >= CACHED_ATTRIBUTES_MAX:
                        _cache.clear()
                    _cache[key, value, kind] = encoded
        else:
            encoded = _key_value(key, value)
        parts += (tag, encoded)


def attributes(tag: bytes, members: Mapping[str, Any]) -> bytes:
    """Encode attributes, redacted, as repeated KeyValue fields with *tag*."""
    parts: list[bytes] = []
    append_attributes(parts, tag, members)
    return b"".join(parts)


def _correlation(correlation_id: str) -> bytes:
    """Encode what a request was called; another name each time, so that none is kept."""
    return _key_value(CORRELATION_KEY, correlation_id)


def _cached_text(tag: bytes, text: str) -> bytes:
    """Encode a text of low cardinality (a span's name, a log's event), redacted."""
    encoded = _cache.get((text, tag, bytes))
    if encoded is None:
        encoded = _text(tag, redact_text(text[:VALUE_MAX_CHARS]))
        if len(text) <= CACHED_VALUE_MAX_CHARS:
            if len(_cache) >= CACHED_ATTRIBUTES_MAX:
                _cache.clear()
            _cache[text, tag, bytes] = encoded
    return encoded


def encode_span(span: RecordingSpan) -> bytes:
    """Encode one ended span as a `ScopeSpans.spans` field."""
    parts = [
        b"\x0a\x10", bytes.fromhex(span.trace_id), b"\x12\x08", bytes.fromhex(span.span_id),
    ]  # fmt: skip
    if span.parent_span_id:
        parts += (b"\x22\x08", bytes.fromhex(span.parent_span_id))
    if span.tracestate:
        parts.append(_text(b"\x1a", span.tracestate))
    parts += (
        _cached_text(b"\x2a", span.name),
        b"\x30", _SHORT[span.kind],
        _pack_times(b"\x39", span.start_ns, b"\x41", span.end_ns),
    )  # fmt: skip
    append_attributes(parts, b"\x4a", span.attributes)
    if span.correlation_id and span.kind == _SERVER:
        parts += (b"\x4a", _correlation(span.correlation_id))
    if span.dropped_attributes:
        parts.append(b"\x50" + varint(span.dropped_attributes))
    for time_ns, name, members in span.events or ():
        event = b"\x09" + _pack_fixed64(time_ns) + _text(b"\x12", redact_text(name))
        parts.append(_field(b"\x5a", event + attributes(b"\x1a", members)))
    for linked, members in span.links or ():
        link = (
            b"\x0a\x10" + bytes.fromhex(linked.trace_id) + b"\x12\x08"
            + bytes.fromhex(linked.span_id) + attributes(b"\x22", members)
        )  # fmt: skip
        parts.append(_field(b"\x6a", link))
    if span.status:
        message = _text(b"\x12", redact_text(span.status_message)) if span.status_message else b""
        parts.append(_field(b"\x7a", message + b"\x18" + _SHORT[span.status]))
    parts.append(_SAMPLED_SPAN_FLAGS)
    return _field(b"\x12", b"".join(parts))


def encode_log(item: LogItem) -> bytes:
    """Encode one record as a `ScopeLogs.log_records` field."""
    body = _cached_text(b"\x0a", item.body)
    parts = [
        b"\x09", _pack_fixed64(item.time_ns), b"\x10", _SHORT[item.severity],
        _cached_text(b"\x1a", item.severity_text), b"\x2a", varint(len(body)), body,
    ]  # fmt: skip
    append_attributes(parts, b"\x32", item.attributes)
    if item.correlation_id:
        parts += (b"\x32", _correlation(item.correlation_id))
    if item.sampled:
        parts.append(_SAMPLED_LOG_FLAGS)
    if item.trace_id:
        parts += (b"\x4a\x10", bytes.fromhex(item.trace_id))
        parts += (b"\x52\x08", bytes.fromhex(item.span_id))
    parts += (b"\x59", parts[1])  # observed when it was made
    return _field(b"\x12", b"".join(parts))


def encode_resource(members: Mapping[str, Any]) -> bytes:
    """Encode a resource as the first field of `ResourceSpans` and `ResourceLogs`."""
    return _field(b"\x0a", attributes(b"\x0a", members))


def encode_request(resource: bytes, scopes: Iterable[tuple[str, Sequence[bytes]]]) -> bytes:
    """Wrap encoded items, by scope name, into an Export…ServiceRequest of either signal."""
    parts = [resource]
    for name, items in scopes:
        scope = _field(b"\x0a", _text(b"\x0a", name))
        parts.append(_field(b"\x12", scope + b"".join(items)))
    return _field(b"\x0a", b"".join(parts))


def rejected_items(response: bytes) -> int:
    """Read how many items the receiver refused from an Export…ServiceResponse; 0 when unsure."""
    # ExportTraceServiceResponse{1: partial_success{1: rejected (varint)}}
    if len(response) < 4 or response[0] != 0x0A or response[2] != 0x08:  # noqa: PLR2004
        return 0
    number = shift = 0
    for byte in response[3:13]:  # a varint has at most ten bytes
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 128:  # noqa: PLR2004
            break
    return number
