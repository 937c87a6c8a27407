"""A stop ends, whatever the application does with its cancellation."""

import asyncio
import contextlib
from typing import Any

import pytest

from caas.runtime import tasks
from caas.runtime.server import Lifespan
from caas.testing.http.raw import run_server
from caas.testing.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


async def test_a_request_that_misses_its_cancellation_holds_no_stop_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is cancelled again, and the client's connection closes."""
    monkeypatch.setattr(tasks, "AGAIN_S", 0.001)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        begun.set()
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with run_server(app) as running, running.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await begun.wait()
        await asyncio.wait_for(running.server.stop(grace_s=0.0), PATIENCE_S)

    assert ended.is_set()


async def test_who_gives_up_on_a_shutdown_does_not_wait_for_its_end() -> None:
    """An application that swallows the cancellation could keep the process for ever."""
    go_on = asyncio.Event()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        while not go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go_on.wait()

    lifespan = Lifespan(app)
    await lifespan.startup()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await lifespan.shutdown()
    go_on.set()
    assert lifespan._running is not None
    await asyncio.wait([lifespan._running])
