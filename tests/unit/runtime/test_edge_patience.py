"""One timer for what every request waits for."""

import asyncio

import pytest

from caas.runtime.http.edge.patience import Patience
from caas.runtime.time_limit import LATE_S
from caas.testing.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

BRIEF_S = 0.01


async def test_what_takes_too_long_is_a_timeout() -> None:
    """And the task goes on as if nobody had ever cancelled it."""
    patience = Patience(BRIEF_S)
    task = asyncio.current_task()
    assert task is not None

    for _ in range(2):
        with pytest.raises(TimeoutError), patience:
            await asyncio.wait_for(asyncio.Event().wait(), PATIENCE_S)
        assert task.cancelling() == 0

    await asyncio.sleep(0)


async def test_what_ends_in_time_is_left_alone() -> None:
    """However long its task goes on after that."""
    patience = Patience(BRIEF_S)
    others = Patience(BRIEF_S)
    with patience:
        await asyncio.sleep(0)

    with pytest.raises(TimeoutError), others:
        await asyncio.wait_for(asyncio.Event().wait(), PATIENCE_S)


async def test_each_task_has_its_own() -> None:
    """One that waits for ever takes no other along."""
    patience = Patience(BRIEF_S)
    swept: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def waits_for_ever() -> None:
        with patience:
            await asyncio.wait_for(asyncio.Event().wait(), PATIENCE_S)

    async def again_and_again() -> int:
        rounds = 0
        while not swept.done():
            with patience:
                await asyncio.sleep(0)
            rounds += 1
        return rounds

    stuck = asyncio.create_task(waits_for_ever())
    stuck.add_done_callback(lambda _: swept.set_result(None))

    assert await asyncio.wait_for(again_and_again(), PATIENCE_S) > 0
    with pytest.raises(TimeoutError):
        await stuck


async def test_time_that_stood_still_counts_for_nobody() -> None:
    """What came meanwhile lies unread: the wait begins anew, and ends all the same."""
    patience = Patience(PATIENCE_S)
    came = asyncio.Event()

    async def waits() -> None:
        with patience:
            await came.wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    patience._since = dict.fromkeys(patience._since, -PATIENCE_S)
    patience._due = asyncio.get_running_loop().time() - 2 * LATE_S
    patience._sweep()
    came.set()

    await asyncio.wait_for(task, PATIENCE_S)


async def test_a_cancellation_from_outside_stays_one() -> None:
    """A stop is no timeout."""
    patience = Patience(PATIENCE_S)

    async def waits() -> None:
        with patience:
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
