"""How an instance follows the revocations: what a reply proves, and what a pause does to it."""

import asyncio
from collections import deque
from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from caas.contracts.auth.identity import RevocationEvent, SessionsRevoked
from caas.runtime.identity.revocation import (
    DEAF_AFTER_S,
    FIELD,
    HEARTBEAT_MS,
    RevocationFeed,
    RevocationLog,
    RevocationsUnknownError,
)
from caas.testing.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


class ScriptedRedis:
    """A stream whose replies come when the test says so.

    Attributes:
        blocks: How long each read was willing to wait, in milliseconds.
        asked: Set with every read.
    """

    def __init__(self) -> None:
        self.blocks: list[int | None] = []
        self.asked = asyncio.Event()
        self._replies: deque[asyncio.Future[list[Any]]] = deque()

    async def xinfo_stream(self, _name: str) -> dict[str, Any]:
        """Describe a stream that has lost nothing."""
        return {"last-generated-id": b"1-1", "entries-added": 1}

    async def time(self) -> tuple[int, int]:
        """Return the server's clock."""
        return 1_700_000_000, 0

    async def xread(self, _streams: object, *, count: int, block: int | None) -> list[Any]:
        """Wait for `reply`."""
        del count
        self.blocks.append(block)
        reply: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._replies.append(reply)
        self.asked.set()
        return await reply

    async def reply(self, *events: RevocationEvent) -> None:
        """Answer the read under way and wait for the next one."""
        await self.asked.wait()
        self.asked.clear()
        entries = [(b"2-1", {FIELD: msgspec.json.encode(event)}) for event in events]
        self._replies.popleft().set_result([[b"stream", entries]] if entries else [])
        await self.asked.wait()

    async def fail(self) -> None:
        """Break the read under way and wait for the next one."""
        await self.asked.wait()
        self.asked.clear()
        self._replies.popleft().set_exception(RedisConnectionError("gone"))
        await self.asked.wait()


class Bench:
    """A feed on a scripted stream and a clock of the test's."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.log = RevocationLog(monotonic=lambda: self.seconds)
        self.redis = ScriptedRedis()
        self.feed = RevocationFeed(self.redis, self.log)  # type: ignore[arg-type]


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Follow a stream that was heard once."""
    monkeypatch.setattr("caas.runtime.identity.revocation.RECONNECT_DELAY_S", 0.0)
    monkeypatch.setattr("caas.runtime.identity.revocation.WORD_AWAITED_S", PATIENCE_S)
    monkeypatch.setattr("caas.runtime.identity.revocation.READ_TIMEOUT_S", PATIENCE_S)
    made = Bench()
    await made.feed.start()
    await made.redis.reply()
    assert made.log.live
    yield made
    await made.feed.stop()


async def test_a_reply_counts_from_its_question(bench: Bench) -> None:
    """It may have lain in the socket while this process, and no other, stood still."""
    bench.seconds += 10 * DEAF_AFTER_S

    await bench.redis.reply()

    assert not bench.log.live
    with pytest.raises(RevocationsUnknownError):
        bench.log.is_revoked("s")
    await bench.redis.reply(SessionsRevoked(tenant_id="t", session_ids=("s",), reason="logout"))
    assert bench.log.is_revoked("s")


async def test_after_a_pause_the_next_word_is_asked_for_at_once(bench: Bench) -> None:
    """Waiting for news first would prolong the pause."""
    bench.seconds += 10 * DEAF_AFTER_S

    await bench.redis.reply()
    await bench.redis.reply()

    assert bench.redis.blocks == [None, HEARTBEAT_MS, None, HEARTBEAT_MS]


async def test_after_a_pause_the_next_word_is_awaited(bench: Bench) -> None:
    """Nothing is wrong with the platform, so nobody hears 503."""
    bench.seconds += 10 * DEAF_AFTER_S
    waiting = [asyncio.create_task(bench.log.known()) for _ in range(3)]
    probing = asyncio.create_task(bench.feed.probe())

    await bench.redis.reply()
    assert not any(task.done() for task in waiting)
    await bench.redis.reply()

    await asyncio.gather(*waiting, probing)


async def test_the_wait_may_begin_outside_of_a_task(bench: Bench) -> None:
    """As fast routes run, up to the first wait; a time limit alone would refuse to."""
    bench.seconds += 10 * DEAF_AFTER_S
    waiting, word = bench.log.known(), asyncio.Event()

    def begin() -> None:
        waiting.send(None).add_done_callback(lambda _: word.set())

    asyncio.get_running_loop().call_soon(begin)
    await bench.redis.reply()
    await bench.redis.reply()
    await word.wait()

    with pytest.raises(StopIteration):
        waiting.send(None)


async def test_a_lost_stream_is_not_waited_for(bench: Bench) -> None:
    """While Redis is away every request would otherwise take the whole patience."""
    bench.seconds += 10 * DEAF_AFTER_S
    waiting = asyncio.create_task(bench.log.known())

    await bench.redis.fail()
    assert not waiting.done()  # once may be the pause's doing
    await bench.redis.fail()

    with pytest.raises(RevocationsUnknownError):
        await waiting
    with pytest.raises(RevocationsUnknownError):
        await bench.log.known()


async def test_a_silent_stream_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The patience has an end."""
    monkeypatch.setattr("caas.runtime.identity.revocation.WORD_AWAITED_S", 0.01)
    bench.seconds += 10 * DEAF_AFTER_S

    with pytest.raises(RevocationsUnknownError):
        await bench.log.known()
