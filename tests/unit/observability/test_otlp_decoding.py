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
    decode_logs,
    decode_metrics,
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
    ).records

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
    body = trace_json(traceId=spelling(TRACE), spanId=spelling(SPAN))
    (span,) = decode_spans(body, is_json=True).records

    assert (span.trace_id, span.span_id) == (TRACE, SPAN)


def test_json_and_protobuf_mean_the_same() -> None:
    """One request in both encodings gives equal records."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    span.name, span.kind, span.start_time_unix_nano = "x", 3, 1 << 62
    span.attributes.add(key="k").value.int_value = 1 << 60
    from_protobuf = decode_spans(request.SerializeToString(), is_json=False).records
    from_json = decode_spans(msgspec.json.encode(MessageToDict(request)), is_json=True).records

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
    (log,) = decode_logs(request.SerializeToString(), is_json=False).records

    assert (log.level, log.time_ns, log.trace_id, log.span_id) == (level, 9, "", "")
    assert log.message == '{"k":"v"}'


def test_metrics_are_counted() -> None:
    """They are accepted so that an exporter of all three signals works."""
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    scope.metrics.add(name="a")
    scope.metrics.add(name="b")

    assert decode_metrics(request.SerializeToString(), is_json=False).records == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": {"a": 1}}',
        b'{"resourceSpans": [{"scopeSpans": [',
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        b'"' + b'\\"' * 100_000,
    ],
)
def test_what_is_no_request_is_refused_whole(body: bytes) -> None:
    """One error type, whatever is wrong."""
    with pytest.raises(InvalidOtlpError):
        decode_spans(body, is_json=True)


def _deep(levels: int, kind: str) -> dict[str, Any]:
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(levels):
        inner = {"values": [{"key": "k", "value": value} if kind == "kvlistValue" else value]}
        value = {kind: inner}
    return value


DEEP_TEXT = b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}' % b",".join(
    b'{"traceId":"%s","spanId":"%s","name":"%s"%s}' % (TRACE.encode(), SPAN.encode(), name, more)
    for name, more in (
        (b"before", b""),
        (b"bad", b',"attributes":' + b'[{"a":' * 60_000 + b"1" + b"}]" * 60_000),
        (b"after", b""),
    )
)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"traceId": "ab"}, id="short trace id"),
        pytest.param({"traceId": ""}, id="no trace id"),
        pytest.param({"traceId": "0" * 32}, id="zero trace id"),
        pytest.param({"spanId": "zz" * 8}, id="no id"),
        pytest.param({"parentSpanId": "abcd"}, id="short parent"),
        pytest.param({"links": [{"traceId": "abcd"}]}, id="short link"),
        pytest.param({"startTimeUnixNano": "yesterday"}, id="no time"),
        pytest.param({"startTimeUnixNano": "9" * 5000}, id="no number"),
        pytest.param({"name": "REPLACED-utf-8"}, id="broken text"),
        pytest.param({"name": "REPLACED-surrogate"}, id="half a surrogate pair"),
        pytest.param({"attributes": [{"key": 1, "value": {"intValue": "x"}}]}, id="wrong type"),
        pytest.param(
            {"attributes": [{"key": "k", "value": _deep(60, "kvlistValue")}]}, id="deep object"
        ),
        pytest.param(
            {"attributes": [{"key": "k", "value": _deep(300, "arrayValue")}]}, id="deep list"
        ),
    ],
)
def test_a_bad_json_item_costs_itself_alone(bad: dict[str, Any]) -> None:
    """Its neighbours before and behind it are kept, and it is counted with a reason."""
    good = {"traceId": TRACE, "spanId": SPAN, "name": "good"}
    spans = [good, {**good, "name": "bad", **bad}, good]
    group = [
        {"scopeSpans": [{"spans": spans}, {"spans": [good]}]},
        {"scopeSpans": [{"spans": [good]}]},
    ]
    body = msgspec.json.encode({"resourceSpans": group})
    body = body.replace(b"REPLACED-utf-8", b"caf\xe9\xff").replace(
        b"REPLACED-surrogate", b"\\ud800x"
    )
    decoded = decode_spans(body, is_json=True)

    assert [span.name for span in decoded.records] == ["good"] * 4
    assert decoded.rejected.total() == 1


def test_json_deeper_than_any_parser_costs_one_item() -> None:
    """A document of 120,000 levels is not taken apart by recursion."""
    decoded = decode_spans(DEEP_TEXT, is_json=True)

    assert [span.name for span in decoded.records] == ["before", "after"]
    assert decoded.rejected == {"an item is nested too deeply": 1}


@pytest.mark.parametrize("place", ["resourceSpans", "scopeSpans", "spans"])
def test_what_is_no_object_costs_itself_alone(place: str) -> None:
    """In each of the three lists."""
    document: Any = {"traceId": TRACE, "spanId": SPAN, "name": "good"}
    for name in ("spans", "scopeSpans", "resourceSpans"):
        document = {name: [document, *([5] if name == place else [])]}
    decoded = decode_spans(msgspec.json.encode(document), is_json=True)

    assert [span.name for span in decoded.records] == ["good"]
    assert decoded.rejected.total() == 1


def test_a_resource_that_cant_be_read_costs_what_is_its_own() -> None:
    """Nobody could say whose spans they are; the others' are kept."""
    body = trace_json().replace(b'"svc"', b'"\xff"')
    both = body[:-2] + b"," + trace_json()[len(b'{"resourceSpans":[') :]
    decoded = decode_spans(both, is_json=True)

    assert [span.service for span in decoded.records] == ["svc"]
    assert decoded.rejected == {"a resource or scope can't be read": 1}


