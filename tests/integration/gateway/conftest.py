"""Gateways on real servers: before the real auth service, or before a scripted one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from caas.auth.app import create_app as create_auth
from caas.gateway.app import create_app as create_gateway
from caas.kernel.ids import new_id
from caas.runtime.calls.client import ClientLimits, Fetched, HttpClient
from caas.stack.servers.embedded import free_port as find_free_port
from caas.testing.http.serving import serving
from caas.testing.patience import PATIENCE_S

PASSWORD = "Test1234!@#$"


@dataclass
class Answer:
    """One answer of a gateway."""

    status: int
    headers: dict[str, str]
    text: bytes

    @property
    def body(self) -> Any:
        """Return the decoded JSON body."""
        return msgspec.json.decode(self.text)

    @classmethod
    def of(cls, fetched: Fetched) -> "Answer":
        """Make headers easy to compare."""
        headers = {n.decode(): v.decode("latin-1") for n, v in fetched.headers}
        return cls(fetched.status, headers, fetched.body)


@dataclass
class Tenant:
    """A registered company with a user's token."""

    tenant_id: str
    client_id: str
    api_key: str
    api_secret: str
    token: str
    session_id: str

    @property
    def bearer(self) -> dict[str, str]:
        """Return the header that shows the user's token."""
        return {"authorization": f"Bearer {self.token}"}


class Door:
    """A client of one gateway."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = HttpClient(
            url, limits=ClientLimits(first_byte_s=PATIENCE_S, total_s=PATIENCE_S)
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; *body* is JSON unless it is bytes already."""
        sent = [(n.encode(), v.encode()) for n, v in (headers or {}).items()]
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else msgspec.json.encode(body)
            sent.append((b"content-type", b"application/json"))
        return Answer.of(await self.client.fetch(method.encode(), path.encode(), sent, body=data))

    async def register(self, plan: str = "business") -> Tenant:
        """Register a company and open a session for its user Alice."""
        made = await self.ask(
            "POST",
            "/v1/client/register",
            {
                "company_name": "Acme",
                "email": f"{new_id()}@e2etest.com",
                "password": PASSWORD,
                "plan": plan,
            },
        )
        assert made.status == 201, made.text
        opened = await self.ask(
            "POST",
            "/v1/sdk/session",
            {"user_external_id": "alice"},
            {"x-api-key": made.body["api_key"]},
        )
        assert opened.status == 200, opened.text
        return Tenant(
            made.body["tenant_id"],
            made.body["client_id"],
            made.body["api_key"],
            made.body["api_secret"],
            opened.body["access_token"],
            opened.body["session_id"],
        )


Environment = dict[str, str]


def environment(mongodb_url: str, redis_url: str) -> Environment:
    """Return what every service of one platform is told."""
    database = f"test_gateway_{new_id()[:8]}"
    return {
        "MONGODB_URI": mongodb_url,
        "CAAS_MONGODB_DATABASE": database,
        "REDIS_URL": redis_url,
        "CAAS_SERVICE_SECRET": "a-secret-of-this-test",
        "CAAS_AUTH_ARGON2_MEMORY_KIB": "64",
        "CAAS_AUTH_ARGON2_PASSES": "1",
        "CAAS_AUTH_REDIS_PREFIX": database,
        "CAAS_LOG_LEVEL": "critical",
        "CAAS_GATEWAY_REDIS_ANSWER_S": str(PATIENCE_S),
    }


@dataclass
class Platform:
    """An auth service that can be stopped and started, and gateways before it."""

    environ: Environment
    port: int
    stack: AsyncExitStack
    auth: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start_auth(self) -> None:
        """Start the auth service, always on the same port."""
        await self.auth.enter_async_context(
            serving(create_auth(environ=self.environ), port=self.port)
        )

    async def stop_auth(self) -> None:
        """Stop it."""
        await self.auth.aclose()

    async def gateway(self, **knobs: str) -> Door:
        """Start a gateway; *knobs* are its settings by their names."""
        told = {f"CAAS_GATEWAY_{name.upper()}": value for name, value in knobs.items()}
        app = create_gateway(environ={**self.environ, **told})
        door = Door(await self.stack.enter_async_context(serving(app)))
        self.stack.push_async_callback(door.client.aclose)
        return door


@asynccontextmanager
async def started(environ: Environment) -> AsyncIterator[Platform]:
    """Run an auth service, and the gateways that are asked for."""
    port = find_free_port()
    environ["CAAS_AUTH_URL"] = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        made = Platform(environ, port, stack)
        await made.start_auth()
        stack.push_async_callback(made.stop_auth)
        yield made


@pytest.fixture
async def platform(mongodb_url: str, redis_url: str) -> AsyncIterator[Platform]:
    """Return a platform of this test's own, whose auth service runs."""
    async with started(environment(mongodb_url, redis_url)) as made:
        yield made


@pytest.fixture(scope="module")
async def doors(mongodb_url: str, redis_url: str) -> AsyncIterator[list[Door]]:
    """Return two gateways that a module's tests share; each test has its own tenants."""
    async with started(environment(mongodb_url, redis_url)) as made:
        yield [await made.gateway(), await made.gateway()]


@pytest.fixture
def door(doors: list[Door]) -> Door:
    """Return the first shared gateway."""
    return doors[0]


@pytest.fixture
def other(doors: list[Door]) -> Door:
    """Return the second shared gateway."""
    return doors[1]


Handler = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawService:
    """A service behind the gateway whose every byte the test decides."""

    handler: Handler
    heads: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer request by request; the key set is always empty."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"jwks.json" in head:
                    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"keys":[]}')
                    continue
                self.heads.append(head)
                await self.handler(head, reader, writer)
        writer.close()


@pytest.fixture
async def before_raw(
    mongodb_url: str, redis_url: str
) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Return a function that starts a gateway before a raw service."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler, **knobs: str) -> tuple[Door, RawService]:
            service = RawService(handler)
            listening = await asyncio.start_server(service.serve, "127.0.0.1", 0)
            stack.callback(listening.close)
            port = listening.sockets[0].getsockname()[1]
            environ = environment(mongodb_url, redis_url)
            environ["CAAS_AUTH_URL"] = f"http://127.0.0.1:{port}"
            made = Platform(environ, port, stack)
            return await made.gateway(**knobs), service

        yield start
