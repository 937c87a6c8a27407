"""Background work: named, bounded, never ended in silence, and ended for good at the stop.

One `cancel()` is not enough: `wait_for` of Python 3.11 loses a cancellation that comes with the
answer it waits for (gh-86296), drivers use it, and a loop that goes on is then waited for for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from caas.kernel.errors import UnavailableError
from caas.runtime.failures import describe_failure
from caas.runtime.time_limit import TimeLimit
from caas_observability.setup.logs import get_logger

END_MAX_S = 2.0
AGAIN_S = 0.5  # long enough for what a task tidies up after the first one
TASKS_MAX = 1_000
TURN_MAX_S = 60.0
LAST_TURN_MAX_S = 2.0

Work = Callable[[], Awaitable[object]]

_log = get_logger("caas.runtime.tasks")


class BackgroundTasks:
    """What a service does beside answering requests.

    Work that meets an outage (`UnavailableError`) is postponed to its next turn. Whatever else
    it raises is logged as the bug it is, and repeated work has its next turn all the same.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_turns: list[tuple[str, Work]] = []
        self._ending = False

    @property
    def running(self) -> int:
        """How many tasks there are."""
        return len(self._tasks)

    def spawn(self, name: str, work: Work, *, within_s: float = TURN_MAX_S) -> bool:
        """Do *work* once, now; tell whether it was begun, which it is not over `TASKS_MAX`.

        Args:
            name: Of the task, and in the log.
            work: Called in a task of its own.
            within_s: It is cancelled then, and that is logged.
        """
        return self._begin(name, self.attempt(name, work, within_s=within_s))

    def every(
        self,
        interval_s: float,
        name: str,
        work: Work,
        *,
        within_s: float = TURN_MAX_S,
        at_stop: bool = False,
    ) -> None:
        """Do *work* again and again, the first time *interval_s* from now.

        Args:
            interval_s: Between the end of one turn and the begin of the next.
            name: Of the task, and in the log.
            work: Called for each turn.
            within_s: Of one turn; it is cancelled then, and that is logged.
            at_stop: Whether it has a last turn at the stop, of `LAST_TURN_MAX_S`.
        """

        async def forever() -> None:
            while not self._ending:
                await asyncio.sleep(interval_s)
                await self.attempt(name, work, within_s=within_s)

        if self._begin(name, forever()) and at_stop:
            self._last_turns.append((name, work))

    async def end(self) -> None:
        """End everything under way, then give the last turns."""
        self._ending = True
        under_way = [*self._tasks]
        if not await end_tasks(under_way):
            names = sorted(task.get_name() for task in under_way if not task.done())
            _log.warning("background work does not end; going on without it", work=names)
        for name, work in self._last_turns:
            await self.attempt(name, work, within_s=LAST_TURN_MAX_S)

    async def attempt(self, name: str, work: Work, *, within_s: float = TURN_MAX_S) -> None:
        """Do *work* here and now, and log what it raises instead of raising it."""
        try:
            async with TimeLimit(within_s):
                await work()
        except UnavailableError as error:
            _log.warning("background work postponed", work=name, cause=str(error))
        except Exception as error:  # noqa: BLE001 - a bug, which must not end what is repeated
            _log.error("background work failed", work=name, **describe_failure(error))

    def _begin(self, name: str, turns: Coroutine[Any, Any, None]) -> bool:
        if self._ending or self.running >= TASKS_MAX:
            turns.close()
            _log.warning("background work refused", work=name, running=self.running)
            return False
        task = asyncio.create_task(turns, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], *, within_s: float = END_MAX_S) -> bool:
    """Cancel *tasks*, again and again, until they have ended; tell whether all have in time.

    What they raised is left with them.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    running = {task for task in tasks if not task.done()}
    while running:
        left_s = ends_at - loop.time()
        if left_s <= 0:
            return False
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=min(AGAIN_S, left_s))
    return True
