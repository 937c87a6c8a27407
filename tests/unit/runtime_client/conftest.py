"""A raw server on a real socket whose every byte the test decides."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import pytest

from caas.runtime.calls.client import ClientLimits, HttpClient


@dataclass
class Peer:
    """The server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> tuple[str, dict[str, str], bytes]:
        """Read one request: its first line, its headers, its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        if headers.get("transfer-encoding") == "chunked":
            pieces = []
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                pieces.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readline()
            body = b"".join(pieces)
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return first, headers, body

    async def send(self, data: bytes) -> None:
        """Write *data* as it is."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """Close with FIN."""
        self.writer.close()

    def reset(self) -> None:
        """Close with RST where the kernel has unread or unsent bytes."""
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the client's end is closed."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class ScriptedServer:
    """Runs one script for each connection, in the order they are opened."""

    scripts: list[Script] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play the next script; the last one repeats."""
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        try:
            await script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            writer.close()


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Scripted:
    """What tests get: `play` scripts, then talk to them through a client."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.server = ScriptedServer()
        self._stack = stack

    async def play(self, *scripts: Script, limits: ClientLimits | None = None) -> HttpClient:
        """Start the server and return a client of it."""
        self.server.scripts = list(scripts)
        listening = await asyncio.start_server(self.server.serve, "127.0.0.1", 0)
        self._stack.callback(listening.close)
        self.server.port = listening.sockets[0].getsockname()[1]
        client = HttpClient(f"http://127.0.0.1:{self.server.port}", limits=limits)
        self._stack.push_async_callback(client.aclose)
        return client

    def answering(self, *responses: bytes) -> Script:
        """Answer each request of a connection with the next bytes, then wait for the end."""

        async def script(peer: Peer) -> None:
            for response in responses:
                first, _, _ = await peer.request()
                self.server.seen.append(first)
                await peer.send(response)
            await peer.gone()

        return script

    def forever(self, response: bytes = OK) -> Script:
        """Answer every request of a connection alike."""

        async def script(peer: Peer) -> None:
            while True:
                first, _, _ = await peer.request()
                self.server.seen.append(first)
                await peer.send(response)

        return script


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ],
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run on both loops: their transports differ in type, timing and buffering."""
    return request.param


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    """Return a scripted server that is gone after the test."""
    async with AsyncExitStack() as stack:
        yield Scripted(stack)
