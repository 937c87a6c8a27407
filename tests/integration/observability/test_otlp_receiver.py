"""The receiver over a real socket: what it answers, its limits, and a foreign encoder."""

import asyncio
import gzip
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import Parse  # type: ignore[import-untyped]
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from caas.testing.patience import PATIENCE_S
from caas_observability.receiver import decoding
from caas_observability.receiver.records import ReceivedSpan
from caas_observability.receiver.server import REASONS_MAX, OtlpReceiver, count
from caas_observability.redaction import Redactor

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    """Listen on a free port, with small limits."""
    async with OtlpReceiver(body_max_bytes=20_000, max_records=50) as listening:
        yield listening


async def send(receiver: OtlpReceiver, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send raw bytes on a connection of their own and read one answer."""
    port = int(receiver.endpoint.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await read_answer(reader)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read status, headers in lower case, and body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(head[0].split()[1]), headers, body


def post(path: str, body: bytes, content_type: str = PROTOBUF, extra: str = "") -> bytes:
    """Write a POST request; *extra* are whole header lines."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n{extra}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def spans_request(count: int = 1, name: str = "x") -> bytes:
    """Write an export request with *count* spans of one trace."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(1, count + 1):
        scope.spans.add(
            trace_id=bytes.fromhex(TRACE), span_id=number.to_bytes(8, "big"), name=name, kind=2
        )
    written: bytes = request.SerializeToString()
    return written


async def test_the_sdk_s_spans_and_logs_arrive_whole(receiver: OtlpReceiver) -> None:
    """Encoded by opentelemetry's own exporter code, gzip included."""
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    resource = Resource({"service.name": "foreign"})
    tracer_provider = TracerProvider(resource=resource)
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = tracer_provider.get_tracer("foreign.lib")
    with tracer.start_as_current_span("parent", attributes={"n": 1, "list": ["a", "b"]}) as parent:
        with tracer.start_as_current_span("child") as child:
            child.add_event("e", {"k": 0.5})
        parent.set_status(Status(StatusCode.ERROR, "bad"))
        logger_provider = LoggerProvider(resource=resource)
        logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
        logger_provider.get_logger("foreign.log").emit(
            LogRecord(
                timestamp=5,
                severity_number=SeverityNumber.WARN,
                body={"said": "hello"},
                attributes={"a": True},
                context=set_span_in_context(parent),
            )
        )
    traces = encode_spans(spans.get_finished_spans()).SerializeToString()
    records = encode_logs(logs.get_finished_logs()).SerializeToString()
    gzipped = post("/v1/traces", gzip.compress(traces), extra="Content-Encoding: gzip\r\n")

    assert (await send(receiver, gzipped))[0] == 200
    assert (await send(receiver, post("/v1/logs", records)))[0] == 200
    tracer_provider.shutdown()
    logger_provider.shutdown()
    got_child, got_parent = receiver.store.spans
    ids = parent.get_span_context()
    assert (got_parent.trace_id, got_parent.span_id) == (
        f"{ids.trace_id:032x}",
        f"{ids.span_id:016x}",
    )
    assert (got_child.name, got_child.parent_span_id) == ("child", got_parent.span_id)
    assert (got_parent.service, got_parent.scope) == ("foreign", "foreign.lib")
    assert got_parent.attributes == {"n": 1, "list": ["a", "b"]}
    assert (got_parent.status, got_parent.status_message) == ("error", "bad")
    assert got_child.events[0].attributes == {"k": 0.5}
    (log,) = receiver.store.logs
    assert (log.level, log.message, log.span_id) == (
        "warning",
        '{"said":"hello"}',
        got_parent.span_id,
    )
    assert receiver.store.logs_of(log.trace_id) == [log]


async def test_json_is_answered_in_json(receiver: OtlpReceiver) -> None:
    """The response has the request's encoding (OTLP/HTTP response)."""
    body = msgspec.json.encode({"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": TRACE.upper(), "spanId": SPAN, "name": "x"}]}]}]})  # fmt: skip
    status, headers, answer = await send(receiver, post("/v1/traces", body, JSON + "; charset=x"))

    assert (status, headers["content-type"], answer) == (200, JSON, b"{}")
    assert receiver.store.spans_of(TRACE)[0].name == "x"


