"""The edge is an ordinary ASGI application: our server's extension changes its price alone."""

import asyncio
import os
import signal
import sys
from typing import Any

import pytest

from caas.stack.supervisor.ports import listen
from caas.testing.http.serving import serving
from caas.testing.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

VOLATILE = {"date", "x-correlation-id", "traceresponse", "server"}
ASKED = [
    ("GET", "/items?limit=2", b""),
    ("GET", "/fast", b""),
    ("POST", "/fast", b"[1]"),
    ("POST", "/fast", b"[1"),
    ("POST", "/raw/x", b"[1]"),
    ("HEAD", "/items", b""),
    ("HEAD", "/fast", b""),
    ("DELETE", "/items/a", b""),
    ("OPTIONS", "/items", b""),
    ("PUT", "/private", b""),
    ("PUT", "/fast", b"{}"),
    ("GET", "/nowhere", b""),
    ("GET", "/bug", b""),
    ("GET", "/documentation", b""),
]


async def answers(wire: Any) -> list[Any]:
    """Ask everything and keep what does not change from answer to answer."""
    found = []
    for method, target, body in ASKED:
        line = f"{method} {target} HTTP/1.1\r\nHost: demo\r\n".encode()
        if body:
            line += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        answer = await wire.raw(line + b"\r\n" + body, head=method == "HEAD")
        stable = sorted((n, v) for n, v in answer.headers if n not in VOLATILE)
        found.append((method, target, answer.status, stable, answer.body))
    return found


async def first_answer(client: Any) -> Any:
    """Ask for health until somebody listens."""
    while True:
        try:
            return await client.get("/health")
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)


async def test_without_the_extension_answers_are_the_same(build_app: Any, wire_to: Any) -> None:
    """Messages instead of one call; headers, bodies and statuses alike."""
    app = build_app()

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await app({k: v for k, v in scope.items() if k != "extensions"}, receive, send)

    async with serving(plain) as url:
        by_messages = await answers(wire_to(url))
    async with serving(build_app()) as url:
        by_extension = await answers(wire_to(url))

    assert by_messages == by_extension


async def test_the_command_line_serves_and_stops(wire_to: Any) -> None:
    """As a container runs it: SIGTERM ends it with status 0."""
    free = listen(0, "test")
    port = free.getsockname()[1]
    free.close()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "caas.runtime.server", "caas.testing.http.ping_service:create_app"),
        *("--port", str(port)),
        env={**os.environ, "CAAS_ENVIRONMENT": "development", "OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        stdout=asyncio.subprocess.DEVNULL,
    )
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
