"""How long to wait before a process that died is started again."""

FIRST_DELAY_S = 0.1
FACTOR = 2.0
DELAY_MAX_S = 10.0
STABLE_AFTER_S = 30.0


class Backoff:
    """Doubling delays, forgotten once a process has stayed up for `STABLE_AFTER_S`."""

    def __init__(self) -> None:
        self._delay_s = FIRST_DELAY_S

    def next_delay_s(self, *, uptime_s: float) -> float:
        """Return the delay after a death that came *uptime_s* after the start."""
        if uptime_s >= STABLE_AFTER_S:
            self._delay_s = FIRST_DELAY_S
        delay_s = self._delay_s
        self._delay_s = min(delay_s * FACTOR, DELAY_MAX_S)
        return delay_s
