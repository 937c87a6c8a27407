"""Counters of wrong passwords in Redis, shared by all instances and safe in parallel.

An attempt is counted before its password is looked at and taken back when it was right, so that
a hundred parallel guesses are a hundred. Three counters: the pair of account and address, the
address, and the account. An address from which the owner signed in before is known good: for it
the address's and the account's counters don't matter, so a stranger who makes noise elsewhere,
or on other accounts from the same office, locks nobody out.
"""

import hashlib
from dataclasses import dataclass

from redis.asyncio import Redis

from caas.auth.errors import TooManyAttemptsError
from caas.kernel.clock import Clock
from caas.runtime.data.outages import translate_errors
from caas.runtime.identity.peers import site_of

KNOWN_GOOD_KEPT_S = 90 * 24 * 60 * 60
KNOWN_GOOD_MAX = 16

# KEYS: pair, address, account, known good. ARGV: now, window, member, three limits, all in ms
# or counts. A counter is a hash {n, until}: the caller's clock decides, the TTL only tidies up.
_RESERVE = """
local now, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = redis.call('ZSCORE', KEYS[4], ARGV[3])
local wait = 0
local counts = {}
for i = 1, 3 do
  local got = redis.call('HMGET', KEYS[i], 'n', 'until')
  local n, ends = tonumber(got[1]) or 0, tonumber(got[2]) or 0
  if ends <= now then n, ends = 0, now + window end
  counts[i] = {n, ends}
  local applies = i == 1 or not known
  if applies and n >= tonumber(ARGV[3 + i]) and ends - now > wait then wait = ends - now end
end
if wait > 0 then return wait end
for i = 1, 3 do
  redis.call('HSET', KEYS[i], 'n', counts[i][1] + 1, 'until', counts[i][2])
  redis.call('PEXPIRE', KEYS[i], window)
end
return 0
"""

# KEYS as above. ARGV: now, member, how long and how many known-good addresses are kept.
_SUCCEEDED = """
redis.call('DEL', KEYS[1])
for i = 2, 3 do
  if (tonumber(redis.call('HGET', KEYS[i], 'n')) or 0) > 0 then
    redis.call('HINCRBY', KEYS[i], 'n', -1)
  end
end
redis.call('ZADD', KEYS[4], ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', tonumber(ARGV[1]) - tonumber(ARGV[3]))
redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -1 - tonumber(ARGV[4]))
redis.call('PEXPIRE', KEYS[4], ARGV[3])
return 0
"""


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
        self._clock = clock
        self._limits = limits
        self._prefix = prefix
        self._reserve = redis.register_script(_RESERVE)
        self._succeeded = redis.register_script(_SUCCEEDED)

    async def reserve(self, account: str, address: str) -> None:
        """Count an attempt before its password is looked at.

        Raises:
            TooManyAttemptsError: One of the limits is reached; the attempt is not counted.
            UnavailableError: The counters can't be reached.
        """
        limits = self._limits
        site = site_of(address)
        arguments: list[str | int] = [
            self._clock.now_ms(),
            limits.window_s * 1000,
            site,
            limits.pair_failures_max,
            limits.address_failures_max,
            limits.account_failures_max,
        ]
        with translate_errors():
            wait_ms = int(await self._reserve(keys=self._keys(account, site), args=arguments))
        if wait_ms > 0:
            raise TooManyAttemptsError(-(-wait_ms // 1000))

    async def succeeded(self, account: str, address: str) -> None:
        """Take the attempt back and remember the address as one the owner uses."""
        site = site_of(address)
        arguments: list[str | int] = [
            self._clock.now_ms(),
            site,
            KNOWN_GOOD_KEPT_S * 1000,
            KNOWN_GOOD_MAX,
        ]
        with translate_errors():
            await self._succeeded(keys=self._keys(account, site), args=arguments)

    def _keys(self, account: str, site: str) -> list[str]:
        """Name the counters; addresses of people do not appear in key names."""
        who = hashlib.sha256(account.encode("utf-8", "replace")).hexdigest()[:32]
        start = f"{{{self._prefix}:login}}"  # one hash slot, for Redis Cluster
        return [
            f"{start}:pair:{who}:{site}",
            f"{start}:address:{site}",
            f"{start}:account:{who}",
            f"{start}:known:{who}",
        ]
