"""How long tests wait."""

from collections.abc import Iterator

PATIENCE_S = 60.0
"""Until an event that has not come is called missing: longer than machines stall. A test that
passes never waits for it; one that has to see a limit kept uses a clock or a limit of its own."""

LIMITS_TRIED = 3
LIMIT_GROWTH = 5


def growing(first_s: float) -> Iterator[float]:
    """Yield limits for a wait that is to end at its limit, for what has to happen before that.

    A machine that stalls can use up any one of them too early, and then the next is tried.
    """
    for power in range(LIMITS_TRIED):
        yield first_s * LIMIT_GROWTH**power
