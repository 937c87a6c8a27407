"""A limit on waiting for a peer that does not count the time in which this process stood still.

A machine that stalls, a virtual machine that is moved, a process that gets no CPU: when it goes
on, every timer is due at once and the answers that came meanwhile lie unread in their sockets.
`asyncio.timeout` would then blame peers that were in time.
"""

import asyncio
from types import TracebackType
from typing import Self

LATE_S = 0.05
"""A timer that fires this late says that the loop stood still."""


class TimeLimit:
    """`async with TimeLimit(s)`: as `asyncio.timeout(s)`, begun anew, once, after a pause.

    So a wait ends after two times *seconds* and the pause at the latest. For use inside of tasks,
    as `asyncio.timeout` is.

    Raises:
        TimeoutError: the block took longer.
    """

    __slots__ = ("_due", "_loop", "_seconds", "_timeout", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        self._due = self._loop.time() + self._seconds
        self._timer = self._loop.call_at(self._due, self._on_due)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop counting."""
        self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def _on_due(self) -> None:
        now = self._loop.time()
        if now - self._due > LATE_S:
            self._timer = self._loop.call_at(now + self._seconds, self._end)
        else:
            self._end()

    def _end(self) -> None:
        self._timeout.reschedule(self._loop.time())
