"""How long each operation of the platform took, as the runner saw it."""

from collections.abc import Sequence
from statistics import median

import msgspec

from caas_reports.archive import NOTHING, Archive
from caas_reports.causes.trail import Trail
from caas_reports.model import Run

SHOWN_MAX = 10


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a service; milliseconds from the first byte sent to the last received."""

    service: str
    name: str  # `POST /v1/auth/api-keys`
    count: int
    median_ms: float
    p95_ms: float
    slowest_ms: float
    slowest_case: str
    slowest_exchange: str


def slowest(run: Run, archive: Archive = NOTHING) -> tuple[Operation, ...]:
    """Give the operations with the highest 95th percentile, the slowest first.

    Args:
        run: What happened.
        archive: The evidence that the run itself leaves out.
    """
    found: dict[tuple[str, str], list[tuple[float, str, str]]] = {}
    inline = ((case.id, attempt) for case in run.cases for attempt in case.attempts)
    kept = ((line.case, line.attempt) for line in archive.everything())
    for case_id, attempt in kept if archive.is_there else inline:
        trail = Trail(attempt)
        for exchange in attempt.exchanges:
            key = (exchange.service, trail.operation(exchange))
            seen = (exchange.timings.total_ms, case_id, exchange.id)
            found.setdefault(key, []).append(seen)
    made = [
        Operation(
            service=service,
            name=name,
            count=len(seen),
            median_ms=round(median(ms for ms, _, _ in seen), 3),
            p95_ms=_p95([ms for ms, _, _ in seen]),
            slowest_ms=max(seen)[0],
            slowest_case=max(seen)[1],
            slowest_exchange=max(seen)[2],
        )
        for (service, name), seen in found.items()
    ]
    made.sort(key=lambda one: (-one.p95_ms, one.service, one.name))
    return tuple(made[:SHOWN_MAX])


def _p95(values: Sequence[float]) -> float:
    """Give the nearest-rank 95th percentile."""
    return sorted(values)[-(-len(values) * 95 // 100) - 1]
