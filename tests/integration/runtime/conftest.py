"""A small service on the real server, and a client that sends exactly the bytes it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import pytest
from litestar import Litestar, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter

from caas.contracts.services import ServiceSpec
from caas.kernel import wire
from caas.kernel.errors import ConflictError, ForbiddenError, UnauthenticatedError
from caas.runtime.http.app import FastRoutes, Running, create_service_app
from caas.runtime.http.edge.layer import Edge
from caas.runtime.http.fast import FastRequest, FastResponse
from caas.runtime.http.operations import BEARER, operation
from caas.testing.http.serving import serving
from caas.testing.patience import PATIENCE_S

SPEC = ServiceSpec(name="demo", app="", seed_port=1, profiles=(), url_env="DEMO_URL")
SECRET = "service-secret-of-the-tests"
ORIGIN = "https://app.example"
JSON = b"Content-Type: application/json\r\n"


class Item(wire.Request, frozen=True, kw_only=True):
    """What is made."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    count: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    tags: list[Any] = msgspec.field(default_factory=list)


Limit = Annotated[int, QueryParameter(ge=1, le=100)]


class ItemView(wire.Response, frozen=True, kw_only=True):
    """What was made."""

    id: str
    name: str


@dataclass
class Seen:
    """What the routes noticed."""

    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    made: int = 0


@get("/items/{item_id:str}", **operation())
async def get_item(item_id: FromPath[str]) -> ItemView:
    """Describe one item."""
    return ItemView(id=item_id, name="x")


@get("/items", **operation())
async def list_items(limit: Limit = 3) -> list[ItemView]:
    """List items."""
    return [ItemView(id=str(n), name="x") for n in range(limit)]


@post("/items", **operation(ConflictError, idempotent=True))
async def make_item(data: JSONBody[Item], seen: NamedDependency[Seen]) -> ItemView:
    """Make an item."""
    seen.made += 1
    if data.name == "taken":
        raise ConflictError("The name is taken")
    if data.name == "slow":
        seen.started.set()
        await seen.go_on.wait()
    return ItemView(id=str(seen.made), name=data.name)


@put("/private", **operation(ForbiddenError, security=(BEARER,)))
async def write_private() -> None:
    """Need a credential."""
    raise UnauthenticatedError("Invalid token")


@delete("/items/{item_id:str}", **operation())
async def delete_item(item_id: FromPath[str]) -> None:
    """Delete one item."""


@get("/bug", **operation())
async def bug() -> None:
    """Break."""
    raise RuntimeError("an inner secret: hunter2")


@get("/wait", **operation())
async def wait(seen: NamedDependency[Seen]) -> None:
    """Wait until told."""
    seen.started.set()
    try:
        await seen.go_on.wait()
    except asyncio.CancelledError:
        seen.cancelled.set()
        raise


@post("/wait", **operation())
async def wait_and_write(seen: NamedDependency[Seen]) -> None:
    """Wait, then have an effect."""
    seen.started.set()
    await seen.go_on.wait()
    seen.finished.set()


async def fast_item(request: FastRequest) -> FastResponse:
    """Say what arrived."""
    body = msgspec.json.encode({"ip": request.client_ip, "size": len(request.body)})
    return FastResponse(200, ((b"content-type", b"application/json"),), body)


async def shout(request: FastRequest) -> FastResponse:
    """Send the body back, louder, as it arrives."""

    async def louder() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            yield chunk.upper()

    return FastResponse(200, ((b"content-type", b"text/plain"),), louder())


ROUTES = [
    get_item, list_items, make_item, write_private, delete_item, bug, wait, wait_and_write,
]  # fmt: skip


FAST: FastRoutes = {("GET", "/fast"): fast_item, ("POST", "/fast"): fast_item}


def demo_app(
    seen: Seen | None = None, *, running: dict[str, Any] | None = None, **changes: Any
) -> Edge:
    """Build the service.

    Args:
        seen: Where its routes put what they notice.
        running: Changes to what exists while it runs.
        changes: To how it is built.
    """
    found = seen or Seen()
    parts = Running(**{"fast_routes": FAST, "proxy": {"/raw": shout}, **(running or {})})

    @asynccontextmanager
    async def nothing_to_open(_: Litestar) -> AsyncIterator[Running]:
        yield parts

    options: dict[str, Any] = {
        "version": "1.2.3",
        "environ": {"CAAS_SERVICE_SECRET": SECRET, "CAAS_CORS_ORIGINS": ORIGIN},
        "lifespan": nothing_to_open,
        "dependencies": {"seen": Provide(lambda: found, sync_to_thread=False)},
    }
    merged = {"routers": ROUTES} | options | changes
    return create_service_app(SPEC, **merged)


@dataclass
class Answer:
    """One response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the only value of *name*; fail when there are several, empty when none."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"{name} occurs {len(found)} times"
        return found[0] if found else ""

    def json(self) -> Any:
        """Decode the body."""
        return msgspec.json.decode(self.body)


async def read_answer(reader: asyncio.StreamReader, *, head: bool = False) -> Answer:
    """Read one response; a body without a length ends with the last chunk."""
    raw = await reader.readuntil(b"\r\n\r\n")
    first, *lines = raw.decode("latin-1").rstrip().split("\r\n")
    parts = [line.partition(": ") for line in lines]
    headers = [(name.lower(), value) for name, _, value in parts]
    fields = dict(headers)
    status = int(first.split()[1])
    body = b""
    if not head and status not in {204, 304}:
        if "content-length" in fields:
            body = await reader.readexactly(int(fields["content-length"]))
        elif "transfer-encoding" in fields:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readuntil(b"\r\n")
    return Answer(status, headers, body)


Send = Callable[[bytes], Awaitable[Answer]]
Exchange = Callable[..., Awaitable[Answer]]


@dataclass
class Wire:
    """Sends raw bytes to one address."""

    url: str

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        parts = urlsplit(self.url)
        return await asyncio.open_connection(parts.hostname, parts.port, limit=2**22)

    async def raw(self, *pieces: bytes, head: bool = False) -> Answer:
        """Send *pieces* as they are and read one response."""
        reader, writer = await self.connect()
        try:
            async with asyncio.timeout(PATIENCE_S):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                return await read_answer(reader, head=head)
        finally:
            writer.close()

    async def get(self, target: str, headers: bytes = b"", method: str = "GET") -> Answer:
        """Send a request without a body."""
        line = f"{method} {target} HTTP/1.1\r\nHost: demo\r\n".encode("latin-1")
        return await self.raw(line + headers + b"\r\n", head=method == "HEAD")

    async def post(self, target: str, body: bytes, headers: bytes = JSON) -> Answer:
        """Send a request with a body."""
        line = f"POST {target} HTTP/1.1\r\nHost: demo\r\nContent-Length: {len(body)}\r\n".encode()
        return await self.raw(line + headers + b"\r\n" + body)


@pytest.fixture(scope="module")
async def demo_seen() -> Seen:
    """Give what the module's service notices."""
    return Seen()


@pytest.fixture(scope="module")
async def demo(demo_seen: Seen) -> AsyncIterator[Wire]:
    """Give a client of the running service."""
    async with serving(demo_app(demo_seen)) as url:
        yield Wire(url)


@pytest.fixture
def build_app() -> Callable[..., Edge]:
    """Give the way to build the service with other options."""
    return demo_app


@pytest.fixture
def wire_to() -> Callable[[str], Wire]:
    """Give the way to make a client of another address."""
    return Wire
