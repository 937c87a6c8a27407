"""A service that is no more than its description, on real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from pymongo.asynchronous.collection import AsyncCollection

from caas.contracts.auth.identity import SessionsRevoked
from caas.contracts.services import ServiceSpec
from caas.kernel import wire
from caas.kernel.ids import new_id
from caas.runtime.data.redis import open_redis
from caas.runtime.http.fast import FastRequest, FastResponse
from caas.runtime.http.operations import operation
from caas.runtime.identity.revocation import RevocationPublisher
from caas.runtime.identity.tokens import KeySet
from caas.runtime.service import Runtime, Service
from caas.runtime.settings import read_section
from caas.stack.servers.embedded import EmbeddedRedis
from caas.testing.http.serving import serving
from caas.testing.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


class AuditSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may tune."""

    collection: str = "entries"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "AuditSettings":
        """Read `CAAS_AUDIT_*`."""
        return read_section(env, "CAAS_AUDIT_", cls)


class Entry(wire.Request, frozen=True, kw_only=True):
    """What is kept."""

    text: str


class Kept(wire.Response, frozen=True, kw_only=True):
    """How many there are."""

    count: int


@dataclass
class Audit:
    """The service's parts."""

    entries: AsyncCollection[dict[str, Any]]
    swept: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    ends: list[str] = field(default_factory=list)

    async def sweep(self) -> None:
        """Work in the background until the stop."""
        self.swept.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ends.append("swept")

    async def write(self) -> None:
        """Have a last turn."""
        self.ends.append(f"wrote {await self.entries.count_documents({})}")

    async def probe(self) -> None:
        """Fail while there is nothing to read from."""
        await self.entries.estimated_document_count()


@post("/v1/entries", **operation(idempotent=True))
async def keep_entry(data: JSONBody[Entry], audit: NamedDependency[Audit]) -> Kept:
    """Keep an entry."""
    await audit.entries.insert_one({"text": data.text})
    return Kept(count=await audit.entries.count_documents({}))


async def no_keys() -> list[Any]:
    """Publish none."""
    return []


async def compose(runtime: Runtime, settings: AuditSettings) -> Audit:
    """Make the parts."""
    audit = Audit(runtime.database[settings.collection])
    runtime.closing.callback(audit.ends.append, "closed")
    runtime.probes["entries"] = audit.probe
    await runtime.follow_revocations(KeySet(no_keys), on_event=lambda _: audit.heard.set())
    runtime.tasks.spawn("sweep", audit.sweep, within_s=PATIENCE_S)
    runtime.tasks.every(PATIENCE_S, "write", audit.write, at_stop=True)
    return audit


def counted(audit: Audit) -> Callable[[FastRequest], Awaitable[FastResponse]]:
    """Return a handler that skips the framework."""

    async def count(_: FastRequest) -> FastResponse:
        found = await audit.entries.count_documents({})
        return FastResponse(200, ((b"content-type", b"text/plain"),), b"%d" % found)

    return count


def service(seen: list[Audit]) -> Service[AuditSettings, Audit]:
    """Describe the service; its parts are put into *seen*."""

    async def noting(runtime: Runtime, settings: AuditSettings) -> Audit:
        seen.append(await compose(runtime, settings))
        return seen[-1]

    return Service(
        spec=ServiceSpec(
            name="audit-service", app="", seed_port=1, profiles=(), url_env="CAAS_AUDIT_URL"
        ),
        settings=AuditSettings.from_env,
        compose=noting,
        routers=[keep_entry],
        provides={"audit": lambda audit: audit},
        fast_routes=lambda audit: {("GET", "/v1/count"): counted(audit)},
        proxy=lambda audit: {"/raw": counted(audit)},
    )


@pytest.fixture
def environ(mongodb_url: str, redis_url: str, database: str) -> dict[str, str]:
    """Give the environment of a service."""
    return {"MONGODB_URI": mongodb_url, "REDIS_URL": redis_url, "CAAS_MONGODB_DATABASE": database}


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    """Give a server that the test may end."""
    server = EmbeddedRedis(tmp_path / "redis", tmp_path / "logs")
    await asyncio.to_thread(server.start)
    yield server
    server.kill()


