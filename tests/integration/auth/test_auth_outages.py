"""Redis away, Redis empty: no lie on either side, and recovery without anyone's help."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from caas.contracts.auth.identity import REVOCATION_STREAM
from caas.kernel.clock import SystemClock
from caas.runtime.data.redis import open_redis
from caas.stack.servers.embedded import EmbeddedRedis
from caas.testing.auth.instance import Answer, start_instance
from caas.testing.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def _until(ask: Callable[[], Awaitable[Answer]], status: int) -> Answer:
    """Ask until the answer has that status."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await ask()
            if answer.status == status:
                return answer


async def test_redis_outage_and_loss_of_its_data(
    mongodb_url: str, database: str, tmp_path: Path
) -> None:
    """What was ended before stays ended after, also for an instance that starts later."""
    redis = EmbeddedRedis(tmp_path / "redis", tmp_path / "logs")
    redis.start()
    instance = await start_instance(mongodb_url, redis.url, database, tmp_path)
    tenant = await instance.register()
    before, during, stays = [await instance.session(tenant["api_key"]) for _ in range(3)]
    for session in (before, during, stays):
        assert (await instance.introspect(session["access_token"])).status == 200
    assert (await instance.post("/sdk/logout", token=before["access_token"])).status == 200

    redis.kill()

    # A token in memory is not vouched for when nobody can say whether it was revoked.
    deaf = await _until(lambda: instance.introspect(stays["access_token"]), 503)
    assert deaf.body["type"] == "urn:caas:error:revocations_unknown"
    assert (await instance.post("/sdk/logout", token=during["access_token"])).status == 503
    ready = await instance.send("GET", "/internal/ready")
    assert ready.status == 503
    assert ready.body["dependencies"]["mongodb"] == "up"

    # The same port with an empty data directory: everything that Redis knew is lost.
    empty = EmbeddedRedis(tmp_path / "empty", tmp_path / "logs", port=redis.port)
    empty.start()
    await _until(lambda: instance.introspect(stays["access_token"]), 200)
    assert (await instance.introspect(before["access_token"])).status == 401
    assert (await instance.post("/sdk/logout", token=during["access_token"])).status == 200

    late = await start_instance(mongodb_url, empty.url, database, tmp_path)
    for session in (before, during):
        refused = await _until(partial(late.introspect, session["access_token"]), 401)
        assert refused.body["error"] == "Session invalid"
    assert (await late.introspect(stays["access_token"])).status == 200
    for one in (instance, late):
        await one.stop()
    empty.kill()


async def test_end_that_was_stored_and_not_announced_is_announced_later(
    mongodb_url: str, database: str, tmp_path: Path
) -> None:
    """The caller heard 503 and went away; the session ends all the same."""
    redis = EmbeddedRedis(tmp_path / "redis", tmp_path / "logs")
    redis.start()
    instance = await start_instance(mongodb_url, redis.url, database, tmp_path)
    tenant = await instance.register()
    session = await instance.session(tenant["api_key"])
    token = session["access_token"]
    assert (await instance.introspect(token)).status == 200

    # It can be read, so the instance still vouches for tokens, and takes no write: the end is
    # stored and then fails to be announced.
    control = open_redis(redis.url, client_name="tests")
    await control.config_set("min-replicas-to-write", 1)
    refused = await instance.post("/sdk/logout", token=token)
    assert refused.status == 503
    await control.config_set("min-replicas-to-write", 0)
    await control.aclose()

    await _until(lambda: instance.introspect(token), 401)
    await instance.stop()
    redis.kill()


async def test_a_redis_whose_clock_is_behind_the_last_ones_is_heard(
    mongodb_url: str, database: str, tmp_path: Path
) -> None:
    """Its entries have lower ids than the last one read before; they are new all the same."""
    redis = EmbeddedRedis(tmp_path / "redis", tmp_path / "logs")
    redis.start()
    instance = await start_instance(mongodb_url, redis.url, database, tmp_path)
    tenant = await instance.register()
    before, after, stays = [
        (await instance.session(tenant["api_key"]))["access_token"] for _ in range(3)
    ]
    client = open_redis(redis.url, client_name="tests")
    in_an_hour_ms = (SystemClock().now_ms() // 1000 + 3600) * 1000
    await client.xadd(REVOCATION_STREAM, {"e": b"{}"}, id=f"{in_an_hour_ms}-0")
    await client.aclose()
    assert (await instance.post("/sdk/logout", token=before)).status == 200
    await _until(lambda: instance.introspect(before), 401)
    redis.kill()
    await _until(lambda: instance.introspect(stays), 503)

    empty = EmbeddedRedis(tmp_path / "empty", tmp_path / "logs", port=redis.port)
    empty.start()
    await _until(lambda: instance.introspect(stays), 200)
    assert (await instance.post("/sdk/logout", token=after)).status == 200

    await _until(lambda: instance.introspect(after), 401)
    await instance.stop()
    empty.kill()


async def test_a_loss_that_breaks_no_connection_is_noticed(
    mongodb_url: str, database: str, tmp_path: Path
) -> None:
    """An instance that starts after it knows what was ended before it."""
    redis = EmbeddedRedis(tmp_path / "redis", tmp_path / "logs")
    redis.start()
    instance = await start_instance(mongodb_url, redis.url, database, tmp_path)
    tenant = await instance.register()
    token = (await instance.session(tenant["api_key"]))["access_token"]
    assert (await instance.post("/sdk/logout", token=token)).status == 200
    await _until(lambda: instance.introspect(token), 401)

    client = open_redis(redis.url, client_name="tests")
    await client.flushall()
    async with asyncio.timeout(PATIENCE_S):
        while not await client.xread({REVOCATION_STREAM: "0"}, block=1000):
            pass  # not announced again so far
    await client.aclose()

    late = await start_instance(mongodb_url, redis.url, database, tmp_path)
    refused = await _until(lambda: late.introspect(token), 401)
    assert refused.body["error"] == "Session invalid"
    for one in (instance, late):
        await one.stop()
    redis.kill()
