"""Notice when the harness itself stood still: what it saw meanwhile says nothing of the platform.

A machine that stalls, or gives its processors to others, makes every wait too long at once. A red
attempt that lived through that is inconclusive and is taken again; it stays in the report.

A harness that was busy did not stand still: what keeps it busy is what the platform sent, and
that must not excuse the platform. So only time counts in which this process did not run.
"""

import asyncio
from contextlib import suppress
from time import perf_counter, process_time
from typing import Self

TICK_S = 0.05
PAUSE_MIN_S = 0.25
"""Shorter than anything that a case or the platform promises to be done within."""


class PauseWatch:
    """Sums up how long the event loop stood still with nothing to do, while it is entered."""

    def __init__(self) -> None:
        self._total_s = 0.0
        self._due = float("inf")
        self._worked_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def total_s(self) -> float:
        """Return the seconds lost so far, a pause that ends just now included."""
        return self._total_s + self._late_s()

    async def _watch(self) -> None:
        while True:
            self._due = perf_counter() + TICK_S
            self._worked_s = process_time()
            await asyncio.sleep(TICK_S)
            self._total_s += self._late_s()

    def _late_s(self) -> float:
        busy_s = process_time() - self._worked_s  # of all threads: they take turns
        stood_s = round(perf_counter() - self._due - busy_s, 2)
        return stood_s if stood_s >= PAUSE_MIN_S else 0.0
