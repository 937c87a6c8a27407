"""The login limiter on a real server, with a clock of its own: a table of who is stopped when."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from caas.auth.errors import TooManyAttemptsError
from caas.auth.store.login_limits import KNOWN_GOOD_MAX, LoginLimits, RedisLoginLimiter
from caas.kernel.errors import UnavailableError
from caas.runtime.data.redis import Redis, open_redis
from caas.testing.clock import FakeClock

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

LIMITS = LoginLimits(
    window_s=900, pair_failures_max=3, address_failures_max=6, account_failures_max=8
)
OWNER, STRANGER, OFFICE = "198.51.100.1", "203.0.113.1", "192.0.2.1"


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of the limiter."""
    return FakeClock()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Return a client of the limiter's server."""
    redis = open_redis(redis_url, client_name="test")
    yield redis
    await redis.aclose()


@pytest.fixture
def limiter(redis: Redis, database: str, clock: FakeClock) -> RedisLoginLimiter:
    """Return a limiter with keys of its own."""
    return RedisLoginLimiter(redis, clock, LIMITS, prefix=database)


@pytest.fixture
def pass_time(redis: Redis, database: str) -> Callable[[float], Awaitable[None]]:
    """Return what lets the windows grow older: the server's clock decides, and can't be moved."""

    async def pass_time(seconds: float) -> None:
        async for key in redis.scan_iter(match=f"{database}:*"):
            await redis.pexpire(key, await redis.pttl(key) - int(seconds * 1000))

    return pass_time


async def _wrong(limiter: RedisLoginLimiter, account: str, address: str, times: int = 1) -> int:
    """Try a wrong password up to *times*; return how many were looked at."""
    for done in range(times):
        try:
            await limiter.reserve(account, address)
        except TooManyAttemptsError:
            return done
    return times


async def _right(limiter: RedisLoginLimiter, account: str, address: str) -> bool:
    """Try the right password; tell whether it was looked at."""
    try:
        await limiter.reserve(account, address)
    except TooManyAttemptsError:
        return False
    await limiter.succeeded(account, address)
    return True


async def test_pair_is_stopped_and_says_for_how_long(
    limiter: RedisLoginLimiter, pass_time: Callable[[float], Awaitable[None]]
) -> None:
    """Until the window of the first wrong password is over."""
    assert await _wrong(limiter, "a", STRANGER, 10) == 3
    await pass_time(300)
    with pytest.raises(TooManyAttemptsError) as refused:
        await limiter.reserve("a", STRANGER)
    assert 0 < refused.value.retry_after_s <= 600
    await pass_time(refused.value.retry_after_s - 30)
    assert not await _right(limiter, "a", STRANGER)

    await pass_time(30)
    assert await _right(limiter, "a", STRANGER)


async def test_wait_is_that_of_the_last_limit_to_end(
    limiter: RedisLoginLimiter, pass_time: Callable[[float], Awaitable[None]]
) -> None:
    """Who comes back when told to is let try."""
    for number in range(LIMITS.address_failures_max):
        await _wrong(limiter, f"victim-{number}", OFFICE)
    await pass_time(600)
    for number in range(LIMITS.account_failures_max):
        assert await _wrong(limiter, "a", f"203.0.113.{number}") == 1

    with pytest.raises(TooManyAttemptsError) as refused:
        await limiter.reserve("a", OFFICE)

    assert 300 < refused.value.retry_after_s <= 900
    await pass_time(refused.value.retry_after_s)
    assert await _right(limiter, "a", OFFICE)


async def test_refused_attempts_do_not_prolong_the_wait(
    limiter: RedisLoginLimiter, pass_time: Callable[[float], Awaitable[None]]
) -> None:
    """Who keeps knocking waits no longer than who does not."""
    await _wrong(limiter, "a", STRANGER, 3)
    for _ in range(20):
        await pass_time(40)
        assert not await _right(limiter, "a", STRANGER)
    await pass_time(100)

    assert await _right(limiter, "a", STRANGER)


async def test_stranger_does_not_lock_the_owner_out(limiter: RedisLoginLimiter) -> None:
    """Neither from one address nor from many, once the owner's address is known."""
    assert await _right(limiter, "a", OWNER)
    for number in range(20):
        await _wrong(limiter, "a", f"203.0.113.{number}", 3)

    assert await _right(limiter, "a", OWNER)
    assert not await _right(limiter, "a", "203.0.113.99")  # many addresses are stopped as one


async def test_stranger_at_one_address_does_not_stop_the_owner_at_a_new_one(
    limiter: RedisLoginLimiter,
) -> None:
    """The usual nuisance stops itself only."""
    assert await _wrong(limiter, "a", STRANGER, 100) == 3

    assert await _right(limiter, "a", OWNER)


async def test_noise_from_the_owners_office_stops_others_there_but_not_the_owner(
    limiter: RedisLoginLimiter,
) -> None:
    """The address limit does not bind an account that signed in from there before."""
    assert await _right(limiter, "a", OFFICE)
    noise = [await _wrong(limiter, f"victim-{number}", OFFICE, 3) for number in range(4)]

    assert noise == [3, 3, 0, 0]
    assert await _right(limiter, "a", OFFICE)
    assert not await _right(limiter, "b", OFFICE)


async def test_known_address_may_still_not_guess_for_ever(limiter: RedisLoginLimiter) -> None:
    """A thief at the owner's desk is stopped by the pair's own limit."""
    assert await _right(limiter, "a", OWNER)

    assert await _wrong(limiter, "a", OWNER, 100) == 3


async def test_right_password_clears_the_pair(limiter: RedisLoginLimiter) -> None:
    """And costs the other counters nothing, however often it is used."""
    for _ in range(30):
        assert await _wrong(limiter, "a", OWNER, 2) <= 2
        if not await _right(limiter, "a", OWNER):
            break
    for number in range(30):
        assert await _right(limiter, f"other-{number}", STRANGER)

    assert await _right(limiter, "fresh", STRANGER)


async def test_parallel_guesses_are_counted_one_by_one(limiter: RedisLoginLimiter) -> None:
    """A hundred at once are not a hundred free ones."""
    looked_at = await asyncio.gather(*(_wrong(limiter, "a", STRANGER) for _ in range(100)))

    assert sum(looked_at) == 3


async def test_ipv6_neighbours_are_one_attacker(limiter: RedisLoginLimiter) -> None:
    """Who holds one address of a /64 holds them all."""
    looked_at = [await _wrong(limiter, "a", f"2001:db8::{n:x}") for n in range(1, 9)]

    assert sum(looked_at) == 3
    assert await _wrong(limiter, "a", "2001:db8:0:1::1") == 1


async def test_known_addresses_are_bounded(limiter: RedisLoginLimiter, clock: FakeClock) -> None:
    """The one not used for longest is forgotten."""
    for number in range(KNOWN_GOOD_MAX + 1):
        clock.advance(1)
        assert await _right(limiter, "a", f"198.51.100.{number}")
    for number in range(20):
        await _wrong(limiter, "a", f"203.0.113.{number}", 3)

    assert not await _right(limiter, "a", "198.51.100.0")
    assert await _right(limiter, "a", "198.51.100.1")


async def test_without_its_counters_nobody_is_let_try(clock: FakeClock, free_port: int) -> None:
    """With Redis away a login is 503: guessing must not become free."""
    redis = open_redis(f"redis://127.0.0.1:{free_port}/0", client_name="test")
    limiter = RedisLoginLimiter(redis, clock, LIMITS, prefix="x")
    with pytest.raises(UnavailableError):
        await limiter.reserve("a", OWNER)
    await redis.aclose()
