"""Run an ASGI application on the server that production uses, here or as a container does."""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from caas.runtime.http.lifespan import Lifespan
from caas.runtime.http.server import (
    BACKLOG,
    CONNECTIONS_MAX,
    IDLE_MAX_MS,
    READ_BUFFER_MAX_BYTES,
    EmbeddedServer,
)

STOP_MAX_S = 5.0


@asynccontextmanager
async def serving(app: Any, *, port: int = 0) -> AsyncIterator[str]:
    """Serve *app* on 127.0.0.1 and give its base URL, once its lifespan has started.

    Raises:
        Exception: What the application's start-up raised.
    """
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    server = EmbeddedServer(app, listener)
    lifespan = Lifespan(app)
    try:
        await lifespan.startup()
        server.start()
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.close(grace_s=STOP_MAX_S)
        await lifespan.shutdown()
        listener.close()


def container_command(factory: str, port: int) -> list[str]:
    """Return how a container serves what *factory* makes; docs/running.md shows the same."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory", factory),
        *("--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--workers", "1"),
        *("--http", "1", "--no-ws", "--log-level", "error", "--backlog", str(BACKLOG)),
        *("--backpressure", str(CONNECTIONS_MAX), "--workers-kill-timeout", "8"),
        *("--http1-header-read-timeout", str(IDLE_MAX_MS)),
        *("--http1-buffer-size", str(READ_BUFFER_MAX_BYTES)),
    ]
