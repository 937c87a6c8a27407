"""Interleaved rounds: every contestant once a round, so that a drifting machine hits all alike."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

WARM_UPS_MAX = 6
STILL_WARMING = 0.9  # of the cost before


@dataclass(frozen=True, slots=True)
class Sample:
    """One contestant in one round."""

    rate: float  # units of work per second
    cpu_us: float  # CPU of the server per unit of work, microseconds; 0 when not measured
    p99_ms: float = 0.0

    @property
    def cost_us(self) -> float:
        """What one unit of work costs: CPU where it was measured, else time."""
        return self.cpu_us or 1e6 / self.rate


@dataclass(slots=True)
class Result:
    """All rounds of one benchmark; ratios are paired within a round.

    Attributes:
        references: Contestants that are compared with another one than `reference`.
        notes: Printed below the table.
    """

    title: str
    unit: str
    reference: str
    goals: Mapping[str, float]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def reference_of(self, name: str) -> list[Sample]:
        """Return the samples that *name* is compared with."""
        return self.samples[self.references.get(name, self.reference)]

    def ratio(self, name: str) -> float:
        """Return the median over rounds of *name*'s rate by the reference's."""
        pairs = zip(self.samples[name], self.reference_of(name), strict=True)
        return statistics.median(ours.rate / theirs.rate for ours, theirs in pairs)

    def cpu_ratio(self, name: str) -> float:
        """Return the median over rounds of the CPU per unit by the reference's."""
        pairs = zip(self.samples[name], self.reference_of(name), strict=True)
        return statistics.median(
            ours.cpu_us / theirs.cpu_us if theirs.cpu_us else 0.0 for ours, theirs in pairs
        )


def interleave(
    result: Result, contestants: Mapping[str, Callable[[], Sample]], *, rounds: int
) -> Result:
    """Run every contestant once per round, in turn forwards and backwards, after warming up."""
    order: Sequence[str] = list(contestants)
    for name in order:
        _warm_up(contestants[name])
    for number in range(rounds):
        for name in order if number % 2 == 0 else reversed(order):
            result.samples.setdefault(name, []).append(contestants[name]())
    return result


def _warm_up(contestant: Callable[[], Sample]) -> None:
    """Run until it gets no cheaper: a just-in-time compiler needs its time on a busy machine."""
    before = contestant()
    for _ in range(WARM_UPS_MAX):
        now = contestant()
        if now.cost_us > before.cost_us * STILL_WARMING:
            return
        before = now


def show(result: Result, console: Console) -> None:
    """Print medians, paired ratios and whether each goal is met."""
    rounds = len(next(iter(result.samples.values())))
    table = Table(title=f"{result.title} (medians of {rounds} interleaved rounds)")
    for column in (
        "",
        f"{result.unit}/s",
        "min-max",
        "ratio",
        "goal",
        "CPU us",
        "CPU ratio",
        "p99",
    ):
        table.add_column(column, justify="left" if not column else "right")
    for name, samples in result.samples.items():
        rates = [sample.rate for sample in samples]
        goal = result.goals.get(name)
        ratio = result.ratio(name)
        met = "" if goal is None else f"{goal:.2f} {'met' if ratio >= goal else 'missed'}"
        p99 = statistics.median(sample.p99_ms for sample in samples)
        table.add_row(
            name,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f}-{max(rates):,.0f}",
            f"{ratio:.2f}",
            met,
            f"{statistics.median(sample.cpu_us for sample in samples):.1f}",
            f"{result.cpu_ratio(name):.2f}",
            f"{p99:.1f} ms" if p99 else "",
        )
    console.print(table)
    for note in result.notes:
        console.print(note)
