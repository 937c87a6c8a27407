"""Which traces are recorded: OTEL_TRACES_SAMPLER and its argument, as the specification has it.

A caller may ask for its trace to be recorded (the sampled flag of `traceparent`), and may choose
its trace id so that a ratio says yes: anybody can, so what callers obtain that way is bounded.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

MARKER_NAME = "caas.telemetry.marker"
FORCED_PER_S = 1_000  # the conformance runner asks 170 of one process, at -n 8 on two cores
FLUSHES_PER_S = 50  # the runner sends 20, one a round
BURST_S = 10

_BITS_64 = 1 << 64
_LOW_64 = _BITS_64 - 1
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
    """Decides on requests from ids alone, so that nothing is built for one that nobody wants.

    What it decides the SDK's sampler of the same settings (`for_provider`) decides too.

    Attributes:
        parent_based: Whether the caller's sampled flag decides when there is a caller.
        bound: A root is recorded when the low 64 bits of its trace id are below this.
        forced: What callers may obtain beyond what would be recorded anyway.
        flushes: End markers that callers may send; they count here and nowhere else, so that a
            flood of sampled requests does not hide the markers.
    """

    __slots__ = ("bound", "flushes", "forced", "parent_based", "ratio")

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
        self.ratio = ratio
        self.bound = _ALWAYS if ratio == 1.0 else sdk.TraceIdRatioBased.get_bound_for_rate(ratio)
        self.forced = TokenBucket(forced_per_s)
        self.flushes = TokenBucket(FLUSHES_PER_S)

    def root(self, trace_id: int) -> bool:
        """Decide for a trace that starts here; every process decides alike for one id."""
        bound = self.bound
        if bound == _ALWAYS:
            return True
        return bound != _NEVER and trace_id & _LOW_64 < bound

    def child(self, trace_id: str, parent_sampled: bool) -> bool:  # noqa: FBT001
        """Decide for a trace that started in another process, or that a caller says did.

        Beyond what `forced` grants the ratio decides, by lot: the id is the caller's choice.
        """
        wanted = parent_sampled if self.parent_based else self.root(int(trace_id, 16))
        if not wanted or self.bound == _ALWAYS:
            return wanted
        return self.forced.take() or random.getrandbits(64) < self.bound

    def for_provider(self) -> sdk.Sampler:
        """Return the SDK's sampler of the same settings."""
        root: sdk.Sampler = sdk.TraceIdRatioBased(self.ratio)
        if self.bound in {_ALWAYS, _NEVER}:
            root = sdk.ALWAYS_ON if self.bound else sdk.ALWAYS_OFF
        return RequestsOnly(sdk.ParentBased(root) if self.parent_based else root)

    def refused(self) -> dict[str, float]:
        """Return how often callers wanted more than the limits allow, by wish."""
        return {"forced": self.forced.refused, "flush": self.flushes.refused}


class RequestsOnly(sdk.Sampler):
    """Another sampler, without outgoing calls that belong to nothing, and with every marker.

    A background task that polls a stream or renews a lease would otherwise be a trace a call.
    """

    def __init__(self, inner: sdk.Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> sdk.SamplingResult:
        """Decide as the other one, but for roots of kind client."""
        if kind is trace.SpanKind.CLIENT:
            parent = trace.get_current_span(parent_context).get_span_context()
            if not parent.is_valid:
                return sdk.SamplingResult(sdk.Decision.DROP)
        if name == MARKER_NAME:
            return sdk.SamplingResult(sdk.Decision.RECORD_AND_SAMPLE, attributes)
        return self._inner.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """Name the sampler."""
        return f"RequestsOnly{{{self._inner.get_description()}}}"


class DecidedIds(RandomIdGenerator):
    """Random ids; a root that was decided on by its id keeps that id."""

    def __init__(self) -> None:
        self._decided = threading.local()

    def decide(self, trace_id: int) -> None:
        """Give the next root of this thread *trace_id*."""
        self._decided.trace_id = trace_id

    def generate_trace_id(self) -> int:
        """Return the id that was decided on, else a random one."""
        trace_id: int = getattr(self._decided, "trace_id", 0)
        self._decided.trace_id = 0
        return trace_id or super().generate_trace_id()


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
