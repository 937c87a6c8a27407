"""Our OTLP bytes, read by opentelemetry-proto's own classes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from caas_observability.redaction import redact_text
from caas_observability.setup import otlp_encoding
from caas_observability.setup.context import SpanContext
from caas_observability.setup.otlp_encoding import encode_log, encode_request, encode_resource
from caas_observability.setup.signals import LogItem, SignalQueue
from caas_observability.setup.tracing import RecordingSpan

TRACE, SPAN, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00000000000000ff"

# What looks like a credential is redacted on its way: that has tests of its own.
text = (st.text(st.characters(exclude_categories=["Cs"]), max_size=200)).filter(
    lambda words: redact_text(words) == words
)
names = st.text("abcdefghij._", min_size=1, max_size=20)
int64 = st.integers(-(1 << 63), (1 << 63) - 1)
scalars = text | st.booleans() | int64 | st.floats(allow_nan=False)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


def a_span(attributes: dict[str, Any] | None = None, kind: int = 2) -> RecordingSpan:
    """Make an ended span."""
    span = RecordingSpan("GET /x", kind, TRACE, PARENT, SignalQueue(), None, attributes=attributes)
    span.end()
    return span


def read_span(span: RecordingSpan) -> Any:
    """Encode *span* and decode it with the generated classes."""
    request = ExportTraceServiceRequest()
    resource = encode_resource({"service.name": "svc"})
    body = encode_request(resource, [("scope", [otlp_encoding.encode_span(span)])])
    request.ParseFromString(body)
    (of_resource,) = request.resource_spans
    (group,) = of_resource.scope_spans
    assert of_resource.resource.attributes[0].value.string_value == "svc"
    assert group.scope.name == "scope"
    (read,) = group.spans
    return read


def plain(value: Any) -> Any:
    """Read an AnyValue independently of the package's own decoder."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def test_every_field_of_a_span_arrives() -> None:
    """Also the rare ones."""
    span = RecordingSpan("GET /x", 3, TRACE, PARENT, SignalQueue(), None, tracestate="a=1")
    span.set_many({"a": 1, "b": "x", "c": True, "d": 0.5, "e": ["x", 1]})
    span.add_event("happened", {"n": 1}, time_ns=5)
    span.add_link(SpanContext(TRACE, SPAN, sampled=True), {"why": "watching"})
    span.set_error("went wrong")
    span.dropped_attributes = 300
    span.end()
    read = read_span(span)

    assert read.trace_id.hex() == TRACE
    assert read.span_id.hex() == span.span_id
    assert read.parent_span_id.hex() == PARENT
    assert (read.name, read.kind, read.trace_state, read.flags) == ("GET /x", 3, "a=1", 1)
    assert (read.start_time_unix_nano, read.end_time_unix_nano) == (span.start_ns, span.end_ns)
    assert {a.key: plain(a.value) for a in read.attributes} == span.attributes
    assert read.dropped_attributes_count == 300
    assert (read.events[0].name, read.events[0].time_unix_nano) == ("happened", 5)
    assert plain(read.events[0].attributes[0].value) == 1
    assert read.links[0].span_id.hex() == SPAN
    assert plain(read.links[0].attributes[0].value) == "watching"
    assert (read.status.code, read.status.message) == (2, "went wrong")


def test_a_root_has_no_parent() -> None:
    """An absent field, not eight zero bytes."""
    span = RecordingSpan("x", 1, TRACE, "", SignalQueue(), None)
    span.end()

    assert read_span(span).parent_span_id == b""


@given(st.dictionaries(names, values, max_size=6))
def test_any_attributes_arrive_as_they_were(attributes: dict[str, Any]) -> None:
    """Every type, nested, at every size of length prefix; twice, for the second is from memory."""
    for _ in range(2):
        read = read_span(a_span(dict(attributes)))

        assert {a.key: plain(a.value) for a in read.attributes} == attributes


