"""OTLP requests, protobuf or JSON, as records; an item that can't be read costs itself alone."""

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from caas_observability.receiver import requests
from caas_observability.receiver.records import (
    ReceivedEvent,
    ReceivedLink,
    ReceivedLog,
    ReceivedSpan,
)

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")

T = TypeVar("T")
InvalidOtlpError = requests.InvalidOtlpError


class Decoded(msgspec.Struct, Generic[T]):
    """What a request held.

    Attributes:
        records: What could be read, in order.
        rejected: How many of its items could not, by reason.
    """

    records: list[T]
    rejected: Counter[str]


def decode_spans(body: bytes, *, is_json: bool) -> Decoded[ReceivedSpan]:
    """Read an ExportTraceServiceRequest.

    Raises:
        InvalidOtlpError: It is no such request.
    """
    return _decode(requests.TRACES, ExportTraceServiceRequest, _span, body, is_json=is_json)


def decode_logs(body: bytes, *, is_json: bool) -> Decoded[ReceivedLog]:
    """Read an ExportLogsServiceRequest.

    Raises:
        InvalidOtlpError: It is no such request.
    """
    return _decode(requests.LOGS, ExportLogsServiceRequest, _log, body, is_json=is_json)


def decode_metrics(body: bytes, *, is_json: bool) -> Decoded[str]:
    """Read an ExportMetricsServiceRequest for the names of its metrics.

    Raises:
        InvalidOtlpError: It is no such request.
    """
    return _decode(requests.METRICS, ExportMetricsServiceRequest, _metric, body, is_json=is_json)


def _decode(
    shape: requests.Shape,
    kind: type[Any],
    record: Callable[[Any, dict[str, Any], str], T],
    body: bytes,
    *,
    is_json: bool,
) -> Decoded[T]:
    decoded: Decoded[T] = Decoded([], Counter())
    groups = requests.read(shape, kind, body, decoded.rejected, is_json=is_json)
    for resource, scope, items in groups:
        attributes = _attributes(resource.attributes)  # one object: records are grouped by it
        for item in items:
            try:
                decoded.records.append(record(item, attributes, scope.name))
            except ValueError as error:
                decoded.rejected[str(error)] += 1
    return decoded


def _id(raw: bytes, size: int, *, optional: bool) -> str:
    """Return an id as hex; all zeros and, where it may be missing, nothing become empty."""
    if len(raw) == size and any(raw):
        return raw.hex()
    if optional and not any(raw):
        return ""
    raise ValueError(f"an id is not {size} bytes long, or all zeros")


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
        # To a span that nobody knows, a link may have attributes alone (OTel API, "Add Link").
        yield ReceivedLink(
            trace_id=_id(link.trace_id, 16, optional=True),
            span_id=_id(link.span_id, 8, optional=True),
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


def _metric(metric: Any, resource: dict[str, Any], scope: str) -> str:  # noqa: ARG001 - as others
    return str(metric.name)


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