async def test_a_description_is_a_service(environ: dict[str, str], wire_to: Any) -> None:
    """Routes find its parts; health, readiness, documents and idempotency come with it."""
    seen: list[Audit] = []
    key = b"Content-Type: application/json\r\nIdempotency-Key: %s\r\n" % new_id().encode()
    async with serving(service(seen).create_app(environ=environ)) as url:
        wire = wire_to(url)
        alive, ready = await wire.get("/health"), await wire.get("/internal/ready")
        kept = [await wire.post("/v1/entries", b'{"text":"a"}', key) for _ in range(2)]
        fast, raw = await wire.get("/v1/count"), await wire.get("/raw/anything")
        document = await wire.get("/documentation/json")

    assert alive.json()["service"] == "audit-service"
    assert ready.status == 200
    assert ready.json()["dependencies"] == dict.fromkeys(
        ("mongodb", "redis", "entries", "revocations"), "up"
    )
    assert {(answer.status, answer.body) for answer in kept} == {(201, b'{"count":1}')}
    assert (fast.body, raw.body) == (b"1", b"1")
    assert set(document.json()["paths"]) >= {"/v1/entries", "/health", "/internal/ready"}


async def test_it_ends_in_order(environ: dict[str, str]) -> None:
    """Background work first, then the last turns with everything still open, then the rest."""
    seen: list[Audit] = []
    async with serving(service(seen).create_app(environ=environ)):
        async with asyncio.timeout(PATIENCE_S):
            await seen[0].swept.wait()
        assert seen[0].ends == []

    assert seen[0].ends == ["swept", "wrote 0", "closed"]
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"sweep", "write", "reload keys", "revocation-feed"}


async def test_what_was_opened_is_closed_when_the_start_fails(environ: dict[str, str]) -> None:
    """Whatever of it was begun has ended, too."""
    seen: list[Audit] = []
    broken = service(seen)

    async def fails(runtime: Runtime, settings: AuditSettings) -> Audit:
        await broken.compose(runtime, settings)
        raise ValueError("no disk")

    failing = Service(spec=broken.spec, settings=broken.settings, compose=fails, routers=[])
    litestar: Any = failing.create_app(environ=environ).litestar
    expected = pytest.RaisesExc(ValueError, match="no disk")
    with pytest.RaisesGroup(expected, allow_unwrapped=True, flatten_subgroups=True):
        async with litestar.lifespan():
            pass

    assert seen[0].ends[-1] == "closed"
    assert "revocation-feed" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_it_hears_what_is_revoked(environ: dict[str, str], own_redis: EmbeddedRedis) -> None:
    """Its own subscriber as well."""
    seen: list[Audit] = []
    client = open_redis(own_redis.url, client_name="tests")
    async with serving(service(seen).create_app(environ=environ | {"REDIS_URL": own_redis.url})):
        event = SessionsRevoked(tenant_id="t", session_ids=("s",), reason="tests")
        await RevocationPublisher(client).publish(event)
        async with asyncio.timeout(PATIENCE_S):
            await seen[0].heard.wait()
    await client.aclose()


async def unready(wire: Any, *lost: str) -> Any:
    """Return the first answer that says that all of *lost* are down."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await wire.get("/internal/ready")
            states = answer.json()["dependencies"]
            if all(states[name] == "down" for name in lost):
                return answer
            await asyncio.sleep(0.05)


async def test_readiness_falls_with_redis(
    environ: dict[str, str], own_redis: EmbeddedRedis, wire_to: Any
) -> None:
    """And with it the word of the revocations; MongoDB is still there."""
    app = service([]).create_app(environ=environ | {"REDIS_URL": own_redis.url})
    async with serving(app) as url:
        wire = wire_to(url)
        before = await wire.get("/internal/ready")
        await asyncio.to_thread(own_redis.kill)
        after = await unready(wire, "redis", "revocations")

    assert before.status == 200
    assert after.status == 503
    assert after.json()["dependencies"] == {
        "mongodb": "up", "redis": "down", "entries": "up", "revocations": "down",
    }  # fmt: skip
