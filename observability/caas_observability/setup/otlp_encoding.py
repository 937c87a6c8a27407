"""Spans and log records as OTLP protobuf bytes, written directly.

The generated classes cost 10 to 20 µs a span, most of it for attributes that are the same on
every request. Here an attribute is encoded and redacted once and its bytes are kept. Field
numbers are those of opentelemetry-proto 1.x; a test decodes everything with its classes.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from caas_observability.redaction import REDACTED, is_secret_name, redact_json, redact_text
from caas_observability.setup.signals import LogItem
from caas_observability.setup.tracing import RecordingSpan

VALUE_MAX_CHARS = 8192
NESTING_MAX_LEVELS = 8
CACHED_ATTRIBUTES_MAX = 4096
CACHED_VALUE_MAX_CHARS = 128
SCOPE_NAME = "caas_observability"
CORRELATION_KEY = "correlation_id"  # as in the log lines

_SERVER = 2  # SpanKind; the spans below carry the same trace, so one of them names the request
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_UINT64 = 1 << 64
_pack_fixed64 = struct.Struct("<Q").pack
_pack_times = struct.Struct("<cQcQ").pack
_pack_double = struct.Struct("<d").pack
_pack_double_size = 8
_SAMPLED_SPAN_FLAGS = b"\x85\x01\x01\x00\x00\x00"  # field 16, fixed32: sampled
_SAMPLED_LOG_FLAGS = b"\x45\x01\x00\x00\x00"  # field 8, fixed32: sampled


def varint(number: int) -> bytes:
    """Encode a non-negative integer as a protobuf varint."""
    return _VARINTS[number] if number < len(_VARINTS) else _long_varint(number)


def _long_varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_VARINTS = tuple(map(_long_varint, range(2048)))  # about what one span measures


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
    if isinstance(value, str):
        return _text(b"\x0a", redact_text(value[:VALUE_MAX_CHARS]))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
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


_CORRELATION_TEXT = _text(b"\x0a", CORRELATION_KEY)


class AttributeEncoder:
    """Encodes attributes as repeated KeyValue fields with one tag, redacted.

    Most are the same on every request, so their bytes are looked up by key and value; what
    follows the key of a float is its eight bytes. One dictionary per type, since 1 == True.
    """

    __slots__ = ("_floats", "_known", "_size", "_tag")

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._known: dict[type, dict[str, dict[Any, bytes]]] = {str: {}, int: {}, bool: {}}
        self._floats: dict[str, bytes] = {}
        self._size = 0

    def append(self, parts: list[bytes], members: Mapping[str, Any]) -> None:
        """Append every attribute's bytes to *parts*."""
        known, floats = self._known, self._floats
        for key, value in members.items():
            kind = type(value)
            if kind is float and key in floats:
                parts.append(floats[key] + _pack_double(value))
                continue
            encoded = None
            by_key = known.get(kind)
            if by_key is not None:
                by_value = by_key.get(key)
                if by_value is not None:
                    encoded = by_value.get(value)
            parts.append(self._encode(key, value, kind) if encoded is None else encoded)

    def join(self, members: Mapping[str, Any]) -> bytes:
        """Return every attribute's bytes."""
        parts: list[bytes] = []
        self.append(parts, members)
        return b"".join(parts)

    def one(self, key: str, value: Any) -> bytes:
        """Encode one attribute whose value is not worth remembering."""
        return self._tag + _key_value(key, value)

    def correlation(self, correlation_id: str) -> bytes:
        """Encode what a request was called: another name each time."""
        text = redact_text(correlation_id).encode("utf-8", "replace")
        value = b"\x0a" + varint(len(text)) + text
        body = b"%b\x12%b%b" % (_CORRELATION_TEXT, varint(len(value)), value)
        return self._tag + varint(len(body)) + body

    def _encode(self, key: str, value: Any, kind: type) -> bytes:
        encoded = self.one(key, value)
        if len(key) > CACHED_VALUE_MAX_CHARS:
            return encoded
        if kind is float and not is_secret_name(key):
            self._remember()
            self._floats[key] = encoded[:-_pack_double_size]
        elif kind in self._known and (kind is not str or len(value) <= CACHED_VALUE_MAX_CHARS):
            self._remember()
            self._known[kind].setdefault(key, {})[value] = encoded
        return encoded

    def _remember(self) -> None:
        """Make room for one more; everything is forgotten when there is none."""
        self._size += 1
        if self._size > CACHED_ATTRIBUTES_MAX:
            self._size = 1
            self._floats.clear()
            for by_key in self._known.values():
                by_key.clear()

    def __len__(self) -> int:
        return self._size


