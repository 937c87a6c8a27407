"""OTLP requests, protobuf or JSON, as records.

JSON follows the OTLP specification: ids are hex in either case. Base64 ids, which plain protobuf
JSON writers send, are taken as well.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from google.protobuf.json_format import ParseDict, ParseError  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from caas_observability.receiver.records import (
    ReceivedEvent,
    ReceivedLink,
    ReceivedLog,
    ReceivedSpan,
)

NESTING_MAX_LEVELS = 32

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_ID_CHARS = {
    "traceId": 32, "trace_id": 32, "spanId": 16, "span_id": 16,
    "parentSpanId": 16, "parent_span_id": 16,
}  # fmt: skip
_HEX = re.compile(r"[0-9a-fA-F]+")


# The last four are what ParseDict lets through for members of a wrong type.
_NOT_OTLP = (
    ParseError, DecodeError, msgspec.DecodeError, RecursionError,
    TypeError, AttributeError, KeyError, UnicodeError,
)  # fmt: skip


class InvalidOtlpError(ValueError):
    """The body is not the OTLP request it claims to be."""


def decode_spans(body: bytes, *, is_json: bool) -> list[ReceivedSpan]:
    """Read an ExportTraceServiceRequest.

    Raises:
        InvalidOtlpError: It can't be decoded, or an id has the wrong length.
    """
    request = _parse(ExportTraceServiceRequest(), body, is_json=is_json)
    return [
        _span(span, resource, group.scope.name)
        for of_resource in request.resource_spans
        for resource in (_attributes(of_resource.resource.attributes),)
        for group in of_resource.scope_spans
        for span in group.spans
    ]


def decode_logs(body: bytes, *, is_json: bool) -> list[ReceivedLog]:
    """Read an ExportLogsServiceRequest.

    Raises:
        InvalidOtlpError: It can't be decoded, or an id has the wrong length.
    """
    request = _parse(ExportLogsServiceRequest(), body, is_json=is_json)
    return [
        _log(record, resource, group.scope.name)
        for of_resource in request.resource_logs
        for resource in (_attributes(of_resource.resource.attributes),)
        for group in of_resource.scope_logs
        for record in group.log_records
    ]


def count_metrics(body: bytes, *, is_json: bool) -> int:
    """Read an ExportMetricsServiceRequest and count its metrics.

    Raises:
        InvalidOtlpError: It can't be decoded.
    """
    request = _parse(ExportMetricsServiceRequest(), body, is_json=is_json)
    return sum(len(s.metrics) for r in request.resource_metrics for s in r.scope_metrics)


def _parse(message: Any, body: bytes, *, is_json: bool) -> Any:
    try:
        if is_json:
            decoded = msgspec.json.decode(body)
            if not isinstance(decoded, dict):
                raise InvalidOtlpError("the JSON body is not an object")
            ParseDict(_with_base64_ids(decoded, 0), message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(body)
    except _NOT_OTLP as error:
        raise InvalidOtlpError(f"not an OTLP request: {type(error).__name__}") from error
    return message


def _with_base64_ids(value: Any, level: int) -> Any:
    """Rewrite OTLP's hex ids as protobuf JSON's base64."""
    if level > NESTING_MAX_LEVELS:
        raise InvalidOtlpError(f"nested deeper than {NESTING_MAX_LEVELS} levels")
    if isinstance(value, list):
        return [_with_base64_ids(item, level + 1) for item in value]
    if not isinstance(value, dict):
        return value
    members = {}
    for key, member in value.items():
        chars = _ID_CHARS.get(key)
        if chars and isinstance(member, str) and len(member) == chars and _HEX.fullmatch(member):
            members[key] = base64.b64encode(binascii.unhexlify(member)).decode()
        else:
            members[key] = _with_base64_ids(member, level + 1)
    return members


def _id(raw: bytes, size: int, *, optional: bool) -> str:
    """Return an id as hex; all zeros and, where it may be missing, nothing become empty."""
    if len(raw) == size and any(raw):
        return raw.hex()
    if optional and not any(raw):
        return ""
    raise InvalidOtlpError(f"an id is not {size} bytes long, or all zeros")


def _span(span: Any, resource: dict[str, Any], scope: str) -> ReceivedSpan:
    return ReceivedSpan(
        trace_id=_id(span.trace_id, 16, optional=False),
        span_id=_id(span.span_id, 8, optional=False),
        parent_span_id=_id(span.parent_span_id, 8, optional=True),
        name=span.name,
        kind=_KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else "unspecified",
        service=str(resource.get("service.name", "unknown_service")),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=_STATUSES[span.status.code] if 0 <= span.status.code < len(_STATUSES) else "unset",
        status_message=span.status.message,
        tracestate=span.trace_state,
        attributes=_attributes(span.attributes),
        events=tuple(
            ReceivedEvent(
                time_ns=event.time_unix_nano,
                name=event.name,
                attributes=_attributes(event.attributes),
            )
            for event in span.events
        ),
        links=tuple(_links(span.links)),
        resource=resource,
        scope=scope,
    )


def _links(links: Iterable[Any]) -> Iterator[ReceivedLink]:
    for link in links:
        yield ReceivedLink(
            trace_id=_id(link.trace_id, 16, optional=False),
            span_id=_id(link.span_id, 8, optional=False),
            attributes=_attributes(link.attributes),
        )


def _log(record: Any, resource: dict[str, Any], scope: str) -> ReceivedLog:
    body = _value(record.body)
    return ReceivedLog(
        time_ns=record.time_unix_nano or record.observed_time_unix_nano,
        service=str(resource.get("service.name", "unknown_service")),
        level=_level(record.severity_number),
        message=body if isinstance(body, str) else msgspec.json.encode(body, enc_hook=str).decode(),
        trace_id=_id(record.trace_id, 16, optional=True),
        span_id=_id(record.span_id, 8, optional=True),
        attributes=_attributes(record.attributes),
        resource=resource,
        scope=scope,
    )


def _level(severity: int) -> str:
    """Map OTLP's 24 severities: 1-8 trace and debug, then four each up to fatal."""
    names = ("debug", "debug", "info", "warning", "error", "critical")
    return names[min(max(severity - 1, 0) // 4, 5)] if severity else "info"


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case _:
            return getattr(value, kind)
