"""What holds when applications, clients or the machine misbehave: no hang, no leak, no mix-up."""

import asyncio
import gc
from typing import Any

import pytest

from caas.runtime.server import EXTENSION, ServerLimits
from caas.runtime.server.exchange import Exchange
from caas.testing.http.raw import Running, echo, reply, run_server
from caas.testing.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def _bug(_scope: Any, _receive: Any, _send: Any) -> None:
    raise RuntimeError("hunter2")


async def _silence(_scope: Any, _receive: Any, _send: Any) -> None:
    return


async def _split(_scope: Any, _receive: Any, send: Any) -> None:
    await reply(send, 200, b"", (b"x", b"a\r\nset-cookie: b"))


@pytest.mark.parametrize("app", [_bug, _silence, _split])
async def test_a_bug_before_the_answer_is_an_empty_500(app: Any) -> None:
    """A raised error, no answer, a header that would be two."""
    async with run_server(app) as running:
        answer = await running.ask(GET)

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"\r\n\r\n")
    assert b"hunter2" not in answer
    assert b"set-cookie" not in answer


async def _raises_late(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    raise RuntimeError("hunter2")


async def _too_short(_scope: Any, _receive: Any, send: Any) -> None:
    await reply(send, 200, b"part", (b"content-length", b"9"))


async def _too_long(_scope: Any, _receive: Any, send: Any) -> None:
    await reply(send, 200, b"part", (b"content-length", b"2"))


@pytest.mark.parametrize("app", [_raises_late, _too_short, _too_long])
async def test_a_broken_answer_never_looks_whole(app: Any) -> None:
    """The connection is cut, so that the client knows."""
    async with run_server(app) as running:
        try:
            answer = await running.ask(GET + GET)
        except ConnectionResetError:
            answer = b""

    assert answer.count(b"HTTP/1.1 200 OK") <= 1
    assert b"0\r\n\r\n" not in answer.partition(b"\r\n\r\n")[2]
    assert b"500" not in answer


async def test_an_early_answer_reaches_a_client_that_still_sends() -> None:
    """Closing at once would reset the connection and lose it (RFC 9112, 9.6)."""

    async def refuse(_scope: Any, _receive: Any, send: Any) -> None:
        await reply(send, 413, b"too big")

    limits = ServerLimits(linger_s=PATIENCE_S)
    async with run_server(refuse, limits) as running, running.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
        for _ in range(9):
            client.send(b"x" * 100_000)
            await asyncio.sleep(0)
        answer = await client.rest()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"too big")


async def test_a_body_nobody_reads_is_not_read() -> None:
    """What is held stays near the limit, whatever the client sends."""
    seen: list[int] = []
    go_on = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        first = await receive()
        seen.append(len(first["body"]))
        await echo(scope, receive, send)

    size = 8 * 1024 * 1024
    limits = ServerLimits(body_held_bytes_max=10_000)
    async with run_server(slow, limits) as running, running.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"x" * size)
        with pytest.raises(TimeoutError):  # it can't be sent: the server does not read
            await asyncio.wait_for(client.writer.drain(), 0.2)
        go_on.set()
        head = await client.head()

    assert head.startswith(b"HTTP/1.1 200 ")
    assert seen[0] < size / 4


async def test_an_application_waits_for_a_slow_reader() -> None:
    """And is told when the reader took too long and was cut off."""
    sent: list[int] = []
    cut_off = asyncio.Event()

    async def endless(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        leaving = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not leaving.done():
            sent.append(1)
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        cut_off.set()

    limits = ServerLimits(write_stall_s=0.1)
    async with run_server(endless, limits) as running, running.connect() as client:
        client.send(GET)
        await client.head()
        await asyncio.wait_for(cut_off.wait(), PATIENCE_S)

    assert len(sent) < 1_000


async def test_answers_that_nobody_reads_hold_further_requests_back() -> None:
    """Else one client could fill the memory with answers; once it reads, all of them come."""
    served = 0
    body = b"x" * 100_000

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        nonlocal served
        served += 1
        await reply(send, 200, body)

    count = 2_000
    async with run_server(app) as running, running.connect() as client:
        client.send(GET * count)
        before = -1
        while before != served:  # until it stands still
            before = served
            await asyncio.sleep(0.05)
        held_at = served
        for _ in range(count):
            await client.answer(len(body))

    assert held_at < count / 4
    assert served == count


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        pytest.param(ServerLimits(head_s=0.1), b"", id="nothing"),
        pytest.param(ServerLimits(head_s=0.1), b"GET / HTTP/1.1\r\nHo", id="half a head"),
        pytest.param(ServerLimits(idle_s=0.1), GET, id="nothing more"),
    ],
)
async def test_a_client_that_says_nothing_is_closed(limits: ServerLimits, sent: bytes) -> None:
    """A connection costs something; a slow head is an attack."""
    async with run_server(echo, limits) as running:
        try:
            answer = await running.ask(sent)
        except ConnectionResetError:  # closed before all of it was sent
            answer = b""

    assert answer.count(b"HTTP/1.1 200 OK") == (1 if sent == GET else 0)


