"""Peers that die, stall, close and come back: what is repeated, what is lost, what is counted."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from caas.runtime.calls.client import (
    ClientLimits,
    HttpClient,
    UpstreamBusyError,
    UpstreamClosedError,
    UpstreamConnectError,
    UpstreamTimeoutError,
)
from caas.runtime.calls.client.pool import SWEEP_BUSY_S
from caas.testing.patience import PATIENCE_S
from caas.testing.pauses import later

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def forget_request(peer: Any) -> None:
    """Read a request and close without a byte of an answer."""
    await peer.request()
    peer.close()


async def test_an_idempotent_request_survives_one_dead_connection(scripted: Any) -> None:
    """The keep-alive race: the peer closed while the request was on its way."""

    async def once(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        peer.close()

    client = await scripted.play(once, scripted.forever())

    assert (await client.fetch(b"GET", b"/1")).body == b"ok"
    assert (await client.fetch(b"GET", b"/2")).body == b"ok"
    assert scripted.server.seen == ["GET /2 HTTP/1.1"]


async def test_it_is_repeated_once_not_for_ever(scripted: Any) -> None:
    """Two dead connections in a row are an error: the peer is down, not idle."""
    client = await scripted.play(forget_request)

    with pytest.raises(UpstreamClosedError):
        await client.fetch(b"GET", b"/")

    assert scripted.server.connections == 2


async def test_a_post_that_may_have_worked_is_never_repeated(scripted: Any) -> None:
    """Nobody can know whether the peer acted on it (RFC 9110, 9.2.2)."""
    client = await scripted.play(forget_request, scripted.forever())

    with pytest.raises(UpstreamClosedError):
        await client.fetch(b"POST", b"/", body=b"pay")

    assert scripted.server.connections == 1


async def test_a_post_does_not_meet_a_connection_the_peer_closed(scripted: Any) -> None:
    """A close that the kernel knows of is found before the first byte is written."""
    closed = asyncio.Event()

    async def once(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        peer.close()
        await peer.writer.wait_closed()
        closed.set()

    client = await scripted.play(once, scripted.forever())
    await client.fetch(b"GET", b"/")
    await closed.wait()

    assert (await client.fetch(b"POST", b"/", body=b"pay")).body == b"ok"
    assert scripted.server.seen == ["POST / HTTP/1.1"]


async def test_a_request_is_not_repeated_once_an_answer_began(scripted: Any) -> None:
    """Half a head is an answer."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200")
        peer.close()

    client = await scripted.play(script)

    with pytest.raises(UpstreamClosedError):
        await client.fetch(b"GET", b"/")

    assert scripted.server.connections == 1


