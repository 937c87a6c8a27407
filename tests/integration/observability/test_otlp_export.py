"""Our exporter against our receiver and against one that misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httptools
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from caas.testing.patience import PATIENCE_S
from caas_observability.receiver.server import OtlpReceiver
from caas_observability.setup import context, exporter, logs, tracing
from caas_observability.setup.exporter import Exporter
from caas_observability.setup.logs import Sink, get_logger
from caas_observability.setup.sampling import Sampler
from caas_observability.setup.signals import SignalQueue
from caas_observability.setup.tracing import Recorder, start_server_span, start_span

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

FAR_OFF_MS = 3_600_000  # no export by interval within a test


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
        self.connections = 0
        self.answer = b""
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listen; return the endpoint, which has a base path."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/base"

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
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

    def spans(self) -> list[str]:
        """Return the names of the spans in every request, in order."""
        names = []
        for _, body in filter(lambda r: r[0].endswith("/v1/traces"), self.requests):
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            names += [
                s.name for r in request.resource_spans for g in r.scope_spans for s in g.spans
            ]
        return names


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


class LossyQueue(SignalQueue):
    """Tells when it has lost as many spans as expected."""

    def __init__(self, *, expected: int) -> None:
        super().__init__(batch_items=8)
        self.expected = expected
        self.lost = asyncio.Event()

    def count_dropped(self, item: object) -> None:
        """Count, and tell when it is enough."""
        super().count_dropped(item)
        if self.dropped_spans == self.expected:
            self.lost.set()


Start = Callable[..., Exporter]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Make the process record into an exporter; undone at the end."""
    running: list[Exporter] = []
    recorder, sink = tracing.install(Recorder()), logs.install(Sink())

    def begin(endpoint: str, queue: SignalQueue | None = None, **options: object) -> Exporter:
        queue = SignalQueue() if queue is None else queue
        options.setdefault("delay_ms", FAR_OFF_MS)
        made = Exporter(queue, {"service.name": "svc"}, endpoint, **options)  # type: ignore[arg-type]
        tracing.install(Recorder(queue, Sampler()))
        logs.install(Sink("svc", queue=queue, write=lambda _line: None))
        made.start()
        made.start()
        running.append(made)
        return made

    yield begin
    tracing.install(recorder)
    logs.install(sink)
    for made in running:
        await made.shutdown()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the number of retries, not their length; a shutdown ends when all is exported."""
    monkeypatch.setattr(exporter, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(exporter, "SHUTDOWN_MAX_S", PATIENCE_S)


def marker() -> str:
    """Serve one end-marker request; return its trace."""
    trace_id = context.new_trace_id()
    header = f"00-{trace_id}-{context.new_span_id()}-01"
    start_server_span("GET /health", traceparent=header, tracestate="caas=flush").end()
    return trace_id


async def test_when_the_marker_is_there_everything_before_it_is(start: Start) -> None:
    """Three batches of spans and lines, no interval, no sleep: the marker brings them all."""
    log = get_logger("x")
    async with OtlpReceiver() as receiver:
        start(receiver.endpoint)
        trace_ids = []
        for number in range(600):
            with start_server_span("GET") as span, start_span(f"step {number}"):
                log.info("line", number=number)
            trace_ids.append(span.trace_id)
        marked = await receiver.wait_for_span(marker(), "svc")

        store = receiver.store
        assert [len(store.spans_of(t)) for t in trace_ids] == [2] * 600
        assert [r.attributes["number"] for r in store.logs] == list(range(600))
        assert store.spans[-1] is marked
        assert marked.attributes["caas.telemetry.dropped_spans"] == 0


async def test_the_interval_exports_without_a_marker(start: Start) -> None:
    """For receivers that nobody marks for."""
    async with OtlpReceiver() as receiver:
        start(receiver.endpoint, delay_ms=1)
        with start_server_span("GET") as span:
            pass

        assert (await receiver.wait_for_span(span.trace_id, "svc")).name == "GET"


async def test_what_is_left_is_exported_at_shutdown(start: Start) -> None:
    """Also what was recorded while the last request was under way."""
    async with OtlpReceiver() as receiver:
        made = start(receiver.endpoint, compress=True, headers={"x-tenant": "a"})
        for _ in range(1200):
            start_span("work").end()
        get_logger("x").info("the last line")
        await made.shutdown()

        assert len(receiver.store.spans) == 1200
        assert receiver.store.logs[-1].message == "the last line"
        assert made.exported == {"span": 1200, "log": 1}


async def test_opentelemetry_s_classes_read_what_is_sent(start: Start) -> None:
    """Resource, scopes by logger, and the base path of the endpoint."""
    peer = Peer()
    made = start(await peer.start())
    with start_server_span("GET"):
        get_logger("one").info("a")
        get_logger("two").info("b")
    await made.shutdown()
    await peer.close()
    request = ExportLogsServiceRequest()
    request.ParseFromString(peer.requests[0][1])

    assert [path for path, _ in peer.requests] == ["/base/v1/logs", "/base/v1/traces"]
    assert [g.scope.name for g in request.resource_logs[0].scope_logs] == ["one", "two"]
    assert request.resource_logs[0].resource.attributes[0].key == "service.name"
    assert peer.spans() == ["GET"]
    assert peer.connections == 1


@pytest.mark.parametrize("step", [503, 429, 502, 504, "cut"])
async def test_a_passing_failure_is_retried(start: Start, step: int | str) -> None:
    """The same bytes again, in order, nothing lost."""
    peer = Peer(step, step)
    made = start(await peer.start())
    marker()
    await peer.answered.wait()
    await made.shutdown()
    await peer.close()

    assert made.exported["span"] == 1
    assert made.dropped == {"span": 0, "log": 0}
    assert made.failures["span"] >= 1
    assert len({body for _, body in peer.requests}) == 1


async def test_retries_are_bounded(start: Start) -> None:
    """A receiver that is always busy costs a batch, and the loss is counted."""
    peer = Peer(*[503] * exporter.ATTEMPTS_MAX)
    made = start(await peer.start())
    marker()
    await peer.arrived.wait()
    start_span("after").end()
    marker()
    await peer.answered.wait()
    await made.shutdown()
    await peer.close()

    assert made.dropped["span"] == 1
    assert made.failures["span"] == exporter.ATTEMPTS_MAX
    assert peer.spans()[-2:] == ["after", "GET /health"]


async def test_a_refusal_is_not_retried(start: Start) -> None:
    """The same bytes would be refused again."""
    peer = Peer(400)
    made = start(await peer.start())
    marker()
    await peer.arrived.wait()
    await made.shutdown()
    await peer.close()

    assert peer.spans() == ["GET /health"]
    assert made.dropped["span"] == 1


async def test_a_partial_success_counts_what_was_rejected(start: Start) -> None:
    """Accepted is not kept."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 2
    peer = Peer()
    peer.answer = response.SerializeToString()
    made = start(await peer.start())
    for _ in range(5):
        start_span("work").end()
    await made.shutdown()
    await peer.close()

    assert (made.exported["span"], made.dropped["span"]) == (3, 2)


