"""Limits off the hot path: the `limits` package over this platform's Redis clients.

A fixed window begins with the first hit and ends by the server's clock; each hit is one atomic
increment, so that a hundred at once are a hundred. The hot path's limiter, which leases its
quota, is `caas.runtime.ratelimit`.
"""

import math
import time
from typing import Any, cast

from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from caas.runtime.data.redis import Redis, bounded

TAKEN_BACK = -1


class _Storage(RedisStorage):
    """The package's own, without importing the other clients that it would work with."""

    DEPENDENCIES = {"redis": RedisStorage.DEPENDENCIES["redis"]}  # noqa: RUF012 - as in the base


class Windows:
    """Counters of one purpose, shared by all instances.

    Args:
        redis: Whose pool is used.
        prefix: Starts every key.
    """

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        # "redispy" by name: without it the package looks for coredis.
        self._storage = _Storage(
            "async+redis://",
            implementation="redispy",
            key_prefix=prefix,
            connection_pool=cast("Any", redis.connection_pool),  # documented, and typed as a number
        )
        self._limiter = FixedWindowRateLimiter(self._storage)

    async def hit(self, limit: RateLimitItem, *names: str) -> bool:
        """Count one more; tell whether it is within *limit*. One that is not counts too."""
        return await bounded(self._limiter.hit(limit, *names))

    async def take_back(self, limit: RateLimitItem, *names: str) -> None:
        """Count one less."""
        key = limit.key_for(*names)
        await bounded(self._storage.incr(key, limit.get_expiry(), TAKEN_BACK))

    async def forget(self, limit: RateLimitItem, *names: str) -> None:
        """Count from nothing again."""
        await bounded(self._limiter.clear(limit, *names))

    async def wait_s(self, limit: RateLimitItem, *names: str) -> int:
        """Return in how many seconds one more is within *limit*; 0 is now."""
        stats = await bounded(self._limiter.get_window_stats(limit, *names))
        return 0 if stats.remaining > 0 else max(1, math.ceil(stats.reset_time - time.time()))
