"""Time as a dependency, so that tests own it."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a service reads the time."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds, UTC."""
        return time.time_ns() // 1_000_000


def rfc3339(ms: int) -> str:
    """Write Unix milliseconds as the seeds do: `2026-02-24T20:14:20.885Z`."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
