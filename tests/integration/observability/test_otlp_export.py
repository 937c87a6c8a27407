"""The SDK's exporters as services use them, against our receiver and one that misbehaves."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httptools
import pytest
from opentelemetry import trace

from caas.testing.patience import PATIENCE_S
from caas_observability.receiver.decoding import decode_spans
from caas_observability.receiver.records import ReceivedSpan
from caas_observability.receiver.server import OtlpReceiver
from caas_observability.setup import logs, process, tracing
from caas_observability.setup.logs import Sink, get_logger
from caas_observability.setup.markers import DROPPED_LOGS, DROPPED_SPANS
from caas_observability.setup.process import Telemetry
from caas_observability.setup.sampling import MARKER_NAME, Sampler
from caas_observability.setup.tracing import Recorder, start_server_span

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

FAR_OFF = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}  # no export by interval within a test


class Peer:
    """An HTTP server that answers from a script and keeps what it was sent.

    A step is a status, `hang` (never answers) or `cut` (closes the connection); after the last
    step it answers 200.
    """

    def __init__(self, *script: int | str) -> None:
        self.script = list(script)
        self.requests: list[tuple[str, bytes]] = []
        self.arrived = asyncio.Event()
        self.answered = asyncio.Event()  # a 200 was sent
        self.answer = b""
        self._serving: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; return the endpoint, which has a base path."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/base"

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
        for writer in self._serving.values():
            writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving[task] = writer
        try:
            while await self._one(reader, writer):
                pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = _Request()
        parser = httptools.HttpRequestParser(request)
        while not request.complete:
            data = await reader.read(65536)
            if not data:
                return False
            parser.feed_data(data)
        step = self.script.pop(0) if self.script else 200
        self.requests.append((request.url.decode(), bytes(request.body)))
        self.arrived.set()
        if isinstance(step, str):
            if step == "hang":
                await reader.read(1)
            return False
        body = self.answer if step == 200 else b""
        if step == 200:
            self.answered.set()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (step, len(body), body))
        return True

    def received(self) -> list[ReceivedSpan]:
        """Return the spans in every request, in order."""
        return [
            span
            for path, body in self.requests
            if path.endswith("/v1/traces")
            for span in decode_spans(body, is_json=False).records
        ]

    def spans(self) -> list[str]:
        """Return the names of the spans in every request, in order."""
        return [span.name for span in self.received()]

    def marker_attributes(self) -> list[dict[str, Any]]:
        """Return what each marker span says."""
        return [span.attributes for span in self.received() if span.name == MARKER_NAME]


class _Request:
    def __init__(self) -> None:
        self.url = b""
        self.body = bytearray()
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


Start = Callable[..., Telemetry]


@pytest.fixture
async def start(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Make the process record and export; undone at the end."""
    running: list[Telemetry] = []
    monkeypatch.setattr(trace, "set_tracer_provider", lambda _provider: None)
    monkeypatch.setattr(process, "set_logger_provider", lambda _provider: None)
    monkeypatch.setattr(process, "SHUTDOWN_MAX_S", PATIENCE_S)
    recorder, sink = tracing.install(Recorder()), logs.install(Sink(write=lambda _line: None))

    def begin(endpoint: str, **environ: str) -> Telemetry:
        resource = process.describe_process("svc", "1")
        made = process.record(resource, Sampler(), endpoint, {**FAR_OFF, **environ})
        running.append(made)
        return made

    yield begin
    monkeypatch.setattr(process, "SHUTDOWN_MAX_S", 0.01)  # whoever waits has asked for it
    for made in running:
        await made.shutdown()
    for thread in threading.enumerate():  # none may draw random numbers while another test runs
        if thread.name.startswith(("OtelBatch", "telemetry")):
            await asyncio.to_thread(thread.join, PATIENCE_S)
    tracing.install(recorder)
    logs.install(sink)


def marker() -> str:
    """Serve one request that asks for end markers; return its trace."""
    trace_id = f"{random.getrandbits(128):032x}"
    header = f"00-{trace_id}-{1:016x}-01"
    start_server_span("GET /health", traceparent=header, tracestate="caas=flush").end()
    return trace_id


async def marked(receiver: OtlpReceiver, trace_id: str) -> ReceivedSpan:
    """Wait for both markers; return the span."""
    span = await receiver.wait_for_span(trace_id, "svc", kind="internal", timeout_s=PATIENCE_S)
    log = await receiver.wait_for_log(trace_id, "svc", MARKER_NAME, timeout_s=PATIENCE_S)
    assert span.name == MARKER_NAME
    assert log.attributes == span.attributes
    return span


def figures(telemetry: Telemetry) -> dict[str, tuple[int, int, int]]:
    """Return what is waiting, exported and dropped, by signal."""
    return {d.signal: (d.waiting, d.exported, d.dropped) for d in telemetry.deliveries}


async def test_when_the_markers_are_there_everything_before_them_is(start: Start) -> None:
    """Three batches of spans and lines, no interval, no sleep: the markers bring them all."""
    log = get_logger("x")
    async with OtlpReceiver() as receiver:
        tracers = start(receiver.endpoint).tracers
        assert tracers is not None
        tracer = tracers.get_tracer("lib")
        trace_ids = []
        for number in range(600):
            with start_server_span("GET") as span, tracer.start_as_current_span(f"step {number}"):
                log.info("line", number=number)
            trace_ids.append(span.trace_id)
        end = await marked(receiver, marker())

        store = receiver.store
        assert [len(store.spans_of(t)) for t in trace_ids] == [2] * 600
        lines = [record for record in store.logs if record.message == "line"]
        assert [record.attributes["number"] for record in lines] == list(range(600))
        assert store.spans[-1] is end
        assert end.attributes == {DROPPED_SPANS: 0, DROPPED_LOGS: 0}


