"""How long the caller still waits: carried in `x-caas-deadline-ms`, passed on by our clients."""

import time
from contextvars import ContextVar

from caas.runtime.http.problems import RefusalError

DEADLINE_MAX_MS = 600_000

_deadline: ContextVar[float | None] = ContextVar("caas_deadline", default=None)


def parse_deadline(value: bytes) -> float:
    """Return the `time.monotonic()` at which a budget of *value* milliseconds is spent.

    Raises:
        RefusalError: 400, *value* is not a whole number of 0 to `DEADLINE_MAX_MS`.
    """
    if not value.isdigit() or len(value) > len(str(DEADLINE_MAX_MS)):
        raise RefusalError(
            400, "x-caas-deadline-ms must be a whole number of milliseconds", code="bad_deadline"
        )
    return time.monotonic() + min(int(value), DEADLINE_MAX_MS) / 1000


def set_deadline(at: float) -> None:
    """Set the current request's deadline, as `time.monotonic()` counts."""
    _deadline.set(at)


def remaining_ms() -> int | None:
    """Return the milliseconds left of the current request's budget; None when it has none."""
    at = _deadline.get()
    return None if at is None else max(0, int((at - time.monotonic()) * 1000))
