"""Redis (or Valkey) clients: safe defaults, client spans, and a probe for readiness.

**The driver sends a command once.** Its own default repeats each up to ten times when the answer
is late or lost, whatever the command does: a late XADD would be there eleven times, a counter
eleven too high, a key taken twice and the second time by a stranger. Nearly all that is done
here has such an effect (streams, counters, leases, scripts), so the one kind of client repeats
nothing, and who knows that repeating is harmless says so where that is known: see
`caas.runtime.repeating`. A dead connection costs no command all the same: the pool looks
at each before it hands it out, and connects anew.

**A blocking read** must ask for less than `COMMAND_MAX_S`, which ends it like any command.
"""

from collections.abc import Awaitable
from typing import Any, TypeVar, cast

import redis.asyncio
import redis.exceptions
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from caas.runtime.time_limit import TimeLimit
from caas_observability.setup.drivers import instrument_redis

CONNECT_MAX_S = 2.0
SOCKET_MAX_S = 5.0
HEALTH_CHECK_EVERY_S = 15
POOL_MAX_CONNECTIONS = 256
COMMAND_MAX_S = 2.0
"""A command's whole time. The driver's own limits are for one read or connection attempt and add
up with its repeats and health checks to most of a minute, for which every caller would wait."""

T = TypeVar("T")


class Redis(redis.asyncio.Redis):
    """`redis.asyncio.Redis` that bounds each command by `COMMAND_MAX_S`."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command; raise the driver's `TimeoutError` after `COMMAND_MAX_S`."""
        return await bounded(super().execute_command(*args, **options))  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "BoundedPipeline":  # noqa: FBT001, FBT002 - the driver's own signature
        """Return a pipeline whose commands share one bound."""
        return BoundedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )


class BoundedPipeline(Pipeline):
    """A pipeline that is bounded as one command."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - the driver's own signature
        """Send everything queued; return the answers in order."""
        return await bounded(super().execute(raise_on_error))


async def bounded(answer: Awaitable[T]) -> T:
    """Return the answer; raise the driver's `TimeoutError` after `COMMAND_MAX_S`."""
    try:
        async with TimeLimit(COMMAND_MAX_S):
            if trace.get_current_span().is_recording():
                return await answer
            with suppress_instrumentation():  # no span that nobody records
                return await answer
    except TimeoutError:
        raise redis.exceptions.TimeoutError("no answer in time") from None


def open_redis(url: str, *, client_name: str, decode_responses: bool = False) -> Redis:
    """Return a client with bounded waits that sends each command once; it connects on first use.

    Call it in the lifespan, never before a fork. What *url* itself says wins over the defaults.

    Args:
        url: `redis://`, `rediss://` or `unix://`; credentials in it are never logged.
        client_name: Shown by CLIENT LIST.
        decode_responses: Whether answers are text; bytes are faster.
    """
    instrument_redis()
    client = Redis.from_url(
        url,
        client_name=client_name,
        decode_responses=decode_responses,
        socket_connect_timeout=CONNECT_MAX_S,
        socket_timeout=SOCKET_MAX_S,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=HEALTH_CHECK_EVERY_S,
        max_connections=POOL_MAX_CONNECTIONS,
        # With them (the default) the pool hands out connections that the server has closed.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return cast("Redis", client)


async def ping_redis(client: redis.asyncio.Redis) -> None:
    """Raise when the server doesn't answer."""
    await client.ping()