async def test_markers_asked_for_together_all_come(start: Start) -> None:
    """Each below its own request, however many share a flush."""
    async with OtlpReceiver() as receiver:
        start(receiver.endpoint)
        asked = [marker() for _ in range(20)]
        found = [await marked(receiver, trace_id) for trace_id in asked]

    assert [span.trace_id for span in found] == asked


async def test_the_interval_exports_without_a_marker(start: Start) -> None:
    """For receivers that nobody marks for."""
    async with OtlpReceiver() as receiver:
        start(receiver.endpoint, OTEL_BSP_SCHEDULE_DELAY="1")
        with start_server_span("GET") as span:
            pass

        assert (await receiver.wait_for_span(span.trace_id, "svc")).name == "GET"


async def test_what_is_left_is_exported_at_shutdown(start: Start) -> None:
    """Compressed, with the headers, below the endpoint's path, by the resource's name."""
    async with OtlpReceiver() as receiver:
        made = start(
            receiver.endpoint + "/",
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=a",
        )
        for _ in range(1200):
            start_server_span("work").end()
        get_logger("x").info("the last line")
        await made.shutdown()

        assert len(receiver.store.spans) == 1200
        assert receiver.store.logs[-1].message == "the last line"
        assert receiver.store.logs[-1].scope == "x"
        assert receiver.store.spans[0].resource["service.name"] == "svc"
        assert figures(made) == {"span": (0, 1200, 0), "log": (0, 1, 0)}


async def test_a_passing_failure_costs_nothing(start: Start) -> None:
    """The same bytes again; nothing is counted as lost."""
    peer = Peer(503)
    made = start(await peer.start())
    start_server_span("GET").end()
    await made.shutdown()
    await peer.close()

    assert peer.spans() == ["GET", "GET"]
    assert [path for path, _ in peer.requests] == ["/base/v1/traces"] * 2
    assert figures(made)["span"] == (0, 1, 0)


async def test_a_refusal_is_counted_and_the_marker_says_so(start: Start) -> None:
    """`force_flush` says yes all the same; the marker after it knows."""
    peer = Peer(400)
    made = start(await peer.start())
    start_server_span("lost").end()
    marker()
    async with asyncio.timeout(PATIENCE_S):
        while not peer.marker_attributes():
            await peer.arrived.wait()
            peer.arrived.clear()
    await made.shutdown()
    await peer.close()

    (said,) = peer.marker_attributes()
    assert said[DROPPED_SPANS] == 1
    assert made.deliveries[0].failures == 1


async def test_a_receiver_that_never_answers_costs_its_telemetry_only(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue stays bounded, requests go on, and stopping takes a bounded time."""
    peer = Peer(*["hang"] * 50)
    made = start(
        await peer.start(),
        OTEL_BSP_MAX_QUEUE_SIZE="64",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="16",
        OTEL_EXPORTER_OTLP_TIMEOUT="3600000",
    )
    monkeypatch.setattr(process, "SHUTDOWN_MAX_S", 0.05)
    for _ in range(1000):
        with start_server_span("GET"):
            get_logger("x").info("line")
    await asyncio.wait_for(peer.arrived.wait(), PATIENCE_S)
    threads = threading.active_count()
    await made.shutdown()
    await peer.close()

    for waiting, exported, dropped in figures(made).values():
        assert (waiting + dropped, exported) == (1000, 0)
        assert dropped >= 936
    assert threads < 20


async def test_an_absent_receiver_is_reported_once_and_counted(start: Start) -> None:
    """One warning, not one a batch; and one line when it works again."""
    lines: list[bytes] = []
    receiver = OtlpReceiver()
    await receiver.start()
    endpoint = receiver.endpoint
    await receiver.close()
    made = start(endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="1", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8")
    logs.install(Sink("svc", write=lines.append))
    for _ in range(64):
        start_server_span("work").end()
    assert made.tracers is not None
    await asyncio.to_thread(made.tracers.force_flush)
    port = int(endpoint.rpartition(":")[2])
    async with OtlpReceiver(port=port) as back:
        made.tracers.force_flush()
        end = None
        while end is None:  # a millisecond may be too short even for one that answers
            try:
                end = await back.wait_for_span(marker(), "svc", kind="internal", timeout_s=0.5)
            except TimeoutError:
                continue

    assert end.attributes[DROPPED_SPANS] >= 64
    said = [line for line in lines if b'"signal":"span"' in line]
    assert b"fails" in said[0]
    assert sum(b"fails" in line for line in said) <= 1 + sum(b"works" in line for line in said)


async def test_recording_goes_on_from_threads_and_after_the_end(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing runs in threads; and shutting down must not break a late request."""
    monkeypatch.setattr(process, "SHUTDOWN_MAX_S", PATIENCE_S)
    async with OtlpReceiver() as receiver:
        made = start(receiver.endpoint)

        def work() -> None:
            for _ in range(600):
                start_server_span("in a thread").end()

        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(2)))
        await made.shutdown()
        start_server_span("late").end()

        assert len(receiver.store.spans) == 1200