async def test_a_reset_in_the_body_is_an_error(scripted: Any) -> None:
    """RST in the middle: never a short body that looks whole."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab")
        peer.reset()

    client = await scripted.play(script)

    with pytest.raises(UpstreamClosedError):
        await client.fetch(b"GET", b"/")


async def test_an_unasked_byte_on_an_idle_connection_closes_it(scripted: Any) -> None:
    """A 408 before closing must not become the next request's answer."""

    async def once(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await answered.wait()
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        said.set()
        await peer.gone()

    answered, said = asyncio.Event(), asyncio.Event()
    client = await scripted.play(once, scripted.forever())
    first = await client.fetch(b"POST", b"/", body=b"x")
    answered.set()
    await said.wait()
    second = await client.fetch(b"POST", b"/", body=b"x")

    assert (first.status, second.status) == (200, 200)
    assert scripted.server.connections == 2


async def test_nobody_listens(free_port: int) -> None:
    """Refused at once, as unavailable."""
    client = HttpClient(f"http://127.0.0.1:{free_port}")

    with pytest.raises(UpstreamConnectError, match="can't be reached"):
        await client.fetch(b"GET", b"/")


async def test_a_silent_peer_is_given_up(scripted: Any) -> None:
    """The first-byte deadline ends the exchange and its connection."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        asked.set()
        await peer.gone()
        gone.set()

    limits = ClientLimits(first_byte_s=PATIENCE_S, total_s=3 * PATIENCE_S)
    client = await scripted.play(script, limits=limits)
    asking = asyncio.create_task(client.fetch(b"GET", b"/"))
    await asked.wait()

    with later(2 * PATIENCE_S), pytest.raises(UpstreamTimeoutError, match="answer"):
        await asking
    await asyncio.wait_for(gone.wait(), PATIENCE_S)
    assert scripted.server.connections == 1


async def test_a_stalled_body_is_given_up(scripted: Any) -> None:
    """The total deadline covers the last byte, not only the head."""
    client = await scripted.play(
        scripted.answering(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab")
    )

    response = await client.request(b"GET", b"/", timeout_s=PATIENCE_S)

    with later(2 * PATIENCE_S), pytest.raises(UpstreamTimeoutError, match="body"):
        await response.read()


async def test_an_endless_stream_outlives_the_total_deadline(scripted: Any) -> None:
    """Server-sent events last as long as both sides want."""
    more = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        await more.wait()
        await peer.send(b"1\r\nb\r\n0\r\n\r\n")

    client = await scripted.play(script)
    response = await client.request(b"GET", b"/", timeout_s=PATIENCE_S, endless=True)
    assert await response.chunk() == b"a"
    with later(2 * PATIENCE_S):
        for _ in range(4):  # several sweeps of the deadline timer
            await asyncio.sleep(SWEEP_BUSY_S)
    more.set()

    assert await response.chunk() == b"b"
    assert await response.chunk() == b""


async def test_cancelling_closes_the_connection(scripted: Any) -> None:
    """The peer sees the close, so that it can stop working."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        asked.set()
        await peer.gone()
        gone.set()

    client = await scripted.play(script)
    task = asyncio.create_task(client.fetch(b"GET", b"/"))
    await asked.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(gone.wait(), PATIENCE_S)
    assert client.pool.in_use == 0


async def test_leaving_a_stream_early_closes_the_connection(scripted: Any) -> None:
    """A half-read response can't give its connection back."""
    gone = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\na")
        await peer.gone()
        gone.set()

    client = await scripted.play(script)
    response = await client.request(b"GET", b"/")
    response.close()

    await asyncio.wait_for(gone.wait(), PATIENCE_S)


async def test_the_pool_is_bounded_and_fair(scripted: Any) -> None:
    """200 requests at once over 4 connections: all answered, never a fifth connection."""
    client = await scripted.play(scripted.forever(), limits=ClientLimits(connections_max=4))

    got = await asyncio.gather(*(client.fetch(b"GET", b"/%d" % n) for n in range(200)))

    assert {r.body for r in got} == {b"ok"}
    assert len(scripted.server.seen) == 200
    assert scripted.server.connections == 4


async def test_a_full_queue_refuses_and_a_slow_one_times_out(scripted: Any) -> None:
    """Waiting for a connection is bounded in number and in time."""
    release = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        await release.wait()
        await peer.send(OK)

    limits = ClientLimits(
        connections_max=1, waiters_max=1, first_byte_s=3 * PATIENCE_S, total_s=3 * PATIENCE_S
    )
    client = await scripted.play(script, limits=limits)
    first = asyncio.create_task(client.fetch(b"GET", b"/"))
    await asyncio.sleep(0)
    second = asyncio.create_task(client.fetch(b"GET", b"/", timeout_s=PATIENCE_S))
    await asyncio.sleep(0)
    with pytest.raises(UpstreamBusyError, match="wait for"):
        await client.fetch(b"GET", b"/")
    with later(2 * PATIENCE_S), pytest.raises(UpstreamBusyError, match="became free"):
        await second
    release.set()

    assert (await first).body == b"ok"


async def test_a_cancelled_waiter_passes_its_connection_on(scripted: Any) -> None:
    """A connection handed to a task that was cancelled meanwhile is not lost."""
    client = await scripted.play(scripted.forever(), limits=ClientLimits(connections_max=1))
    tasks = [asyncio.create_task(client.fetch(b"GET", b"/")) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[1::2]:
        task.cancel()

    done = await asyncio.gather(*tasks, return_exceptions=True)

    assert sum(not isinstance(r, BaseException) for r in done) == 10
    assert (await client.fetch(b"GET", b"/")).body == b"ok"


async def test_a_slow_reader_stops_the_peer(scripted: Any) -> None:
    """Back-pressure: what is not read is not fetched; the peer's writes block."""
    size = 64 * 1024 * 1024
    sent = 0

    async def script(peer: Any) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            await peer.send(b"x" * 65536)
            sent += 65536

    client = await scripted.play(script)
    response = await client.request(b"GET", b"/")
    for _ in range(2000):  # turns of the loop, each of which could read more
        await asyncio.sleep(0)
    held = response.buffered_bytes

    total = sum([len(piece) async for piece in response])
    limit = client.limits.buffer_bytes_max
    assert limit <= held < limit + 1024 * 1024
    assert total == size


async def test_a_slow_peer_stops_the_sender(scripted: Any) -> None:
    """Back-pressure the other way: pieces are asked for as the peer reads."""
    read_on, given = asyncio.Event(), 0

    async def script(peer: Any) -> None:
        peer.writer.transport.pause_reading()
        await read_on.wait()
        peer.writer.transport.resume_reading()
        await peer.request()
        await peer.send(OK)

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(512):
            given += 1
            yield b"x" * 65536

    client = await scripted.play(script)
    task = asyncio.create_task(client.request(b"PUT", b"/", body=pieces()))
    before = -1
    while given != before or given == 0:
        before = given
        await asyncio.sleep(0.02)
    held_back_at = given
    read_on.set()

    assert await (await task).read() == b"ok"
    assert held_back_at < 512 == given


async def test_an_early_answer_ends_the_upload(scripted: Any) -> None:
    """413 while the body is still coming: the answer is given, the rest is not sent."""
    stopped = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
        await peer.gone()

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0)
        finally:
            stopped.set()

    client = await scripted.play(script)
    body = pieces()
    response = await client.request(b"POST", b"/", body=body)

    assert response.status == 413
    assert await response.read() == b""
    await body.aclose()
    await asyncio.wait_for(stopped.wait(), PATIENCE_S)
    assert client.pool.in_use == 0


async def test_a_source_that_fails_is_the_callers_error(scripted: Any) -> None:
    """The client of the gateway went away in the middle of its upload."""

    class GoneError(Exception):
        pass

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"
        raise GoneError

    client = await scripted.play(scripted.forever())

    with pytest.raises(GoneError):
        await client.request(b"POST", b"/", body=pieces())

    assert client.pool.in_use == 0


async def test_closing_waits_for_what_is_under_way(scripted: Any) -> None:
    """A clean end: the running request is answered, the next one is refused."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        asked.set()
        await release.wait()
        await peer.send(OK)

    client = await scripted.play(script)
    running = asyncio.create_task(client.fetch(b"GET", b"/"))
    await asked.wait()
    closing = asyncio.create_task(client.aclose(grace_s=PATIENCE_S))
    await asyncio.sleep(0)
    with pytest.raises(UpstreamConnectError, match="closed"):
        await client.fetch(b"GET", b"/")
    release.set()

    assert (await running).body == b"ok"
    await closing


async def test_no_request_is_lost_while_the_peer_closes_at_random(scripted: Any) -> None:
    """A server that closes after a few answers each: 500 reads, 500 answers."""

    async def script(peer: Any) -> None:
        for _ in range(1 + scripted.server.connections % 5):
            await peer.request()
            await peer.send(OK)
        peer.close()

    client = await scripted.play(script, limits=ClientLimits(connections_max=8))

    async def reader() -> int:
        answers = 0
        for _ in range(50):
            answers += (await client.fetch(b"GET", b"/")).status == 200
        return answers

    assert sum(await asyncio.gather(*(reader() for _ in range(10)))) == 500
