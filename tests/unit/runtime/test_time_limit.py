"""A limit that blames the peer for its own silence, not for a pause of this process."""

import asyncio

import pytest

from caas.runtime.time_limit import TimeLimit
from caas.testing.pauses import later

pytestmark = pytest.mark.anyio

LONG_S = 3_600.0


async def never() -> None:
    """Wait for ever."""
    await asyncio.Event().wait()


async def turns(count: int = 5) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_silence_ends_in_a_timeout() -> None:
    """As with `asyncio.timeout`."""
    with pytest.raises(TimeoutError):
        async with TimeLimit(0.01):
            await never()


async def test_what_is_in_time_is_left_alone() -> None:
    """Also by an exception of its own."""
    async with TimeLimit(LONG_S):
        await asyncio.sleep(0)
    with pytest.raises(KeyError):
        async with TimeLimit(LONG_S):
            raise KeyError


async def test_a_pause_is_not_held_against_the_peer() -> None:
    """The answer was there when the process went on, or a moment after."""
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask() -> str:
        async with TimeLimit(1.0):
            return await answer

    asking = asyncio.create_task(ask())
    await turns()
    with later(LONG_S):
        await turns()
        answer.set_result("in time")
        assert await asking == "in time"


async def test_the_limit_begins_anew_only_once() -> None:
    """Who stays silent after the pause has had its time."""

    async def ask() -> None:
        async with TimeLimit(1.0):
            await never()

    asking = asyncio.create_task(ask())
    await turns()
    with later(LONG_S):
        await turns()
        assert not asking.done()
        with later(LONG_S), pytest.raises(TimeoutError):
            await asking


async def test_a_cancelled_block_is_cancelled() -> None:
    """And is no timeout, before a pause and after it."""

    async def ask() -> None:
        async with TimeLimit(1.0):
            await never()

    asking = asyncio.create_task(ask())
    await turns()
    with later(LONG_S):
        await turns()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
