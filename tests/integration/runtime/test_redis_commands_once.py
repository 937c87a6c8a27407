"""A command whose answer is late or lost was executed once; on a real server behind a proxy."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import redis.exceptions
from limits import RateLimitItemPerMinute
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from caas.runtime.data.redis import COMMAND_MAX_S, SOCKET_MAX_S, Redis, open_redis
from caas.runtime.data.windows import Windows
from caas.runtime.identity.revocation import HEARTBEAT_MS, READ_TIMEOUT_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

Effect = Callable[[Redis, str], Awaitable[object]]
LOST = (redis.exceptions.TimeoutError, redis.exceptions.ConnectionError)
LIMIT = RateLimitItemPerMinute(1000)


class Proxy:
    """Passes everything on, but answers to commands that name `about` are late or lost."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._path = parts.path
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.about: bytes | None = None
        self.fault = ""

    async def start(self) -> str:
        """Return the address to use, with a short time to wait for an answer."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"redis://127.0.0.1:{port}{self._path}?socket_timeout=0.2"

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_upstream = await asyncio.open_connection(*self._address)
        self._writers += [writer, to_upstream]
        faults: list[str] = []
        answering = asyncio.create_task(self._answer(upstream, writer, faults))
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.about is not None and self.about in data:
                    faults.append(self.fault)
                to_upstream.write(data)
        to_upstream.close()
        await answering

    @staticmethod
    async def _answer(
        upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: list[str]
    ) -> None:
        while data := await upstream.read(65536):
            if not faults:
                writer.write(data)
            elif faults[0] == "lost":
                break
        writer.close()


async def _counted(client: Redis, key: str) -> int:
    return int(await client.get(key) or 0)


async def _pipeline(client: Redis, key: str) -> None:
    async with client.pipeline(transaction=True) as pipe:
        pipe.incr(key)
        await pipe.execute()


EFFECTS: dict[str, tuple[Effect, Effect]] = {
    "stream": (lambda c, k: c.xadd(k, {"a": "b"}), lambda c, k: c.xlen(k)),
    "counter": (lambda c, k: c.incr(k), _counted),
    "script": (
        lambda c, k: c.register_script("return redis.call('INCR', KEYS[1])")(keys=[k]),
        _counted,
    ),
    "transaction": (_pipeline, _counted),
    "limit": (
        lambda c, k: Windows(c, prefix=k).hit(LIMIT, "who"),
        lambda c, k: _counted(c, f"{k}:{LIMIT.key_for('who')}"),
    ),
}


@pytest.fixture
async def direct(redis_url: str) -> AsyncIterator[Redis]:
    """Return a client of the real server, past the proxy."""
    client = open_redis(redis_url, client_name="tests")
    yield client
    await client.aclose()


async def _executed(effect: str, key: str, fault: str, client: Redis, proxy: Proxy) -> None:
    """Do it once with an answer, which also loads scripts, and once without."""
    do, _ = EFFECTS[effect]
    await do(client, key)
    proxy.fault, proxy.about = fault, key.encode()
    with pytest.raises(LOST):
        await do(client, key)
    proxy.about = None
    await client.ping()


@pytest.mark.parametrize("fault", ["late", "lost"])
@pytest.mark.parametrize("effect", EFFECTS)
async def test_effect_happens_once_though_its_answer_does_not_come(
    effect: str, fault: str, redis_url: str, database: str, direct: Redis
) -> None:
    """And the next command of the same client finds a good connection."""
    proxy = Proxy(redis_url)
    client = open_redis(await proxy.start(), client_name="tests")
    await _executed(effect, f"{database}:k", fault, client, proxy)
    await client.aclose()
    await proxy.stop()

    assert await EFFECTS[effect][1](direct, f"{database}:k") == 2


async def test_driver_that_repeats_does_it_again(
    redis_url: str, database: str, direct: Redis
) -> None:
    """The control: what the driver does unless told not to, which the proxy shows."""
    proxy = Proxy(redis_url)
    client = open_redis(await proxy.start(), client_name="tests")
    client.set_retry(Retry(NoBackoff(), 2))
    await _executed("stream", f"{database}:k", "late", client, proxy)
    await client.aclose()
    await proxy.stop()

    assert await direct.xlen(f"{database}:k") == 4


async def test_blocking_read_ends_before_the_client_gives_up(direct: Redis, database: str) -> None:
    """With nothing to read, as the driver's own time limits would make an error of it."""
    assert HEARTBEAT_MS / 1000 < READ_TIMEOUT_S < COMMAND_MAX_S < SOCKET_MAX_S
    assert not await direct.xread({f"{database}:none": "$"}, block=HEARTBEAT_MS)


async def test_connection_that_died_in_the_pool_costs_no_command(
    direct: Redis, redis_url: str
) -> None:
    """Nothing is repeated for it: it is seen before the command is sent."""
    client = open_redis(redis_url, client_name="victim")
    victim = await client.client_id()
    await direct.client_kill_filter(_id=str(victim))
    await direct.ping()  # what the killed one's socket said has been read by now, too

    assert await client.ping()
    await client.aclose()
