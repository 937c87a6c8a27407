"""Counters of wrong passwords in Redis, shared by all instances and safe in parallel.

An attempt is counted before its password is looked at and taken back when it was right, so that
a hundred parallel guesses are a hundred. Three windows: the pair of account and address, the
address, and the account. An address from which the owner signed in before is known good: for it
the address's and the account's windows don't matter, so a stranger who makes noise elsewhere,
or on other accounts from the same office, locks nobody out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerSecond

from caas.auth.errors import TooManyAttemptsError
from caas.kernel.clock import Clock
from caas.runtime.data.outages import translate_errors
from caas.runtime.data.redis import Redis
from caas.runtime.data.windows import Windows
from caas.runtime.identity.peers import site_of

KNOWN_GOOD_KEPT_S = 90 * 24 * 60 * 60
KNOWN_GOOD_MAX = 16

Rule = tuple[RateLimitItem, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many wrong passwords are too many, within a window."""

    window_s: int
    pair_failures_max: int
    address_failures_max: int
    account_failures_max: int


class RedisLoginLimiter:
    """A `LoginLimiter`.

    Args:
        prefix: Starts every key, so that tests and clusters can share a server.
    """

    def __init__(self, redis: Redis, clock: Clock, limits: LoginLimits, *, prefix: str) -> None:
        self._redis = redis
        self._clock = clock
        self._known = f"{prefix}:login:known:"
        self._windows = Windows(redis, prefix=f"{prefix}:login")
        self._pair, self._address, self._account = (
            RateLimitItemPerSecond(failures_max, limits.window_s, namespace=name)
            for name, failures_max in (
                ("pair", limits.pair_failures_max),
                ("address", limits.address_failures_max),
                ("account", limits.account_failures_max),
            )
        )

    async def reserve(self, account: str, address: str) -> None:
        """Count an attempt before its password is looked at.

        Raises:
            TooManyAttemptsError: One of the limits is reached; the attempt is not counted.
            UnavailableError: The counters can't be reached.
        """
        who, site = _hashed(account), site_of(address)
        rules = self._rules(who, site)
        with translate_errors():
            known = await self._redis.zscore(self._known + who, site) is not None
            binding = rules[:1] if known else rules
            for number, (limit, names) in enumerate(rules, 1):
                within = await self._windows.hit(limit, *names)
                if not within and number <= len(binding):
                    await self._refuse(rules[:number], binding)

    async def succeeded(self, account: str, address: str) -> None:
        """Take the attempt back and remember the address as one the owner uses."""
        who, site = _hashed(account), site_of(address)
        (pair, pair_names), *others = self._rules(who, site)
        key, now_ms = self._known + who, self._clock.now_ms()
        with translate_errors():
            await self._windows.forget(pair, *pair_names)
            for limit, names in others:
                await self._windows.take_back(limit, *names)
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.zadd(key, {site: now_ms})
                pipe.zremrangebyscore(key, "-inf", now_ms - KNOWN_GOOD_KEPT_S * 1000)
                pipe.zremrangebyrank(key, 0, -1 - KNOWN_GOOD_MAX)
                pipe.expire(key, KNOWN_GOOD_KEPT_S)
                await pipe.execute()

    async def _refuse(self, counted: Sequence[Rule], binding: Sequence[Rule]) -> None:
        """Take back what *counted* and raise with the longest wait of *binding*."""
        for limit, names in counted:
            await self._windows.take_back(limit, *names)
        waits_s = [await self._windows.wait_s(limit, *names) for limit, names in binding]
        raise TooManyAttemptsError(max(1, *waits_s))

    def _rules(self, who: str, site: str) -> tuple[Rule, Rule, Rule]:
        """Return the limits with whom they count, narrowest first.

        Guesses at one pair then stop there and don't weigh on the others, not even in passing.
        """
        return (
            (self._pair, (who, site)),
            (self._address, (site,)),
            (self._account, (who,)),
        )


def _hashed(account: str) -> str:
    """Return what stands for the account: addresses of people do not appear in key names."""
    return hashlib.sha256(account.encode("utf-8", "replace")).hexdigest()[:32]
