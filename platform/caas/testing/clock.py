"""A clock that only moves when told to."""

from dataclasses import dataclass


@dataclass(slots=True)
class FakeClock:
    """A `Clock` that the test advances."""

    ms: int = 1_700_000_000_000

    def now_ms(self) -> int:
        """Return the set time."""
        return self.ms

    def advance(self, seconds: float) -> None:
        """Move the time forward."""
        self.ms += int(seconds * 1000)