async def test_one_connection_too_many_is_turned_away() -> None:
    """Those that are there go on."""
    limits = ServerLimits(connections_max=1)
    async with run_server(echo, limits) as running, running.connect() as client:
        client.send(GET)
        await client.answer(7)
        turned_away = await running.ask(b"")
        client.send(GET)
        head = await client.head()

    assert turned_away.startswith(b"HTTP/1.1 503 ")
    assert head.startswith(b"HTTP/1.1 200 ")


async def test_the_application_learns_that_the_client_left() -> None:
    """While it waits for a body, and after it has one."""
    learnt: list[str] = []
    waiting, done = asyncio.Event(), asyncio.Event()

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        waiting.set()
        learnt.append((await receive())["type"])
        done.set()

    async with run_server(app) as running:
        for sent in (GET, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"):
            waiting.clear()
            done.clear()
            async with running.connect() as client:
                client.send(sent)
                await asyncio.wait_for(waiting.wait(), PATIENCE_S)
            await asyncio.wait_for(done.wait(), PATIENCE_S)

    assert learnt == ["http.disconnect", "http.disconnect"]


async def test_stopping_finishes_what_is_under_way() -> None:
    """Idle connections close, new ones are refused, the answer says that it is the last."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            waiting.set()
            await go_on.wait()
        await echo(scope, receive, send)

    async with run_server(app) as running, running.connect() as idle, running.connect() as busy:
        idle.send(GET)
        await idle.head()
        busy.send(GET.replace(b"/ ", b"/slow ", 1))
        await asyncio.wait_for(waiting.wait(), PATIENCE_S)
        stopping = asyncio.create_task(running.server.stop(grace_s=PATIENCE_S))
        await idle.rest()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", running.port)
        go_on.set()
        answer = await busy.rest()
        await stopping

    assert answer.endswith(b"GET /slow |")
    assert b"\r\nconnection: close\r\n" in answer


async def test_stopping_does_not_wait_for_ever() -> None:
    """What goes on after the grace is cancelled."""
    waiting, cancelled = asyncio.Event(), asyncio.Event()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with run_server(app) as running, running.connect() as client:
        client.send(GET)
        await asyncio.wait_for(waiting.wait(), PATIENCE_S)
        await running.server.stop(grace_s=0.01)

    assert cancelled.is_set()


async def test_connections_do_not_mix(echoing: Running) -> None:
    """A hundred at a time, each with its own answers."""

    async def one(number: int) -> None:
        async with echoing.connect() as client:
            for turn in range(5):
                body = b"%d-%d" % (number, turn)
                client.send(
                    b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
                )
                await asyncio.sleep(0)
                client.send(body)
                _, said = await client.answer(9 + len(body))
                assert said == b"POST /p |" + body

    await asyncio.gather(*(one(number) for number in range(100)))


async def test_a_served_request_leaves_nothing_for_the_garbage_collector() -> None:
    """The scope holds its exchange; a circle at each request would cost pauses under load."""
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(isinstance(scope["extensions"][EXTENSION], Exchange))
        await echo(scope, receive, send)

    async with run_server(app) as running:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                await running.ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            left = [o for o in gc.get_objects() if isinstance(o, Exchange)]
        finally:
            gc.enable()

    assert seen == [True] * 3
    assert not left