async def test_a_kept_connection_that_was_closed_is_replaced(start: Start) -> None:
    """The receiver may close an idle one at any time; that is no failure."""
    peer = Peer(200, "cut")
    made = start(await peer.start())
    marker()
    await peer.answered.wait()
    peer.answered.clear()
    marker()
    await peer.answered.wait()
    await made.shutdown()
    await peer.close()

    assert made.failures["span"] == 0
    assert made.exported["span"] == 2


async def test_a_receiver_that_never_answers_costs_only_its_batch(start: Start) -> None:
    """The queue stays bounded, requests go on, and stopping takes a bounded time."""
    peer = Peer(*["hang"] * 50)
    queue = SignalQueue(max_items=64, batch_items=16)
    made = start(await peer.start(), queue, timeout_ms=50)
    for number in range(1000):
        with start_server_span("GET"):
            pass
        if number % 100 == 0:
            await asyncio.sleep(0)
        assert len(queue) <= 64
    await peer.arrived.wait()
    await made.shutdown()
    await peer.close()

    assert made.exported["span"] == 0
    assert made.dropped["span"] == 1000


async def test_an_absent_receiver_is_reported_once_and_counted(start: Start) -> None:
    """One warning, not one a batch; and one line when it works again."""
    lines: list[bytes] = []
    receiver = OtlpReceiver()
    await receiver.start()
    endpoint = receiver.endpoint
    await receiver.close()
    queue = LossyQueue(expected=64)
    made = start(endpoint, queue)
    logs.install(Sink("svc", write=lines.append))
    for _ in range(64):
        start_span("work").end()
    async with asyncio.timeout(PATIENCE_S):
        await queue.lost.wait()
    port = int(endpoint.rpartition(":")[2])
    async with OtlpReceiver(port=port) as back:
        marked = await back.wait_for_span(marker(), "svc")
        await made.shutdown()

    assert marked.attributes["caas.telemetry.dropped_spans"] == 64
    assert [b"fails" in line for line in lines] == [True, False]
    assert b"works again" in lines[1]


async def test_requests_are_bounded_in_size(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of large spans becomes several requests, in order."""
    monkeypatch.setattr(exporter, "REQUEST_MAX_BYTES", 2000)
    peer = Peer()
    made = start(await peer.start())
    names = [f"span {number}" for number in range(20)]
    for name in names:
        start_span(name, attributes={"text": "x" * 500}).end()
    await made.shutdown()
    await peer.close()

    assert peer.spans() == names
    assert len(peer.requests) > 5
    assert all(len(body) < 3000 for _, body in peer.requests)


async def test_an_item_that_can_t_be_encoded_is_lost_alone(start: Start) -> None:
    """The rest of its batch arrives."""
    async with OtlpReceiver() as receiver:
        made = start(receiver.endpoint)
        bad = start_span("bad")
        bad.trace_id = "not hex"
        bad.end()
        start_span("good").end()
        await made.shutdown()

        assert [span.name for span in receiver.store.spans] == ["good"]
        assert made.dropped["span"] == 1


async def test_recording_goes_on_from_threads_and_after_the_end(start: Start) -> None:
    """Hashing runs in threads; and shutting down must not break a late request."""
    async with OtlpReceiver() as receiver:
        made = start(receiver.endpoint)

        def work() -> None:
            for _ in range(600):
                start_span("in a thread").end()

        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(2)))
        await made.shutdown()
        marker()

        assert len(receiver.store.spans) == 1200


async def test_an_endpoint_must_be_a_url() -> None:
    """Found at the start, not at the first export."""
    with pytest.raises(ValueError, match="URL"):
        Exporter(SignalQueue(), {}, "localhost:4318")