@pytest.mark.parametrize("kind", ["kvlistValue", "arrayValue"])
def test_values_may_be_nested(kind: str) -> None:
    """As deep in JSON as in protobuf; what a program has in a log line is no deeper."""
    attributes = [{"key": "k", "value": _deep(32, kind)}]
    decoded = decode_spans(trace_json(attributes=attributes), is_json=True)

    assert decoded.rejected == {}
    value = decoded.records[0].attributes["k"]
    for _ in range(32):
        value = value["k"] if kind == "kvlistValue" else value[0]
    assert value == "x"


@pytest.mark.parametrize("ids", [{"traceId": "0" * 32, "spanId": "0" * 16}, {}])
def test_a_link_to_nobody_is_kept_for_its_attributes(ids: dict[str, str]) -> None:
    """OpenTelemetry's API lets programs record one."""
    attributes = [{"key": "why", "value": {"stringValue": "unknown"}}]
    decoded = decode_spans(trace_json(links=[{**ids, "attributes": attributes}]), is_json=True)

    assert decoded.rejected == {}
    (link,) = decoded.records[0].links
    assert (link.trace_id, link.span_id, link.attributes) == ("", "", {"why": "unknown"})


def _three_spans() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.add(key="service.name").value.string_value = "svc"
    scope = of_resource.scope_spans.add()
    scope.scope.name = "lib"
    for name in ("before", "bad-XX", "after"):
        scope.spans.add(trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN), name=name)
    return request


def test_a_bad_protobuf_item_costs_itself_alone() -> None:
    """Broken text, and values deeper than the parser goes."""
    broken = _three_spans().SerializeToString().replace(b"bad-XX", b"bad-\xff\xfe")
    deep = _three_spans()
    value = deep.resource_spans[0].scope_spans[0].spans[1].attributes.add(key="k").value
    for _ in range(80):
        value = value.array_value.values.add()
    for body in (broken, deep.SerializeToString()):
        decoded = decode_spans(body, is_json=False)

        assert [(s.name, s.service, s.scope) for s in decoded.records] == [
            ("before", "svc", "lib"),
            ("after", "svc", "lib"),
        ]
        assert decoded.rejected == {"an item can't be read": 1}


def test_a_protobuf_resource_that_cant_be_read_costs_what_is_its_own() -> None:
    """Three spans of one service; the other's are kept."""
    bad = _three_spans().SerializeToString().replace(b"svc", b"s\xff\xfe")
    decoded = decode_spans(bad + _three_spans().SerializeToString(), is_json=False)

    assert [span.service for span in decoded.records] == ["svc"] * 3
    assert decoded.rejected == {"a resource or scope can't be read": 3}


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_protobuf_message_that_breaks_off_is_refused(cut: int) -> None:
    """Nothing says what it would have held."""
    with pytest.raises(InvalidOtlpError):
        decode_spans(_three_spans().SerializeToString()[:-cut], is_json=False)


def test_an_unknown_kind_is_unspecified() -> None:
    """A later version may have more of them."""
    (span,) = decode_spans(trace_json(kind=99, status={"code": 99}), is_json=True).records

    assert (span.kind, span.status) == ("unspecified", "unset")


@given(st.binary(max_size=200))
def test_no_protobuf_bytes_raise_anything_else(body: bytes) -> None:
    """The port is open to whatever runs on the machine."""
    for decode in (decode_spans, decode_logs, decode_metrics):
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
