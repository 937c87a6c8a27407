"""OTLP requests of others: protobuf, JSON with hex ids in either case, base64 ids."""

import base64
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from caas_observability.receiver.decoding import (
    InvalidOtlpError,
    count_metrics,
    decode_logs,
    decode_spans,
)

TRACE, SPAN, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00000000000000ff"


def trace_json(**span: Any) -> bytes:
    """Write a request as the OTLP/JSON examples do."""
    service = {"key": "service.name", "value": {"stringValue": "svc"}}
    whole = {
        "traceId": TRACE, "spanId": SPAN, "name": "GET", "kind": 2,
        "startTimeUnixNano": "1000", "endTimeUnixNano": 2000, **span,
    }  # fmt: skip
    return msgspec.json.encode(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": [service]},
                    "scopeSpans": [{"scope": {"name": "lib"}, "spans": [whole]}],
                    "unknownMember": 1,
                }
            ]
        }
    )


def test_a_json_span_is_read() -> None:
    """64-bit numbers as text or number, enumerations as numbers, unknown members ignored."""
    attributes = [
        {"key": "i", "value": {"intValue": "-5"}},
        {"key": "a", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}},
        {"key": "m", "value": {"kvlistValue": {"values": [
            {"key": "d", "value": {"doubleValue": 0.5}}]}}},
        {"key": "b", "value": {"bytesValue": "AAE="}},
    ]  # fmt: skip
    (span,) = decode_spans(
        trace_json(
            parentSpanId=PARENT,
            attributes=attributes,
            status={"code": 2, "message": "bad"},
            links=[{"traceId": TRACE, "spanId": PARENT}],
            events=[{"timeUnixNano": "5", "name": "e"}],
        ),
        is_json=True,
    )

    assert (span.trace_id, span.span_id, span.parent_span_id) == (TRACE, SPAN, PARENT)
    assert (span.kind, span.status, span.status_message) == ("server", "error", "bad")
    assert (span.start_ns, span.end_ns, span.service, span.scope) == (1000, 2000, "svc", "lib")
    assert span.attributes == {"i": -5, "a": [True, None], "m": {"d": 0.5}, "b": "AAE="}
    assert span.links[0].span_id == PARENT
    assert (span.events[0].time_ns, span.events[0].name) == (5, "e")


@pytest.mark.parametrize(
    "spelling",
    [str.lower, str.upper, lambda text: base64.b64encode(bytes.fromhex(text)).decode()],
)
def test_ids_are_read_in_every_spelling(spelling: Any) -> None:
    """Hex is OTLP's, base64 is what plain protobuf JSON writers send."""
    (span,) = decode_spans(trace_json(traceId=spelling(TRACE), spanId=spelling(SPAN)), is_json=True)

    assert (span.trace_id, span.span_id) == (TRACE, SPAN)


def test_json_and_protobuf_mean_the_same() -> None:
    """One request in both encodings gives equal records."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    span.name, span.kind, span.start_time_unix_nano = "x", 3, 1 << 62
    span.attributes.add(key="k").value.int_value = 1 << 60
    from_protobuf = decode_spans(request.SerializeToString(), is_json=False)
    from_json = decode_spans(msgspec.json.encode(MessageToDict(request)), is_json=True)

    assert from_json == from_protobuf
    assert from_protobuf[0].service == "unknown_service"


@pytest.mark.parametrize(
    ("severity", "level"),
    [(0, "info"), (1, "debug"), (5, "debug"), (9, "info"), (12, "info"), (13, "warning"),
     (17, "error"), (21, "critical"), (24, "critical")],
)  # fmt: skip
def test_log_severities(severity: int, level: str) -> None:
    """OTLP has 24 of them."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.severity_number = severity
    record.observed_time_unix_nano = 9
    record.body.kvlist_value.values.add(key="k").value.string_value = "v"
    (log,) = decode_logs(request.SerializeToString(), is_json=False)

    assert (log.level, log.time_ns, log.trace_id, log.span_id) == (level, 9, "", "")
    assert log.message == '{"k":"v"}'


def test_metrics_are_counted() -> None:
    """They are accepted so that an exporter of all three signals works."""
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    scope.metrics.add(name="a")
    scope.metrics.add(name="b")

    assert count_metrics(request.SerializeToString(), is_json=False) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": [5]}',
        b'{"resourceSpans": {"a": 1}}',
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        trace_json(traceId="ab"),
        trace_json(traceId=""),
        trace_json(traceId="0" * 32),
        trace_json(spanId="zz" * 8),
        trace_json(parentSpanId="abcd"),
        trace_json(startTimeUnixNano="yesterday"),
        trace_json(attributes=[{"key": 1, "value": {"intValue": "x"}}]),
    ],
)
def test_bad_json_is_refused_whole(body: bytes) -> None:
    """One error type, whatever is wrong."""
    with pytest.raises(InvalidOtlpError):
        decode_spans(body, is_json=True)


def test_an_unknown_kind_is_unspecified() -> None:
    """A later version may have more of them."""
    (span,) = decode_spans(trace_json(kind=99, status={"code": 99}), is_json=True)

    assert (span.kind, span.status) == ("unspecified", "unset")


@given(st.binary(max_size=200))
def test_no_protobuf_bytes_raise_anything_else(body: bytes) -> None:
    """The port is open to whatever runs on the machine."""
    for decode in (decode_spans, decode_logs, count_metrics):
        try:
            decode(body, is_json=False)
        except InvalidOtlpError:
            continue


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceSpans",
                    "scopeSpans",
                    "spans",
                    "traceId",
                    "attributes",
                    "value",
                    "key",
                    "kind",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_json_document_raises_anything_else(value: Any) -> None:
    """Right names with wrong types are the likely mistakes."""
    try:
        decode_spans(msgspec.json.encode({"resourceSpans": value}), is_json=True)
    except InvalidOtlpError:
        return
