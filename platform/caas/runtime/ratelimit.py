"""Rate limits that all instances share, at the price of a round trip now and then.

A fixed window per subject, counted in Redis. An instance leases permits: what its waiting
requests need, plus a small reserve for the next ones. The reserves of all instances together
never exceed `RESERVE_PERCENT` of the limit, so that at least 99 % of it can always be used, by
whichever instance asks; and since a permit exists only once it is counted, no more than the
limit is ever admitted in a window. The argument is in docs/adr/0007-leased-rate-limits.md.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, cast

import msgspec
import redis.exceptions

from caas.kernel.errors import RateLimitedError
from caas.runtime.time_limit import TimeLimit

LEASES_MAX = 50_000
PRUNE_EVERY = 1_024
REDIS_ANSWER_MAX_S = 0.25
RETRY_REDIS_AFTER_S = 1.0
RESERVE_PERCENT = 1
RESERVE_PARTS = 8  # instances that can hold a full reserve at once; more hold less
KEY_PREFIX = "caas:ratelimit:"

# One hash per subject, which lives as long as its window:
#   u   permits counted so far        r   reserves outstanding, all instances
#   <i> reserve of instance i; it asks again only when that is used up
# ARGV: limit, window in ms, permits needed, instance, reserve percent, reserve parts, permits that
# the instance granted by itself in this window and were not counted yet
_LEASE_SCRIPT = """
local used = tonumber(redis.call('HGET', KEYS[1], 'u'))
local limit, window_ms, needs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ttl = window_ms
if used then ttl = redis.call('PTTL', KEYS[1]) else used = 0 end
used = used + tonumber(ARGV[7])
local free = math.max(0, limit - used)
local granted = math.min(needs, free)
free = free - granted
local mine = tonumber(redis.call('HGET', KEYS[1], ARGV[4]) or 0)
local others = math.max(0, tonumber(redis.call('HGET', KEYS[1], 'r') or 0) - mine)
local share = math.floor(limit * tonumber(ARGV[5]) / 100)
local reserve = math.max(0, math.min(math.floor(share / tonumber(ARGV[6])), share - others, free))
used = used + granted + reserve
redis.call('HSET', KEYS[1], 'u', used, 'r', others + reserve, ARGV[4], reserve)
if ttl == window_ms or ttl < 0 then redis.call('PEXPIRE', KEYS[1], window_ms); ttl = window_ms end
return {granted, reserve, used, ttl}
"""


class Script(Protocol):
    """A registered Lua script, as redis-py gives it."""

    def __call__(
        self, keys: list[str] | None = ..., args: list[str | int] | None = ...
    ) -> Awaitable[object]:
        """Run it."""
        ...


class Scripts(Protocol):
    """What is needed of a Redis client."""

    def register_script(self, script: str) -> Script:
        """Prepare *script* for use by its digest."""
        ...


class Limit(msgspec.Struct, frozen=True):
    """How much a subject may do: *requests* in each window of *window_s* seconds."""

    requests: int
    window_s: int


class Decision(msgspec.Struct, frozen=True):
    """Whether one request may pass, and what the caller is told.

    Attributes:
        allowed: One permit was taken.
        limit: Requests in a window.
        remaining: Permits left, as far as this instance knows.
        reset_s: Seconds from now until the window ends; 1 or more.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the three response headers; the unit of reset is always seconds from now."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset_s),
        ]

    def error(self) -> RateLimitedError:
        """Return what a refused caller gets."""
        return RateLimitedError("Rate limit exceeded", retry_after_s=self.reset_s)


