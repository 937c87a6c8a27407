"""Time limits for what every request waits for, kept by one timer for all of them.

`asyncio.timeout` makes a timer for each wait, and most waits end within a millisecond. Time in
which this process stood still counts for nobody, as in `caas.runtime.time_limit`.
"""

import asyncio
from itertools import takewhile
from types import TracebackType
from typing import Any

from caas.runtime.time_limit import LATE_S

LATE_SHARE = 0.25  # how much later than its limit a wait may end, as a share of it


class Patience:
    """Ends what takes longer than *limit_s* inside of `with patience:`, with a `TimeoutError`."""

    __slots__ = ("_due", "_limit_s", "_loop", "_since")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since: dict[asyncio.Task[Any] | None, float] = {}  # in order of their start
        self._loop: asyncio.AbstractEventLoop | None = None  # whose timer is set
        self._due = 0.0

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._since[asyncio.current_task()] = loop.time()
        if self._loop is not loop:
            self._set_timer(loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        if task is None or self._since.pop(task, None) is not None:
            return
        # Swept. Somebody else may have cancelled as well, and then that is what counts.
        if task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._due > LATE_S:  # begun anew
            self._since = dict.fromkeys(self._since, now)
        due = now - self._limit_s
        for task in list(takewhile(lambda one: self._since[one] <= due, self._since)):
            del self._since[task]
            if task is not None:
                task.cancel()
        if self._since:
            self._set_timer(loop)
        else:
            self._loop = None

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due = loop.time() + self._limit_s * LATE_SHARE
        loop.call_at(self._due, self._sweep)
