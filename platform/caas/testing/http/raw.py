"""Scripted ASGI applications on the server, and a client that sends exactly what it is told."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from caas.runtime.server import HttpServer, ServerLimits
from caas.testing.patience import PATIENCE_S

App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass
class Client:
    """One raw connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(data)

    async def head(self) -> bytes:
        """Return one answer's head."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)

    async def answer(self, size: int) -> tuple[bytes, bytes]:
        """Return one answer's head and *size* bytes of body."""
        return await self.head(), await asyncio.wait_for(self.reader.readexactly(size), PATIENCE_S)

    async def rest(self) -> bytes:
        """Return everything until the server closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE_S)


@dataclass
class Running:
    """A server with one application, and ways to reach it."""

    server: HttpServer
    port: int

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open a connection for the length of the block."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()

    async def ask(self, data: bytes) -> bytes:
        """Send *data* on a connection of its own and return all until the server closes it."""
        async with self.connect() as client:
            client.send(data)
            return await client.rest()


@asynccontextmanager
async def run_server(app: App, limits: ServerLimits | None = None) -> AsyncIterator[Running]:
    """Serve *app* for the length of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(app, limits)
    await server.start(listener)
    try:
        yield Running(server, listener.getsockname()[1])
    finally:
        await server.stop(grace_s=0.0)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the method, the path and the body."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            await reply(send, 400, b"broken")
            return
        body += message["body"]
        more = message["more_body"]
    said = b" ".join((scope["method"].encode(), scope["path"].encode(), scope["query_string"]))
    await reply(send, 200, said + b"|" + body)


async def reply(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Give a whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
