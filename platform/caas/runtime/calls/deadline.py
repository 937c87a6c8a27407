"""How long the caller still waits: carried in `x-caas-deadline-ms`, passed on by our clients."""

import time
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("caas_deadline", default=None)


def set_deadline(at: float) -> None:
    """Set the current request's deadline, as `time.monotonic()` counts."""
    _deadline.set(at)


def remaining_ms() -> int | None:
    """Return the milliseconds left of the current request's budget; None when it has none."""
    at = _deadline.get()
    return None if at is None else max(0, int((at - time.monotonic()) * 1000))
