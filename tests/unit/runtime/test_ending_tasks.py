"""Tasks that miss a cancellation, and what waits for them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from caas.runtime import tasks
from caas.runtime.data.redis import Redis
from caas.runtime.http import idempotency
from caas.runtime.http.idempotency import Idempotency
from caas.runtime.tasks import end_tasks
from caas.testing.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancel again at once."""
    monkeypatch.setattr(tasks, "AGAIN_S", 0.001)


async def swallow(times: int) -> None:
    """Go on in spite of so many cancellations."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if times <= 0:
                raise
            times -= 1


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_task_that_misses_cancellations_ends_all_the_same(times: int) -> None:
    """It hears a later one."""
    running = [asyncio.create_task(swallow(n)) for n in (0, times)]
    await asyncio.sleep(0)

    assert await end_tasks(running, within_s=PATIENCE_S)
    assert all(task.cancelled() for task in running)


async def test_a_cancellation_that_comes_with_the_answer_is_repeated() -> None:
    """Python 3.11's `wait_for` loses it, and the loop around it goes on (gh-86296)."""
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def forever() -> None:
        await asyncio.wait_for(answer, PATIENCE_S)
        await asyncio.Event().wait()

    running = asyncio.create_task(forever())
    await asyncio.sleep(0)
    answer.set_result(None)

    assert await end_tasks([running], within_s=PATIENCE_S)


async def test_a_task_that_never_ends_is_given_up() -> None:
    """Whoever stops goes on, and knows."""
    over = asyncio.Event()

    async def stubborn() -> None:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    running = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    given_up = not await end_tasks([running], within_s=0.01)
    still_there = not running.done()
    over.set()
    await asyncio.wait([running])

    assert (given_up, still_there) == (True, True)


async def test_nothing_to_end_costs_no_wait() -> None:
    """Nor do tasks that have ended; what they raised stays theirs."""

    async def fail() -> None:
        raise ValueError("mine")

    failed = asyncio.create_task(fail())
    await asyncio.wait([failed])

    assert await end_tasks([], within_s=0.0)
    assert await end_tasks([failed], within_s=0.0)
    assert isinstance(failed.exception(), ValueError)


class Store:
    """A store whose renewals miss their cancellation."""

    def __init__(self) -> None:
        self.renewing = asyncio.Event()
        self.renewed = 0

    def register_script(self, script: str) -> Callable[..., Awaitable[None]]:
        """Return a renewal, or something that does nothing."""

        async def renew(**_: Any) -> None:
            self.renewed += 1
            self.renewing.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return

        async def nothing(**_: Any) -> None:
            return

        return renew if script == idempotency._RENEW else nothing


async def test_a_lease_is_not_renewed_after_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a lost cancellation would leave a loop behind for every such request."""
    monkeypatch.setattr(idempotency, "LEASE_RENEW_EVERY_S", 0.0)
    store = Store()
    before = asyncio.all_tasks()
    async with Idempotency(cast("Redis", store), secret="s")._holding("key", b"mine"):
        await store.renewing.wait()
        (renewing,) = asyncio.all_tasks() - before

    done, _ = await asyncio.wait([renewing], timeout=PATIENCE_S)
    assert done
    assert store.renewed == 1
