"""Run an ASGI application on the server that production uses, inside the test's own event loop."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from caas.runtime.server import HttpServer, Lifespan, ServerLimits

STOP_MAX_S = 5.0


@asynccontextmanager
async def serving(
    app: Any, *, port: int = 0, limits: ServerLimits | None = None
) -> AsyncIterator[str]:
    """Serve *app* on 127.0.0.1 and give its base URL, once its lifespan has started.

    Raises:
        Exception: What the application's start-up raised.
    """
    listener = socket.create_server(("127.0.0.1", port))
    lifespan = Lifespan(app)
    server = HttpServer(app, limits)
    try:
        await lifespan.startup()
        await server.start(listener)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await server.stop(grace_s=STOP_MAX_S)
        await lifespan.shutdown()
        listener.close()