async def test_metrics_are_accepted_and_counted(receiver: OtlpReceiver) -> None:
    """So that an SDK that exports all three signals sees no errors."""
    body = msgspec.json.encode(
        {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "a"}, {"name": "b"}]}]}]}
    )
    status, _, _ = await send(receiver, post("/v1/metrics", body, JSON))

    assert status == 200
    assert receiver.store.metrics["received"] == 2


GZIP = "Content-Encoding: gzip\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (post("/v1/traces", b"\xff\xff"), 400),
        (post("/v1/traces", b"{", JSON), 400),
        (post("/v1/traces", b"not gzip", extra=GZIP), 400),
        (post("/v1/traces", gzip.compress(b"")[:-1], extra=GZIP), 400),
        (post("/v1/traces", gzip.compress(b"\0" * 30_000), extra=GZIP), 413),
        (post("/v1/traces", b"\0" * 30_000), 413),
        (post("/v1/traces", b"", "text/plain"), 415),
        (post("/v1/traces", b"", extra="Content-Encoding: br\r\n"), 415),
        (post("/v1/nothing", b""), 404),
        (b"GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /v1/traces HTTP/1.1\r\nX: " + b"a" * 60_000 + b"\r\n\r\n", 431),
        (
            b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + b"3000\r\n" + b"\0" * 0x3000 + b"\r\n"
            b"3000\r\n" + b"\0" * 0x3000 + b"\r\n0\r\n\r\n",
            413,
        ),
    ],
)
async def test_what_is_not_accepted(
    receiver: OtlpReceiver, request_bytes: bytes, status: int
) -> None:
    """Each with the status the OTLP specification gives it, and nothing kept."""
    answered, headers, _ = await send(receiver, request_bytes)

    assert answered == status
    assert (status == 405) == ("allow" in headers)
    assert receiver.store.spans == []
    assert (receiver.requests, receiver.refused) == (0, 1)
    (reason,) = receiver.refusals
    assert reason.startswith(f"{status} ")


async def test_an_error_says_why_in_the_request_s_encoding(receiver: OtlpReceiver) -> None:
    """A google.rpc.Status, as OTLP/HTTP has it."""
    _, _, body = await send(receiver, post("/v1/traces", b"{", JSON))
    _, headers, raw = await send(receiver, post("/v1/traces", b"\xff"))

    assert "not an OTLP request" in msgspec.json.decode(body)["message"]
    assert headers["content-type"] == PROTOBUF
    assert raw[:1] == b"\x12"
    assert raw[1] == len(raw) - 2


