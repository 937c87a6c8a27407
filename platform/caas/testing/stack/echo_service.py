"""A small service to test the supervisor with: no framework, no data server.

`GET /internal/ready` says 200; `/crash` ends the process; `/environ/<name>` tells whether a
variable is set; everything else answers with pid and name. `CAAS_ECHO_FAULT` makes the start
fail (`startup`), fail with secrets in its words (`quoting`) or hang (`never-ready`), or makes the
service ignore the stop (`stubborn`).
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from caas.contracts.services import ServiceSpec

INNER = ServiceSpec(
    name="echo-service",
    app="caas.testing.stack.echo_service:create_app",
    seed_port=3900,
    profiles=("caas",),
    url_env="CAAS_ECHO_URL",
    needs=(),
)
FRONT = ServiceSpec(
    name="echo-front",
    app="caas.testing.stack.echo_service:create_app",
    seed_port=3901,
    profiles=("caas",),
    url_env="CAAS_ECHO_FRONT_URL",
    needs=(),
    front_door=True,
    secrets=("service_secret",),
)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def create_app() -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """Return the application; reads its faults from the environment."""
    return _app


async def _app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    status, body = _answer(scope["path"])
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(body)})


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    fault = os.environ.get("CAAS_ECHO_FAULT", "")
    if fault == "quoting":
        raise ValueError(f"{os.environ['CAAS_SERVICE_SECRET']} on {os.environ['REDIS_URL']}")
    if fault == "startup":
        await send({"type": "lifespan.startup.failed", "message": "the echo is gone"})
        return
    await send({"type": "lifespan.startup.complete"})
    _log("started")
    await receive()
    if fault == "stubborn":
        await asyncio.Event().wait()
    _log("stopped")
    await send({"type": "lifespan.shutdown.complete"})


def _answer(path: str) -> tuple[int, dict[str, object]]:
    if path == "/crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if path.startswith("/environ/"):
        return 200, {"set": path.rpartition("/")[2] in os.environ}
    if path == "/internal/ready" and os.environ.get("CAAS_ECHO_FAULT") == "never-ready":
        return 503, {"reason": "never ready"}
    return 200, {"pid": os.getpid(), "name": os.environ.get("OTEL_SERVICE_NAME", "")}


def _log(message: str) -> None:
    name = os.environ.get("OTEL_SERVICE_NAME", "")
    line = msgspec.json.encode({"level": "info", "message": f"{name} {message}"})
    os.write(1, line + b"\n")