class _Lease:
    """What this instance holds of one subject's window."""

    __slots__ = ("ends", "exhausted", "limit", "permits", "rest", "task", "waiters")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.permits = 0
        self.rest = limit.requests  # not counted yet by anyone, at the last round trip
        self.ends = 0.0
        self.exhausted = False
        self.waiters: list[asyncio.Future[Decision]] = []
        self.task: asyncio.Task[None] | None = None

    def take(self, now: float) -> Decision | None:
        """Take a permit or refuse for good; None when Redis has to be asked."""
        if now >= self.ends:
            return None
        if self.permits > 0:
            self.permits -= 1
            return self._decide(now, allowed=True)
        return self._decide(now, allowed=False) if self.exhausted else None

    def _decide(self, now: float, *, allowed: bool) -> Decision:
        reset_s = max(1, math.ceil(self.ends - now))
        return Decision(allowed, self.limit.requests, self.rest + self.permits, reset_s)


@dataclass(slots=True)
class _Outage:
    """What this instance granted of one subject's window without Redis."""

    ends: float
    allowed: int
    used: int = 0


class RateLimiter:
    """Admits requests by subject; one per process.

    While Redis is away every instance counts for itself, up to *local_share* of the limit in a
    window and no more than Redis had left when it last answered; it asks Redis again every
    `RETRY_REDIS_AFTER_S` and reports what it granted meanwhile. A limiter protects the platform,
    so its own outage must not become one.

    Args:
        redis: Any asyncio Redis client.
        instance: Names this process among all; letters and digits, not `u` or `r`.
        local_share: Part of a limit that this instance grants by itself; 1 / instances.
        answer_max_s: How long Redis may take before it counts as away.
        monotonic: Seconds that never run backwards.
        on_change: Called with True when Redis goes away, with False when it is back.
    """

    def __init__(
        self,
        redis: Scripts,
        *,
        instance: str,
        local_share: float = 1.0,
        answer_max_s: float = REDIS_ANSWER_MAX_S,
        monotonic: Callable[[], float] = time.monotonic,
        on_change: Callable[[bool], None] | None = None,
    ) -> None:
        self.degraded = False
        self._lease_script = redis.register_script(_LEASE_SCRIPT)
        self._instance = f"i:{instance}"
        self._local_share = local_share
        self._answer_max_s = answer_max_s
        self._monotonic = monotonic
        self._on_change = on_change
        self._leases: dict[str, _Lease] = {}
        self._added = 0
        self._retry_at = 0.0
        self._outages: dict[str, _Outage] = {}

    def take(self, subject: str, limit: Limit) -> Decision | None:
        """Decide from memory, without waiting; None when `acquire` has to be awaited."""
        lease = self._leases.get(subject)
        if lease is None or lease.limit is not limit:
            return None
        return lease.take(self._monotonic())

    async def acquire(self, subject: str, limit: Limit) -> Decision:
        """Decide about one request of *subject*; never raises for an outage of Redis."""
        lease = self._leases.get(subject)
        if lease is None or lease.limit != limit:
            lease = self._add(subject, limit)
        decision = lease.take(self._monotonic())
        if decision is not None:
            return decision
        waiter: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        lease.waiters.append(waiter)
        if lease.task is None:
            lease.task = asyncio.create_task(self._refill(subject, lease))
        return await waiter

    def _add(self, subject: str, limit: Limit) -> _Lease:
        self._added += 1
        if self._added % PRUNE_EVERY == 0 or len(self._leases) >= LEASES_MAX:
            self._prune()
        lease = self._leases[subject] = _Lease(limit)
        return lease

    def _prune(self) -> None:
        """Forget ended windows; then, if there are still too many, the oldest leases."""
        now = self._monotonic()
        for name in [n for n, v in self._leases.items() if v.ends <= now and v.task is None]:
            del self._leases[name]
        for name in [n for n, v in self._outages.items() if v.ends <= now]:
            del self._outages[name]
        for name in list(self._leases)[: max(0, len(self._leases) - LEASES_MAX + PRUNE_EVERY)]:
            if self._leases[name].task is None:
                del self._leases[name]

    async def _refill(self, subject: str, lease: _Lease) -> None:
        """Ask once for everyone who waits; those who come meanwhile get the next round."""
        waiters: list[asyncio.Future[Decision]] = []
        try:
            while lease.waiters:
                waiters, lease.waiters = lease.waiters, []
                await self._refill_for(subject, lease, [w for w in waiters if not w.done()])
                self._hand_out(lease, waiters)
        except Exception as error:  # noqa: BLE001 - a bug must reach the requests, not hang them
            waiters += lease.waiters
            lease.waiters = []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(error)
        finally:
            lease.task = None

    def _hand_out(self, lease: _Lease, waiters: list[asyncio.Future[Decision]]) -> None:
        now = self._monotonic()
        # A window may end between the answer and now; its permits were granted all the same.
        lease.ends = max(lease.ends, now + 1e-6)
        for waiter in waiters:
            if waiter.done():
                continue
            decision = lease.take(now)
            if decision is None:  # a granted permit was taken meanwhile: ask again
                lease.waiters.append(waiter)
            else:
                waiter.set_result(decision)

    async def _refill_for(
        self, subject: str, lease: _Lease, waiters: list[asyncio.Future[Decision]]
    ) -> None:
        limit, needs = lease.limit, max(1, len(waiters))
        asked_at = self._monotonic()
        answer = await self._ask(subject, limit, needs) if asked_at >= self._retry_at else None
        if answer is None:
            answer = self._grant_locally(subject, lease, needs)
        granted, reserve, used, ttl_ms = answer
        if asked_at >= lease.ends:
            lease.permits = 0  # of a window that is over
        lease.permits += granted + reserve
        lease.rest = max(0, limit.requests - used)
        lease.exhausted = granted < needs
        # Counted from before the question, so a lease ends no later than its window.
        lease.ends = asked_at + ttl_ms / 1000

    async def _ask(
        self, subject: str, limit: Limit, needs: int
    ) -> tuple[int, int, int, float] | None:
        """Lease from Redis; None while it is away."""
        outage = self._outages.get(subject)
        owed = outage.used if outage is not None and outage.ends > self._monotonic() else 0
        args: list[str | int] = [
            limit.requests,
            limit.window_s * 1000,
            needs,
            self._instance,
            RESERVE_PERCENT,
            RESERVE_PARTS,
            owed,
        ]
        try:
            async with TimeLimit(self._answer_max_s):
                answer = await self._lease_script(keys=[KEY_PREFIX + subject], args=args)
        except (redis.exceptions.RedisError, OSError, TimeoutError):
            self._retry_at = self._monotonic() + RETRY_REDIS_AFTER_S
            self._set_degraded(degraded=True)
            return None
        self._set_degraded(degraded=False)
        self._outages.pop(subject, None)
        granted, reserve, used, ttl_ms = cast("list[int]", answer)
        return granted, reserve, used, ttl_ms

    def _grant_locally(
        self, subject: str, lease: _Lease, needs: int
    ) -> tuple[int, int, int, float]:
        """Count for this instance alone, without a reserve, so that Redis is asked again soon."""
        now, limit = self._monotonic(), lease.limit
        outage = self._outages.get(subject)
        if outage is None or outage.ends <= now:
            outage = self._start_outage(subject, lease, now)
        granted = max(0, min(needs, outage.allowed - outage.used))
        outage.used += granted
        ends = outage.ends
        if granted < needs:  # refused only until Redis is asked the next time
            ends = min(ends, max(self._retry_at, now))
        left = outage.allowed - outage.used
        return granted, 0, limit.requests - left, (ends - now) * 1000

    def _start_outage(self, subject: str, lease: _Lease, now: float) -> _Outage:
        """Begin to count alone: in the window that runs, or in a new one."""
        if len(self._outages) >= LEASES_MAX:
            del self._outages[next(iter(self._outages))]
        share = max(1, int(lease.limit.requests * self._local_share))
        outage = (
            _Outage(lease.ends, min(share, lease.rest))
            if lease.ends > now
            else _Outage(now + lease.limit.window_s, share)
        )
        self._outages[subject] = outage
        return outage

    def _set_degraded(self, *, degraded: bool) -> None:
        if degraded != self.degraded:
            self.degraded = degraded
            if self._on_change is not None:
                self._on_change(degraded)
