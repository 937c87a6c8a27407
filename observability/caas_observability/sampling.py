"""Which traces are recorded: OTEL_TRACES_SAMPLER and its argument, as the specification has it."""

from collections.abc import Mapping

_BITS_64 = 1 << 64
_ALWAYS, _NEVER = _BITS_64, 0


class Sampler:
    """Decides from ids alone, so that nothing is built for a trace that nobody wants.

    Attributes:
        parent_based: Whether the caller's sampled flag decides when there is a caller.
        bound: A root is recorded when the low 64 bits of its trace id are below this.
    """

    __slots__ = ("bound", "parent_based")

    def __init__(self, *, ratio: float = 1.0, parent_based: bool = True) -> None:
        """Sample *ratio* (0 to 1) of the roots.

        Raises:
            ValueError: *ratio* is out of range.
        """
        if not 0.0 <= ratio <= 1.0:
            raise ValueError(f"sampling ratio {ratio} is not between 0 and 1")
        self.parent_based = parent_based
        self.bound = _ALWAYS if ratio == 1.0 else int(ratio * _BITS_64)

    def root(self, trace_id: str) -> bool:
        """Decide for a trace that starts here; every process decides alike for one id."""
        bound = self.bound
        if bound == _ALWAYS:
            return True
        return bound != _NEVER and int(trace_id[16:], 16) < bound

    def child(self, trace_id: str, parent_sampled: bool) -> bool:  # noqa: FBT001
        """Decide for a trace that started in another process."""
        return parent_sampled if self.parent_based else self.root(trace_id)


def sampler_from_env(environ: Mapping[str, str]) -> Sampler:
    """Read OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG; the default is parentbased_always_on.

    Raises:
        ValueError: The name or the argument is not one of the specification's.
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
    return Sampler(ratio=ratio, parent_based=parent_based)
