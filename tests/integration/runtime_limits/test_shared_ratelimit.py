"""The lease script on a real server: two instances never over the limit, hardly under it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from caas.runtime.ratelimit import KEY_PREFIX, Limit, RateLimiter
from caas.testing.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Return a client of the real server."""
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


def _patient(redis: Redis, instance: str) -> RateLimiter:
    """Return a limiter that waits for a busy machine: these tests are not about outages."""
    return RateLimiter(redis, instance=instance, answer_max_s=PATIENCE_S)


@pytest.mark.parametrize("instances", [1, 2, 5])
@pytest.mark.parametrize("requests", [1, 60, 1_000, 20_000])
async def test_instances_at_full_speed_admit_the_limit(
    redis: Redis, database: str, instances: int, requests: int
) -> None:
    """Each instance has 8 clients that never pause; the window ends for none of them."""
    limit = Limit(requests, 600)
    limiters = [_patient(redis, str(n)) for n in range(instances)]
    admitted: Counter[int] = Counter()

    async def client(n: int) -> None:
        while (await limiters[n].acquire(database, limit)).allowed:
            admitted[n] += 1

    await asyncio.gather(*(client(n) for n in range(instances) for _ in range(8)))

    assert requests * 0.99 <= admitted.total() <= requests
    assert len(admitted) == min(instances, requests)


async def test_idle_instances_hold_back_at_most_one_percent(redis: Redis, database: str) -> None:
    """Five instances take one permit and fall silent; the sixth still gets 99 %."""
    limit = Limit(10_000, 600)
    for n in range(5):
        assert (await _patient(redis, f"idle{n}").acquire(database, limit)).allowed
    busy = _patient(redis, "busy")

    admitted = 5
    while (await busy.acquire(database, limit)).allowed:
        admitted += 1

    assert 9_900 <= admitted <= 10_000


async def test_the_window_ends_by_the_servers_clock(redis: Redis, database: str) -> None:
    """The key carries the window: no instance's clock has a say, and nothing is left behind."""
    limiter = _patient(redis, "a")
    await limiter.acquire(database, Limit(10, 600))

    ttl_ms = await redis.pttl(KEY_PREFIX + database)
    assert (600 - PATIENCE_S) * 1000 < ttl_ms <= 600_000


async def test_a_fresh_window_grants_the_full_limit_again(redis: Redis, database: str) -> None:
    """What the window had is gone when its key is; here the test ends it."""
    limit = Limit(50, 600)
    for _ in range(2):
        limiter = _patient(redis, "a")
        decisions = [await limiter.acquire(database, limit) for _ in range(60)]
        assert sum(d.allowed for d in decisions) == 50
        await redis.delete(KEY_PREFIX + database)


async def test_what_was_granted_in_an_outage_is_counted_after_it(
    redis: Redis, database: str
) -> None:
    """Two instances that lose Redis in mid-window admit no more than what both knew was left."""
    limit, now = Limit(1_000, 600), 0.0
    limiters = [
        RateLimiter(
            redis,
            instance=str(n),
            local_share=0.5,
            answer_max_s=PATIENCE_S,
            monotonic=lambda: now,
        )
        for n in range(2)
    ]
    admitted = 0
    for n in range(900):
        admitted += (await limiters[n % 2].acquire(database, limit)).allowed
    for limiter in limiters:
        limiter._retry_at = 1.0  # as after an answer that did not come
    for limiter in limiters:
        for _ in range(40):
            admitted += (await limiter.acquire(database, limit)).allowed
    now = 2.0
    for n in range(200):
        admitted += (await limiters[n % 2].acquire(database, limit)).allowed

    assert 990 <= admitted <= 1_000