async def test_one_connection_serves_many_requests_in_order(receiver: OtlpReceiver) -> None:
    """Pipelined, chunked, with `Expect`: exporters keep their connection."""
    port = int(receiver.endpoint.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = spans_request(2, "chunked")
    chunked = (
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )
    writer.write(post("/v1/traces", spans_request(1, "first")) + post("/nowhere", b"") + chunked)
    statuses = [(await read_answer(reader))[0] for _ in range(3)]
    writer.write(post("/v1/traces", spans_request(), extra="Expect: 100-continue\r\n"))
    expecting = [(await read_answer(reader))[0] for _ in range(2)]
    writer.close()

    assert statuses == [200, 404, 200]
    assert expecting == [100, 200]
    assert [s.name for s in receiver.store.spans] == ["first", "chunked", "chunked", "x"]


async def test_a_log_record_can_be_waited_for(receiver: OtlpReceiver) -> None:
    """By its message: whoever waits gets it when it comes, or when it is there already."""
    waiting = asyncio.ensure_future(receiver.wait_for_log(TRACE, "unknown_service", "marker"))
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for message in ("other", "marker"):
        records.add(trace_id=bytes.fromhex(TRACE)).body.string_value = message
    await send(receiver, post("/v1/logs", request.SerializeToString()))

    assert (await waiting).message == "marker"
    again = await receiver.wait_for_log(TRACE, "unknown_service", "marker", timeout_s=0.0)
    assert again is await waiting
    with pytest.raises(TimeoutError):
        await receiver.wait_for_log(TRACE, "other", "marker", timeout_s=0.0)


async def test_a_full_store_says_how_much_it_rejected(receiver: OtlpReceiver) -> None:
    """A partial success: the exporter counts the rest as lost."""
    status, _, answer = await send(receiver, post("/v1/traces", spans_request(53)))
    response = ExportTraceServiceResponse()
    response.ParseFromString(answer)

    assert status == 200
    assert response.partial_success.rejected_spans == 3
    assert (len(receiver.store.spans), receiver.store.rejected) == (50, 3)


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
async def test_items_that_cant_be_read_are_rejected_alone(
    receiver: OtlpReceiver, content_type: str
) -> None:
    """A partial success that says why; the exporter and the report both count them."""
    if content_type == JSON:
        spans = [{"traceId": TRACE, "spanId": SPAN, "name": "x"}, {"traceId": TRACE, "spanId": ""}]
        body = msgspec.json.encode({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    else:
        body = spans_request(2).replace((2).to_bytes(8, "big"), bytes(8))
    status, _, answer = await send(receiver, post("/v1/traces", body, content_type))
    response = ExportTraceServiceResponse()
    if content_type == JSON:
        Parse(answer, response)
    else:
        response.ParseFromString(answer)

    assert (status, len(receiver.store.spans)) == (200, 1)
    assert response.partial_success.rejected_spans == 1
    assert response.partial_success.error_message == "an id is not 8 bytes long, or all zeros (1)"
    assert receiver.unread == {"an id is not 8 bytes long, or all zeros": 1}
    assert (receiver.refused, receiver.store.rejected) == (0, 0)


async def test_gzip_members_in_a_row_are_one_body(receiver: OtlpReceiver) -> None:
    """Some proxies join them (RFC 1952 2.2); together they are bounded as one."""
    body = spans_request(2)
    joined = gzip.compress(body[:9]) + gzip.compress(body[9:])
    status, _, _ = await send(receiver, post("/v1/traces", joined, extra=GZIP))
    bomb = gzip.compress(b"\0" * 15_000) * 2
    too_large, _, _ = await send(receiver, post("/v1/traces", bomb, extra=GZIP))

    assert (status, len(receiver.store.spans), too_large) == (200, 2, 413)


async def test_a_wrong_path_is_named(receiver: OtlpReceiver) -> None:
    """It is the usual mistake in an endpoint; what is shown of it is short, and ASCII."""
    for path in ("//v1/traces", "/v1/traces/", "/\u00e9" + "x" * 500):
        await send(receiver, post(path, b""))

    first, second, third = receiver.refusals
    assert (first, second) == (
        "404 no such signal: '//v1/traces'",
        "404 no such signal: '/v1/traces/'",
    )
    assert len(third) < 200
    assert third.isprintable()


async def test_reasons_are_bounded() -> None:
    """Whoever reaches the port can't fill the report."""
    counts: Counter[str] = Counter()
    for number in range(3 * REASONS_MAX):
        count(counts, {f"reason {number}": 1})

    assert (len(counts), counts.total()) == (REASONS_MAX + 1, 3 * REASONS_MAX)


async def test_waiting_ends_when_the_span_is_there(receiver: OtlpReceiver) -> None:
    """Before or after it arrived, for the right service and kind, and not for ever."""
    waiting = asyncio.ensure_future(receiver.wait_for_span(TRACE, "unknown_service"))
    other = asyncio.ensure_future(receiver.wait_for_span(TRACE, "other", timeout_s=0.05))
    await send(receiver, post("/v1/traces", spans_request()))
    late = await receiver.wait_for_span(TRACE, "unknown_service", timeout_s=0.0)

    assert (await waiting) is late
    with pytest.raises(TimeoutError):
        await other
    assert receiver.store._waiting == {}


async def test_everything_is_written_as_otlp_json_lines(
    receiver: OtlpReceiver, tmp_path: Path
) -> None:
    """Redacted, and readable by any OTLP/JSON reader: here by the receiver itself."""
    first: dict[str, Any] = {
        "traceId": TRACE, "spanId": SPAN, "parentSpanId": "00000000000000ff", "name": "x",
        "kind": 2, "startTimeUnixNano": "5", "endTimeUnixNano": "6",
        "attributes": [
            {"key": "api_key", "value": {"stringValue": "hunter22"}},
            {"key": "note", "value": {"stringValue": "the canary sings"}},
            {"key": "n", "value": {"intValue": "9007199254740993"}},
            {"key": "l", "value": {"arrayValue": {"values": [{"doubleValue": 0.5}]}}},
        ],
        "events": [{"timeUnixNano": "5", "name": "e"}],
        "links": [{"traceId": TRACE, "spanId": SPAN}],
        "status": {"code": 2, "message": "token=hunter22"},
    }  # fmt: skip
    log = {"timeUnixNano": "7", "severityNumber": 17, "body": {"stringValue": "canary"}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]}
    group = {"scope": {"name": "lib"}, "spans": [first]}
    traces = {"resourceSpans": [{"resource": resource, "scopeSpans": [group]}]}
    records = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [log]}]}]}
    await send(receiver, post("/v1/traces", msgspec.json.encode(traces), JSON))
    await send(receiver, post("/v1/logs", msgspec.json.encode(records), JSON))
    path = tmp_path / "telemetry.jsonl"
    lines = receiver.write_jsonl(path, Redactor(["canary"]))
    text = path.read_text()

    assert lines == 2
    assert "hunter22" not in text
    assert "canary" not in text
    async with OtlpReceiver() as again:
        for line, route in zip(text.splitlines(), ("/v1/traces", "/v1/logs"), strict=True):
            assert (await send(again, post(route, line.encode(), JSON)))[0] == 200
        (span,) = again.store.spans
        original = receiver.store.spans[0]
        assert span.attributes["n"] == 9007199254740993
        assert (span.span_id, span.parent_span_id, span.kind, span.events, span.links) == (
            original.span_id, original.parent_span_id, original.kind, original.events,
            original.links,
        )  # fmt: skip
        assert again.store.logs[0].level == "error"
        assert again.write_jsonl(tmp_path / "again.jsonl") == 2
        assert (tmp_path / "again.jsonl").read_text() == text


