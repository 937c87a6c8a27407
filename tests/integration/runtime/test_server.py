"""The server of `caas up` and of containers: what HTTP it takes, and how it ends."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from caas.runtime.http import server as module
from caas.runtime.http.edge import reply
from caas.runtime.http.edge.patience import Patience
from caas.runtime.http.fast import FastRequest, FastResponse
from caas.runtime.http.lifespan import Lifespan
from caas.runtime.http.server import EmbeddedServer
from caas.stack.servers.embedded import free_port
from caas.testing.http.serving import container_command, serving
from caas.testing.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

JSON = b"Content-Type: application/json\r\n"
PING = "caas.testing.http.ping_service:create_app"
ITEM = b'{"name":"a"}'


async def everything(wire: Any, data: bytes) -> bytes:
    """Send *data* and return all that comes until the server closes."""
    reader, writer = await wire.connect()
    writer.write(data)
    try:
        return bytes(await asyncio.wait_for(reader.read(), PATIENCE_S))
    finally:
        writer.close()


async def test_http_1_0_needs_no_host(demo: Any) -> None:
    """RFC 9112, 3.2; the connection ends with the answer."""
    answer = await everything(demo, b"GET /items/a HTTP/1.0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.0 200 ")
    assert answer.endswith(b'{"id":"a","name":"x"}')


async def test_pipelined_requests_are_answered_in_order(demo: Any) -> None:
    """One after the other (RFC 9112, 9.3.2)."""
    requests = [b"GET /items/%d HTTP/1.1\r\nHost: a\r\n" % n for n in range(5)]
    answers = await everything(demo, b"\r\n".join(requests) + b"Connection: close\r\n\r\n")

    assert [answers.count(b'{"id":"%d"' % n) for n in range(5)] == [1] * 5
    assert sorted(range(5), key=lambda n: answers.index(b'{"id":"%d"' % n)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(b"Content-Length: %d\r\n\r\n%b", id="length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n", id="chunks"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n",
            id="extension and trailer",
        ),
    ],
)
async def test_a_request_after_a_body_is_served(demo: Any, framing: bytes) -> None:
    """The body ends where its framing says; what follows is the next request, whole."""
    first = b"POST /items HTTP/1.1\r\nHost: a\r\n" + JSON + framing % (len(ITEM), ITEM)
    then = b"GET /items/then HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    answers = await everything(demo, first + then)

    assert answers.count(b"HTTP/1.1 ") == 2
    assert answers.endswith(b'{"id":"then","name":"x"}')


@pytest.mark.parametrize(
    ("last", "status"),
    [
        pytest.param(
            b"GET /items HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, id="close"
        ),
        pytest.param(b"GET /items HTTP/1.0\r\n\r\n", 200, id="HTTP/1.0"),
        pytest.param(b"GET /items HTTP/1.1\r\nHost : a\r\n\r\n", 400, id="malformed"),
    ],
)
async def test_a_last_answer_arrives_whatever_lies_behind_its_request(
    demo: Any, last: bytes, status: int
) -> None:
    """Hyper's `pipeline_flush` would take it along when the connection closes."""
    answers = await everything(demo, last + b"GET /items HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answers.startswith((b"HTTP/1.1 %d " % status, b"HTTP/1.0 %d " % status))
    assert answers.count(b"HTTP/1.") == 1


@pytest.mark.parametrize("path", [b"/items", b"/nowhere", b"/private"])
async def test_no_request_hides_in_a_body_that_nobody_reads(demo: Any, path: bytes) -> None:
    """Refused before it was read, the body is still a body."""
    hidden = b"GET /items/hidden HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"DELETE %b HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n" % path
    then = b"GET /items/then HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    answers = await everything(
        demo, head + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden + then
    )

    assert b"hidden" not in answers
    assert answers.count(b"HTTP/1.1 ") in {1, 2}  # RFC 9112, 9.3: it may close instead


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(b"0\r\n" + b"X-T: " + b"y" * 1_000 + b"\r\n", id="trailers"),
        pytest.param(b"2;a=" + b"b" * 65_536, id="chunk extension"),
    ],
)
async def test_a_body_that_never_ends_is_cut(demo: Any, endless: bytes) -> None:
    """Its bytes count against no body limit, so the parser has one of its own."""
    reader, writer = await demo.connect()
    writer.write(
        b"POST /items HTTP/1.1\r\nHost: a\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    )

    async def flood() -> None:
        writer.write(endless)
        more = endless.partition(b"\r\n")[2] or b"b" * 65_536
        while True:
            writer.write(more)
            await writer.drain()

    flooding = asyncio.create_task(flood())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE_S)
    await asyncio.wait([flooding], timeout=PATIENCE_S)

    assert head.startswith(b"HTTP/1.1 400 ")
    assert isinstance(flooding.exception(), ConnectionError)
    writer.close()