def test_values_that_compare_equal_stay_apart() -> None:
    """1, True and 1.0 are one dictionary key and three OTLP values."""
    seen = [
        read_span(a_span({"k": value})).attributes[0].value.WhichOneof("value")
        for value in (1, True, 1.0, 1, True)
    ]

    assert seen == ["int_value", "bool_value", "double_value", "int_value", "bool_value"]


@pytest.mark.parametrize("value", [10**30, b"bytes", object(), {"deep": [[[[[[[[[["x"]]]]]]]]]]}])
def test_other_values_become_text(value: object) -> None:
    """Nothing that is set on a span can stop the export."""
    assert len(read_span(a_span({"k": value})).attributes) == 1


def test_attributes_are_redacted_on_the_way_out() -> None:
    """By name and by shape, also in names of spans and events."""
    span = a_span(
        {"api_key": "hunter22", "url": "/x?token=hunter22", "n": {"password": "hunter22"}}
    )
    span.name = "GET token=hunter22"
    span.add_event("token=hunter22", {"cookie": "hunter22"})
    encoded = otlp_encoding.encode_span(span)

    assert b"hunter22" not in encoded
    assert encoded.count(b"[redacted]") == 6


def test_long_texts_are_cut() -> None:
    """A span can't carry a body."""
    read = read_span(a_span({"k": "x" * 100_000}))

    assert len(read.attributes[0].value.string_value) == otlp_encoding.VALUE_MAX_CHARS


def test_the_memory_of_attributes_is_bounded() -> None:
    """Many different values are encoded right and not all remembered."""
    encoder = otlp_encoding.AttributeEncoder(b"\x4a")
    alike = otlp_encoding.AttributeEncoder(b"\x4a")
    for n in range(otlp_encoding.CACHED_ATTRIBUTES_MAX + 10):
        members = {f"k{n % 3}": n, f"f{n}": n / 2, "s": str(n)}
        assert encoder.join(members) == alike.join(members) == encoder.join(members)

    assert len(encoder) <= otlp_encoding.CACHED_ATTRIBUTES_MAX


@given(text, st.dictionaries(names, values, max_size=4), st.booleans())
def test_a_log_record_arrives(body: str, attributes: dict[str, Any], in_trace: bool) -> None:  # noqa: FBT001
    """With and without a trace."""
    ids = (TRACE, SPAN, True) if in_trace else ()
    item = LogItem(7, 17, "ERROR", body, "x", attributes, *ids)
    request = ExportLogsServiceRequest()
    request.ParseFromString(encode_request(encode_resource({}), [("x", [encode_log(item)])]))
    read = request.resource_logs[0].scope_logs[0].log_records[0]

    assert (read.time_unix_nano, read.observed_time_unix_nano) == (7, 7)
    assert (read.severity_number, read.severity_text) == (17, "ERROR")
    assert read.trace_id.hex() == item.trace_id
    assert read.span_id.hex() == item.span_id
    assert read.flags == int(in_trace)
    assert {a.key: plain(a.value) for a in read.attributes} == attributes
    assert read.body.WhichOneof("value") == "string_value"


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 16383, 16384, (1 << 63)])
def test_varints(number: int) -> None:
    """At every boundary of seven bits."""
    span = a_span()
    span.dropped_attributes = number % (1 << 32)

    assert read_span(span).dropped_attributes_count == number % (1 << 32)
    assert len(otlp_encoding.varint(number)) == max(1, -(-number.bit_length() // 7))


@given(st.integers(1, 1 << 40), st.text(max_size=20))
def test_a_partial_success_is_understood(rejected: int, message: str) -> None:
    """The receiver's own classes wrote it."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message.encode("utf-8", "ignore").decode()

    assert otlp_encoding.rejected_items(response.SerializeToString()) == rejected
    assert otlp_encoding.rejected_items(b"") == 0
    assert otlp_encoding.rejected_items(b"\x0a\x03\x12\x01x") == 0
