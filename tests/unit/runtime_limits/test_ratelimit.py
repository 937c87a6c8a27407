"""Leasing from a Redis that the test scripts: coalescing, windows, outages."""

import asyncio
from dataclasses import dataclass, field

import pytest
import redis.exceptions

from caas.runtime import ratelimit
from caas.runtime.ratelimit import Decision, Limit, RateLimiter

pytestmark = pytest.mark.anyio

TEN = Limit(10, 60)


@dataclass
class FakeRedis:
    """Answers the lease script from a list, or as a single instance's Redis would."""

    used: int = 0
    calls: list[int] = field(default_factory=list)
    away: bool = False
    ttl_ms: int = 60_000

    def register_script(self, script: str) -> "FakeRedis":
        """Be the script, too."""
        assert "PEXPIRE" in script
        return self

    async def __call__(
        self, keys: list[str] | None = None, args: list[str | int] | None = None
    ) -> list[int]:
        """Grant what is asked, up to the limit, without a reserve."""
        assert keys is not None
        assert args is not None
        await asyncio.sleep(0)
        if self.away:
            raise redis.exceptions.ConnectionError("away")
        limit, needs = int(args[0]), int(args[2])
        self.used += int(args[6])
        self.calls.append(needs)
        granted = max(0, min(needs, limit - self.used))
        self.used += granted
        return [granted, 0, self.used, self.ttl_ms]


@dataclass
class Bench:
    """A limiter whose time and Redis the test owns."""

    now: float = 1000.0
    redis: FakeRedis = field(default_factory=FakeRedis)
    changes: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.limiter = RateLimiter(
            self.redis,
            instance="a",
            local_share=0.5,
            monotonic=lambda: self.now,
            on_change=self.changes.append,
        )

    async def many(self, times: int, limit: Limit = TEN) -> list[Decision]:
        """Ask *times* times at once."""
        return list(await asyncio.gather(*(self.limiter.acquire("t", limit) for _ in range(times))))


@pytest.fixture
def bench() -> Bench:
    """Return a fresh limiter."""
    return Bench()


async def test_concurrent_needs_are_one_round_trip(bench: Bench) -> None:
    """Seven requests at once ask once, for seven."""
    decisions = await bench.many(7)

    assert bench.redis.calls == [7]
    assert sorted(d.remaining for d in decisions) == [3, 4, 5, 6, 7, 8, 9]


async def test_what_is_over_the_limit_is_refused_from_memory(bench: Bench) -> None:
    """A spent window costs no round trip until it ends."""
    decisions = await bench.many(12)
    bench.now += 59.5
    late = await bench.limiter.acquire("t", TEN)

    assert sum(d.allowed for d in decisions) == 10
    assert (late.allowed, late.remaining, late.reset_s) == (False, 0, 1)
    assert late.error().retry_after_s == 1
    assert bench.redis.calls == [12]


async def test_a_new_window_asks_again(bench: Bench) -> None:
    """After the window's end the old refusal is void."""
    await bench.many(12)
    bench.now += 60.0
    bench.redis.used = 0

    assert (await bench.limiter.acquire("t", TEN)).allowed


async def test_left_over_permits_die_with_their_window(bench: Bench) -> None:
    """A reserve of the last window would come on top of this one's limit."""

    async def with_reserve(
        keys: list[str] | None = None, args: list[str | int] | None = None
    ) -> list[int]:
        del keys, args
        bench.redis.calls.append(1)
        return [1, 4, 5, 60_000]

    bench.limiter._lease_script = with_reserve
    for _ in range(3):
        await bench.limiter.acquire("t", TEN)
    bench.now += 60.0
    await bench.limiter.acquire("t", TEN)

    assert bench.redis.calls == [1, 1]
    assert bench.limiter._leases["t"].permits == 4


async def test_the_hot_path_decides_without_waiting(bench: Bench) -> None:
    """`take` answers from the lease, and says nothing when it can't know."""
    assert bench.limiter.take("t", TEN) is None
    await bench.many(11)

    refused = bench.limiter.take("t", TEN)
    assert refused is not None
    assert not refused.allowed


async def test_a_raised_limit_counts_at_once(bench: Bench) -> None:
    """An upgrade of the plan does not wait for the window's end."""
    await bench.many(11)

    assert (await bench.limiter.acquire("t", Limit(20, 60))).allowed


async def test_headers_are_in_one_unit(bench: Bench) -> None:
    """Reset is in seconds from now; the seed's was an epoch now and then."""
    decision = await bench.limiter.acquire("t", TEN)

    assert decision.headers() == [
        (b"x-ratelimit-limit", b"10"),
        (b"x-ratelimit-remaining", b"9"),
        (b"x-ratelimit-reset", b"60"),
    ]


async def test_without_redis_each_instance_grants_its_share(bench: Bench) -> None:
    """Fail open, but not without a limit: half of ten here, marked as degraded."""
    bench.redis.away = True
    decisions = await bench.many(8)

    assert sum(d.allowed for d in decisions) == 5
    assert bench.limiter.degraded
    assert bench.changes == [True]


async def test_an_outage_in_mid_window_grants_no_more_than_was_left(bench: Bench) -> None:
    """Eight of ten are counted already: alone it may grant two, though its share is five."""
    await bench.many(8)
    bench.redis.away = True

    assert sum(d.allowed for d in await bench.many(8)) == 2


async def test_what_was_granted_alone_is_reported_once(bench: Bench) -> None:
    """The first answer after the outage counts it; the second does not count it again."""
    bench.redis.away = True
    await bench.many(4)
    bench.redis.away = False
    bench.now += 60.0 - ratelimit.RETRY_REDIS_AFTER_S
    bench.limiter._leases.clear()

    await bench.many(1)
    assert bench.redis.used == 4 + 1
    await bench.many(1)
    assert bench.redis.used == 4 + 2


async def test_redis_back_is_noticed_within_its_retry_time(bench: Bench) -> None:
    """A refusal made alone ends when Redis can be asked again."""
    bench.redis.away = True
    await bench.many(8)
    bench.redis.away = False
    assert not (await bench.limiter.acquire("t", TEN)).allowed
    bench.now += ratelimit.RETRY_REDIS_AFTER_S

    assert (await bench.limiter.acquire("t", TEN)).allowed
    assert bench.changes == [True, False]


async def test_while_redis_is_away_it_is_asked_once_a_second(bench: Bench) -> None:
    """An outage must not cost every request a time-out."""
    bench.redis.away = True
    await bench.many(1)
    before = bench.limiter._retry_at
    bench.now += 0.5
    await bench.many(2)

    assert bench.limiter._retry_at == before


async def test_a_cancelled_request_gives_its_permit_to_the_next(bench: Bench) -> None:
    """What was counted for a client that left is not lost."""
    tasks = [asyncio.create_task(bench.limiter.acquire("t", TEN)) for _ in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    decision = bench.limiter.take("t", TEN)
    assert bench.redis.calls[0] in {3, 4}
    assert (decision is not None and decision.allowed) == (bench.redis.calls[0] == 4)


async def test_leases_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million addresses may not fill the memory."""
    monkeypatch.setattr(ratelimit, "LEASES_MAX", 100)
    monkeypatch.setattr(ratelimit, "PRUNE_EVERY", 10)
    for n in range(1000):
        await bench.limiter.acquire(f"ip:{n}", TEN)

    assert len(bench.limiter._leases) <= 110
