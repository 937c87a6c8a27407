"""Which traces are recorded: OTEL_TRACES_SAMPLER and its argument, as the specification has it.

A caller may ask for its trace to be recorded (the sampled flag of `traceparent`), and may choose
its trace id so that a ratio says yes: anybody can, so what callers obtain that way is bounded.
"""

import random
import time
from collections.abc import Callable, Mapping

FORCED_PER_S = 1_000  # the conformance runner asks 170 of one process, at -n 8 on two cores
FLUSHES_PER_S = 50  # the runner sends 20, one a round
BURST_S = 10

_BITS_64 = 1 << 64
_ALWAYS, _NEVER = _BITS_64, 0


class TokenBucket:
    """Grants *per_s* a second in the long run, and at once what `BURST_S` seconds left unused.

    Attributes:
        refused: How often it did not grant.
    """

    __slots__ = ("_at", "_left", "_monotonic", "per_s", "refused")

    def __init__(self, per_s: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self.refused = 0
        self._monotonic = monotonic
        self._at = monotonic()
        self._left = float(per_s * BURST_S)

    def take(self) -> bool:
        """Take one token; tell whether there was one."""
        now = self._monotonic()
        self._left = min(self._left + (now - self._at) * self.per_s, self.per_s * BURST_S)
        self._at = now
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        return True


class Sampler:
    """Decides from ids alone, so that nothing is built for a trace that nobody wants.

    Attributes:
        parent_based: Whether the caller's sampled flag decides when there is a caller.
        bound: A root is recorded when the low 64 bits of its trace id are below this.
        forced: What callers may obtain beyond what would be recorded anyway.
        flushes: End markers that callers may send; they count here and nowhere else, so that a
            flood of sampled requests does not hide the markers.
    """

    __slots__ = ("bound", "flushes", "forced", "parent_based")

    def __init__(
        self, *, ratio: float = 1.0, parent_based: bool = True, forced_per_s: int = FORCED_PER_S
    ) -> None:
        """Sample *ratio* (0 to 1) of the roots.

        Raises:
            ValueError: *ratio* is out of range.
        """
        if not 0.0 <= ratio <= 1.0:
            raise ValueError(f"sampling ratio {ratio} is not between 0 and 1")
        self.parent_based = parent_based
        self.bound = _ALWAYS if ratio == 1.0 else int(ratio * _BITS_64)
        self.forced = TokenBucket(forced_per_s)
        self.flushes = TokenBucket(FLUSHES_PER_S)

    def root(self, trace_id: str) -> bool:
        """Decide for a trace that starts here; every process decides alike for one id."""
        bound = self.bound
        if bound == _ALWAYS:
            return True
        return bound != _NEVER and int(trace_id[16:], 16) < bound

    def child(self, trace_id: str, parent_sampled: bool) -> bool:  # noqa: FBT001
        """Decide for a trace that started in another process, or that a caller says did.

        Beyond what `forced` grants the ratio decides, by lot: the id is the caller's choice.
        """
        wanted = parent_sampled if self.parent_based else self.root(trace_id)
        if not wanted or self.bound == _ALWAYS:
            return wanted
        return self.forced.take() or random.getrandbits(64) < self.bound

    def refused(self) -> dict[str, float]:
        """Return how often callers wanted more than the limits allow, by wish."""
        return {"forced": self.forced.refused, "flush": self.flushes.refused}


def sampler_from_env(environ: Mapping[str, str]) -> Sampler:
    """Read OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG; the default is parentbased_always_on.

    CAAS_TRACE_FORCED_PER_S is how many requests a second and process callers may have recorded
    that would not be otherwise; `FORCED_PER_S` by default.

    Raises:
        ValueError: The name or an argument is not one of the specification's, or no number.
    """
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip() or "parentbased_always_on"
    parent_based = name.startswith("parentbased_")
    match name.removeprefix("parentbased_"):
        case "always_on":
            ratio = 1.0
        case "always_off":
            ratio = 0.0
        case "traceidratio":
            ratio = float(environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or "1")
        case _:
            raise ValueError(f"OTEL_TRACES_SAMPLER={name} is not a known sampler")
    forced = environ.get("CAAS_TRACE_FORCED_PER_S", "").strip() or str(FORCED_PER_S)
    if not forced.isdecimal():
        raise ValueError("CAAS_TRACE_FORCED_PER_S is not a whole number")
    return Sampler(ratio=ratio, parent_based=parent_based, forced_per_s=int(forced))