async def test_reading_does_not_hold_up_the_caller_s_loop(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a service sends: here reading it ends when the loop has turned meanwhile."""
    turned = threading.Event()
    held_up: list[bool] = []
    decode = decoding.decode_spans

    def slow(body: bytes, *, is_json: bool) -> decoding.Decoded[ReceivedSpan]:
        loop.call_soon_threadsafe(turned.set)
        held_up.append(not turned.wait(PATIENCE_S))
        return decode(body, is_json=is_json)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(decoding, "decode_spans", slow)
    await send(receiver, post("/v1/traces", spans_request()))

    assert held_up == [False]
    assert len(receiver.store.spans) == 1


async def test_an_address_that_is_taken_is_told(receiver: OtlpReceiver) -> None:
    """To whoever starts it, though another thread listens; closing it is safe."""
    other = OtlpReceiver(port=int(receiver.endpoint.rpartition(":")[2]))
    with pytest.raises(OSError, match="in use"):
        await other.start()
    await other.close()


async def test_closing_ends_open_connections() -> None:
    """A kept connection must not keep the runner alive."""
    receiver = OtlpReceiver()
    await receiver.start()
    port = int(receiver.endpoint.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post("/v1/traces", spans_request()))
    await read_answer(reader)
    await receiver.close()
    await receiver.close()

    assert await reader.read() == b""
    writer.close()
