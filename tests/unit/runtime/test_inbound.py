"""One reader of the receive channel, for a body, a stream and a leaving client."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from caas.runtime.http.edge import body as module
from caas.runtime.http.edge.body import Inbound, WatchKeeper
from caas.runtime.http.edge.patience import Patience
from caas.runtime.http.problems import RefusalError
from caas.testing.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

DISCONNECT = {"type": "http.disconnect"}


def chunk(body: bytes, *, more: bool) -> dict[str, Any]:
    """Make one message."""
    return {"type": "http.request", "body": body, "more_body": more}


def channel(*messages: dict[str, Any]) -> Callable[[], Any]:
    """Give *messages*, then nothing for ever."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


async def test_chunks_become_one_body() -> None:
    """Whatever their number."""
    inbound = Inbound(channel(chunk(b"a", more=True), chunk(b"b", more=False)), has_body=True)

    assert await inbound.read() == b"ab"


async def test_a_request_without_a_body_is_not_read() -> None:
    """The channel is left for the disconnect."""
    assert await Inbound(channel(), has_body=False).read() == b""


async def test_the_limit_is_inclusive() -> None:
    """And holds over all chunks."""
    part = chunk(b"x", more=True)
    fits = Inbound(channel(*[part] * 4, chunk(b"", more=False)), has_body=True)
    over = Inbound(channel(*[part] * 5), has_body=True)

    assert await fits.read(4) == b"xxxx"
    with pytest.raises(RefusalError) as refused:
        await over.read(4)
    assert refused.value.status == 413


async def test_a_stalled_body_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow sender holds nothing for ever."""
    monkeypatch.setattr(module, "_reading", Patience(0.01))
    inbound = Inbound(channel(chunk(b"a", more=True)), has_body=True)

    with pytest.raises(RefusalError) as refused:
        await inbound.read()

    assert refused.value.status == 408


async def test_a_stream_that_stalls_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece has its time; the whole may take any."""
    monkeypatch.setattr(module, "_stalling", Patience(0.01))
    inbound = Inbound(channel(chunk(b"a", more=True)), has_body=True)
    stream = inbound.stream()

    assert await anext(stream) == b"a"
    with pytest.raises(RefusalError) as refused:
        await anext(stream)

    assert refused.value.status == 408


async def test_a_body_ends_with_its_last_declared_byte() -> None:
    """The server is not asked for an end that is known."""
    inbound = Inbound(channel(chunk(b"ab", more=True)), has_body=True, declared=2)

    assert await asyncio.wait_for(inbound.read(), PATIENCE_S) == b"ab"


async def test_a_cut_body_is_400() -> None:
    """Half a body is never taken for a whole one."""
    inbound = Inbound(channel(chunk(b"a", more=True), DISCONNECT), has_body=True)

    with pytest.raises(RefusalError) as refused:
        await inbound.read()

    assert refused.value.status == 400


async def test_a_handed_over_channel_gives_the_body_then_the_disconnect() -> None:
    """What a framework expects of ASGI."""
    inbound = Inbound(channel(chunk(b"a", more=False), DISCONNECT), has_body=True)
    receive = inbound.hand_over(await inbound.read())

    assert await receive() == chunk(b"a", more=False)
    assert await asyncio.wait_for(receive(), PATIENCE_S) == DISCONNECT
    inbound.close()


async def test_a_watched_task_is_cancelled_once_its_body_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The watcher never takes a message that belongs to the body."""
    monkeypatch.setattr(module, "WATCH_AFTER_S", 0.0)
    due = asyncio.Event()
    inbound = Inbound(
        channel(chunk(b"a", more=True), chunk(b"b", more=False), DISCONNECT), has_body=True
    )
    start = inbound.start_watching

    def start_and_tell(_: Inbound) -> None:
        start()
        due.set()

    monkeypatch.setattr(Inbound, "start_watching", start_and_tell)
    found: list[bytes] = []

    async def handle() -> None:
        inbound.watch(WatchKeeper())
        await due.wait()
        found.extend([part async for part in inbound.stream()])
        await asyncio.Event().wait()

    task = asyncio.create_task(handle())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, PATIENCE_S)

    assert found == [b"a", b"b"]
    assert inbound.gone


async def test_an_ended_request_is_forgotten() -> None:
    """Nothing is kept of what `close` was called for."""
    keeper = WatchKeeper()
    inbound = Inbound(channel(DISCONNECT), has_body=False)
    inbound.watch(keeper)

    inbound.close()

    assert not keeper._young