async def test_a_short_answer_is_never_taken_for_a_whole_one(build_app: Any, wire_to: Any) -> None:
    """Of a handler that declares more than it gives."""

    async def short(_: FastRequest) -> FastResponse:
        async def part() -> AsyncIterator[bytes]:
            yield b"half"

        return FastResponse(200, ((b"content-length", b"8"),), part())

    async with serving(build_app(running={"proxy": {"/raw": short}})) as url:
        answer = await everything(wire_to(url), b"GET /raw HTTP/1.1\r\nHost: a\r\n\r\n")

    assert b"content-length: 8\r\n" in answer
    assert answer.endswith(b"half")


async def test_a_client_that_stops_reading_loses_its_stream(
    build_app: Any, wire_to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler that streams to it is let go, and the connection ends without the last chunk."""
    monkeypatch.setattr(reply, "_sending", Patience(0.1))
    let_go = asyncio.Event()

    async def endless(_: FastRequest) -> FastResponse:
        async def parts() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65_536
            finally:
                let_go.set()

        return FastResponse(200, (), parts())

    async with serving(build_app(running={"proxy": {"/raw": endless}})) as url:
        reader, writer = await wire_to(url).connect()
        writer.transport.pause_reading()
        writer.write(b"GET /raw HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(let_go.wait(), PATIENCE_S)
        writer.transport.resume_reading()
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not answer.endswith(b"0\r\n\r\n")


async def test_head_of_a_stream_declares_no_length(demo: Any) -> None:
    """Nobody knows it before the stream has ended."""
    answer = await demo.get("/raw/x", method="HEAD")

    assert (answer.status, answer.header("content-length")) == (200, "")


async def test_a_slow_head_is_cut(
    build_app: Any, wire_to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody holds a connection with a request that never comes."""
    monkeypatch.setattr(module, "IDLE_MAX_MS", 50)
    async with serving(build_app()) as url:
        assert await everything(wire_to(url), b"GET /items HTTP/1.1\r\nHost:") == b""


async def started(app: Any) -> tuple[EmbeddedServer, Lifespan, Any]:
    """Serve *app*; the caller stops it."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    lifespan, server = Lifespan(app), EmbeddedServer(app, listener)
    await lifespan.startup()
    server.start()
    return server, lifespan, address


async def test_a_stop_finishes_what_is_under_way(build_app: Any, demo_seen: Any) -> None:
    """The connection ends with the answer; idle connections are closed, new ones refused."""
    server, lifespan, address = await started(build_app(demo_seen))
    idle, idle_writer = await asyncio.open_connection(*address)
    demo_seen.started.clear()
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(demo_seen.started.wait(), PATIENCE_S)

    stopping = asyncio.create_task(server.close(grace_s=PATIENCE_S))
    assert await asyncio.wait_for(idle.read(), PATIENCE_S) == b""
    await refused(address)
    demo_seen.go_on.set()
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    await stopping
    await lifespan.shutdown()
    demo_seen.go_on.clear()
    writer.close()
    idle_writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_what_outlives_the_grace_is_cancelled(build_app: Any, demo_seen: Any) -> None:
    """Its client sees the connection end, not half an answer."""
    server, lifespan, address = await started(build_app(demo_seen))
    demo_seen.started.clear()
    demo_seen.cancelled.clear()
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(demo_seen.started.wait(), PATIENCE_S)

    await server.close(grace_s=0.0)
    await lifespan.shutdown()
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()

    assert demo_seen.cancelled.is_set()
    assert not answer.startswith(b"HTTP/1.1 200 ")
    assert server.serving is not None
    assert server.serving.done()


async def refused(address: Any) -> None:
    """Connect until that is refused; who gets in before is not answered."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection(*address)
            except ConnectionRefusedError:
                return
            assert await reader.read() == b""
            writer.close()


async def start(factory: str, **environ: str) -> tuple[asyncio.subprocess.Process, int]:
    """Start a process as a container does."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *container_command(factory, port),
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return process, port


async def first_answer(client: Any) -> Any:
    """Ask for health until somebody listens."""
    while True:
        try:
            return await client.get("/health")
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)


async def test_the_command_line_serves_and_stops(wire_to: Any) -> None:
    """As a container runs it: SIGTERM ends it with status 0."""
    process, port = await start(PING, CAAS_ENVIRONMENT="development")
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await first_answer(wire_to(f"http://127.0.0.1:{port}"))
            process.send_signal(signal.SIGTERM)
            status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()

    assert answer.status == 200
    assert status == 0


async def test_the_command_line_says_why_it_does_not_start() -> None:
    """With a status that an orchestrator takes for a failure."""
    process, _ = await start(PING, CAAS_ENVIRONMENT="production", CAAS_SERVICE_SECRET="")

    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)

    assert process.returncode not in {0, None}
    assert b"CAAS_SERVICE_SECRET" in said


def test_the_guide_shows_what_is_tested() -> None:
    """docs/running.md and these tests start the same server."""
    text = (Path(__file__).parents[3] / "docs" / "running.md").read_text()
    options = container_command("caas.auth.app:create_app", 3007)[3:]
    shown = text[text.index("granian --interface") :].partition("```")[0].split()

    assert {o for o in options if o != "127.0.0.1"} <= set(shown)
