"""MongoDB and Redis clients: spans, outages, bounded waits; on real servers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from litestar import get
from opentelemetry.trace import SpanKind, StatusCode

from caas.kernel.errors import UnavailableError
from caas.runtime.data import redis as redis_module
from caas.runtime.data.mongo import open_mongo, ping_mongo
from caas.runtime.data.outages import translate_errors
from caas.runtime.data.redis import Redis, open_redis, ping_redis
from caas.runtime.http.operations import operation
from caas.testing.http.serving import serving
from caas.testing.recorded import Recorded, recording
from caas_observability.setup.tracing import start_server_span

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = SAMPLED[:-2] + "00"


@pytest.fixture
def spans() -> Iterator[Recorded]:
    """Record spans."""
    with recording() as recorded:
        yield recorded


async def test_mongo_commands_are_spans(mongodb_url: str, database: str, spans: Recorded) -> None:
    """By the database semantic conventions, below the request's span, without any value."""
    client = open_mongo(mongodb_url, app_name="tests")
    with start_server_span("GET", traceparent=SAMPLED) as server:
        await client[database]["users"].insert_one({"email": "canary@example.com"})
        await client[database]["users"].find_one({"email": "canary@example.com"})
    await client.drop_database(database)
    await client.close()

    first, second = spans.of_kind(SpanKind.CLIENT)
    assert (first.name, second.name) == (f"{database}.insert", f"{database}.find")
    assert first.parent is not None
    assert f"{first.parent.span_id:016x}" == server.span_id
    assert first.attributes is not None
    assert first.attributes["db.system.name"] == "mongodb"
    assert first.attributes["db.operation.name"] == "insert"
    assert first.attributes["db.collection.name"] == "users"
    assert first.attributes["db.namespace"] == database
    assert "canary" not in first.to_json() + second.to_json()


async def test_redis_commands_are_spans(redis_url: str, database: str, spans: Recorded) -> None:
    """A pipeline is one span; keys and values stay out."""
    client = open_redis(redis_url, client_name="tests")
    with start_server_span("GET", traceparent=SAMPLED):
        await client.set(f"{database}:canary", "value", ex=5)
        async with client.pipeline(transaction=True) as pipe:
            pipe.get(f"{database}:canary")
            pipe.delete(f"{database}:canary")
            answers = await pipe.execute()
    await client.aclose()

    first, second = spans.of_kind(SpanKind.CLIENT)
    assert answers == [b"value", 1]
    assert (first.name, second.name) == ("SET", "GET DEL")
    assert first.attributes is not None
    assert first.attributes["db.system.name"] == "redis"
    assert first.attributes["db.operation.name"] == "SET"
    assert "canary" not in first.to_json() + second.to_json()


async def test_an_unsampled_request_records_nothing(
    mongodb_url: str, redis_url: str, spans: Recorded
) -> None:
    """Nor does work outside any request, such as a feed that blocks for ever."""
    mongo, redis = open_mongo(mongodb_url, app_name="t"), open_redis(redis_url, client_name="t")
    with start_server_span("GET", traceparent=UNSAMPLED):
        await ping_mongo(mongo)
        await ping_redis(redis)
    await ping_mongo(mongo)
    await ping_redis(redis)
    await mongo.close()
    await redis.aclose()

    assert spans.spans == []


