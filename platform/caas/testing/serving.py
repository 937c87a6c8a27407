"""Run an ASGI application on the server that production uses, inside the test's own event loop."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

START_MAX_S = 10.0
STOP_MAX_S = 5.0


@asynccontextmanager
async def serving(app: Any, *, port: int | None = None) -> AsyncIterator[str]:
    """Serve *app* on 127.0.0.1 and give its base URL, once its lifespan has started.

    Raises:
        RuntimeError: The application did not start.
    """
    chosen = port or _free_port()
    server = Server(
        app,
        address="127.0.0.1",
        port=chosen,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
    )
    task = asyncio.get_running_loop().create_task(server.serve())
    try:
        await _accepting(chosen, task)
        yield f"http://127.0.0.1:{chosen}"
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait([task], timeout=STOP_MAX_S)


async def _accepting(port: int, task: asyncio.Task[None]) -> None:
    gives_up_at = time.monotonic() + START_MAX_S
    while time.monotonic() < gives_up_at:
        if task.done():
            raise RuntimeError("the application did not start") from task.exception()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return
    raise RuntimeError(f"nothing accepts on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