_span_attributes = AttributeEncoder(b"\x4a")
_log_attributes = AttributeEncoder(b"\x32")
_event_attributes = AttributeEncoder(b"\x1a")
_link_attributes = AttributeEncoder(b"\x22")
_resource_attributes = AttributeEncoder(b"\x0a")
_texts: dict[tuple[bytes, str], bytes] = {}


def _cached_text(tag: bytes, text: str) -> bytes:
    """Encode a text of low cardinality (a span's name, a log's event), redacted."""
    encoded = _texts.get((tag, text))
    if encoded is None:
        encoded = _text(tag, redact_text(text[:VALUE_MAX_CHARS]))
        if len(text) <= CACHED_VALUE_MAX_CHARS:
            if len(_texts) >= CACHED_ATTRIBUTES_MAX:
                _texts.clear()
            _texts[tag, text] = encoded
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
        b"\x30", _VARINTS[span.kind],
        _pack_times(b"\x39", span.start_ns, b"\x41", span.end_ns),
    )  # fmt: skip
    _span_attributes.append(parts, span.attributes)
    if span.correlation_id and span.kind == _SERVER:
        parts.append(_span_attributes.correlation(span.correlation_id))
    if span.dropped_attributes:
        parts.append(b"\x50" + varint(span.dropped_attributes))
    for time_ns, name, members in span.events or ():
        event = b"\x09" + _pack_fixed64(time_ns) + _text(b"\x12", redact_text(name))
        parts.append(_field(b"\x5a", event + _event_attributes.join(members)))
    for linked, members in span.links or ():
        link = (
            b"\x0a\x10" + bytes.fromhex(linked.trace_id) + b"\x12\x08"
            + bytes.fromhex(linked.span_id) + _link_attributes.join(members)
        )  # fmt: skip
        parts.append(_field(b"\x6a", link))
    if span.status:
        message = _text(b"\x12", redact_text(span.status_message)) if span.status_message else b""
        parts.append(_field(b"\x7a", message + b"\x18" + _VARINTS[span.status]))
    parts.append(_SAMPLED_SPAN_FLAGS)
    return _field(b"\x12", b"".join(parts))


def encode_log(item: LogItem) -> bytes:
    """Encode one record as a `ScopeLogs.log_records` field."""
    body = _cached_text(b"\x0a", item.body)
    parts = [
        b"\x09", _pack_fixed64(item.time_ns), b"\x10", _VARINTS[item.severity],
        _cached_text(b"\x1a", item.severity_text), b"\x2a", varint(len(body)), body,
    ]  # fmt: skip
    _log_attributes.append(parts, item.attributes)
    if item.correlation_id:
        parts.append(_log_attributes.correlation(item.correlation_id))
    if item.sampled:
        parts.append(_SAMPLED_LOG_FLAGS)
    if item.trace_id:
        parts += (b"\x4a\x10", bytes.fromhex(item.trace_id))
        parts += (b"\x52\x08", bytes.fromhex(item.span_id))
    parts += (b"\x59", parts[1])  # observed when it was made
    return _field(b"\x12", b"".join(parts))


def encode_resource(members: Mapping[str, Any]) -> bytes:
    """Encode a resource as the first field of `ResourceSpans` and `ResourceLogs`."""
    return _field(b"\x0a", _resource_attributes.join(members))


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