async def test_a_failed_command_is_an_error_without_its_text(
    mongodb_url: str, database: str, spans: Recorded
) -> None:
    """The server's message may quote what was stored."""
    client = open_mongo(mongodb_url, app_name="tests")
    users = client[database]["users"]
    with (
        start_server_span("GET", traceparent=SAMPLED),
        pytest.raises(Exception, match="pipeline stage"),
    ):
        await users.aggregate([{"$canary": 1}])
    await client.close()

    (span,) = spans.of_kind(SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert int(str(span.attributes["db.response.status_code"])) > 0
    assert "canary" not in span.to_json()


async def test_what_the_url_says_wins(mongodb_url: str) -> None:
    """An operator tunes a cluster without a release."""
    joiner = "&" if "?" in mongodb_url else "?"
    client = open_mongo(f"{mongodb_url}{joiner}maxPoolSize=3&w=1", app_name="tests")

    assert client.options.pool_options.max_pool_size == 3
    assert client.write_concern.document == {"w": 1}
    await client.close()


async def test_dead_dependencies_are_503(free_port: int, build_app: Any, wire_to: Any) -> None:
    """Through the edge without a line in the route; readiness says which one is away."""
    dead = f"127.0.0.1:{free_port}"
    mongo = open_mongo(
        f"mongodb://{dead}/?directConnection=true&serverSelectionTimeoutMS=100", app_name="tests"
    )
    redis = open_redis(f"redis://{dead}", client_name="tests")

    @get("/mongo", **operation())
    async def ask_mongo() -> None:
        await mongo["x"]["y"].find_one({})

    @get("/redis", **operation())
    async def ask_redis() -> None:
        await redis.get("x")

    probes = {"mongodb": partial(ping_mongo, mongo), "redis": partial(ping_redis, redis)}
    app = build_app(routers=[ask_mongo, ask_redis], running={"probes": probes})
    async with serving(app) as url:
        wire = wire_to(url)
        answers = await asyncio.gather(*map(wire.get, ("/mongo", "/redis", "/internal/ready")))
    await mongo.close()
    await redis.aclose()

    assert [answer.status for answer in answers] == [503, 503, 503]
    assert [answer.header("retry-after") for answer in answers[:2]] == ["1", "1"]
    assert answers[0].json()["detail"] == "mongodb is unavailable"
    assert answers[2].json()["dependencies"] == {"mongodb": "down", "redis": "down"}
    assert dead.encode() not in answers[0].body + answers[1].body


async def test_readiness_with_live_dependencies(
    mongodb_url: str, redis_url: str, build_app: Any, wire_to: Any
) -> None:
    """Case 3 of the seed report."""
    mongo, redis = open_mongo(mongodb_url, app_name="t"), open_redis(redis_url, client_name="t")
    probes = {"mongodb": partial(ping_mongo, mongo), "redis": partial(ping_redis, redis)}
    app = build_app(running={"probes": probes})
    async with serving(app) as url:
        answer = await wire_to(url).get("/internal/ready")
    await mongo.close()
    await redis.aclose()

    assert answer.status == 200
    assert answer.json() | {"timestamp": ""} == {
        "status": "healthy",
        "service": "demo",
        "timestamp": "",
        "dependencies": {"mongodb": "up", "redis": "up"},
    }


async def test_a_bug_is_no_outage(mongodb_url: str, database: str) -> None:
    """Only what a retry may cure is translated."""
    client = open_mongo(mongodb_url, app_name="tests")

    with pytest.raises(Exception, match="pipeline stage") as raised, translate_errors():
        await client[database]["users"].aggregate([{"$nonsense": 1}])

    assert not isinstance(raised.value, UnavailableError)
    await client.close()


@pytest.mark.usefixtures("spans")
@pytest.mark.parametrize("parent", [SAMPLED, UNSAMPLED])
@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda client: client.get("k"), id="command"),
        pytest.param(lambda client: client.register_script("return 1")(), id="script"),
        pytest.param(lambda client: client.pipeline().get("k").execute(), id="pipeline"),
    ],
)
async def test_a_silent_redis_is_waited_for_once(
    ask: Callable[[Redis], Awaitable[object]], parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver would connect, wait and repeat for most of a minute."""
    monkeypatch.setattr(redis_module, "COMMAND_MAX_S", 0.05)
    connections = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = open_redis(f"redis://127.0.0.1:{port}/0", client_name="tests")
    with (
        start_server_span("GET", traceparent=parent),
        pytest.raises(UnavailableError),
        translate_errors(),
    ):
        await ask(client)
    await client.aclose()
    server.close()

    assert connections == 1
