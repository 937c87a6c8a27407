"""Conditions on the whole run, each with what was expected and what came."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from caas_conformance.contract.judge import ContractJudge
from caas_conformance.contract.seen import never_succeeded, stale_exceptions
from caas_conformance.engine.runner import CaseResult
from caas_conformance.plan.requirements import Registry
from caas_reports.model import GREEN, Case, Correlation, Counts, Gate, Verdict
from caas_reports.wording import share

SHOWN_MAX = 10
INCONCLUSIVE_ALWAYS = 5
INCONCLUSIVE_PERCENT_MAX = 10
"""Of the planned cases; more, and the machine is no place to judge anything on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """What a run must reach besides its checks.

    Attributes:
        min_cases: Green cases at least; never under 1.
        max_flaky: Cases that may disagree with themselves.
        p95_ms: Limit of the 95th percentile of exchange times, or none.
        min_coverage: Share of the built requirements that a case covers, 0 to 100.
        telemetry: Whether telemetry was collected; without it its gates are skipped.
        whole: Whether the plan is the whole suite, so that what was never seen is a gap.
    """

    min_cases: int = 1
    max_flaky: int = 0
    p95_ms: float | None = None
    min_coverage: float | None = None
    telemetry: bool = True
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the gates judge."""

    counts: Counts
    cases: Sequence[Case]
    results: Sequence[CaseResult]
    correlation: Correlation
    registry: Registry
    exchange_ms: Sequence[float] = ()
    mix_ups: Sequence[str] = ()
    lost_records: int = 0
    refused_telemetry: Mapping[str, int] = field(default_factory=dict)
    leaks: int = 0
    answered: int = 0
    unproven: Sequence[str] = ()
    died: Sequence[str] = ()
    contract: ContractJudge | None = None


def judge_gates(found: Findings, limits: GateLimits) -> tuple[Gate, ...]:
    """Return every gate of the run, held or not."""
    return tuple(_gates(found, limits))


def _gates(found: Findings, limits: GateLimits) -> Iterator[Gate]:
    counts = found.counts
    green = counts.passed + counts.warning
    wanted = max(1, limits.min_cases)
    yield _gate("green cases", green >= wanted, f">= {wanted}", str(green))
    yield _zero("planned cases without a verdict", counts.not_run)
    vacuous = [r.case.id for r in found.results if r.vacuous]
    yield _zero("vacuous cases", len(vacuous), vacuous)
    flaky = [r.case.id for r in found.results if r.flaky]
    held = counts.flaky <= limits.max_flaky
    yield _gate("flaky cases", held, f"<= {limits.max_flaky}", str(counts.flaky), flaky)
    yield _inconclusive(found)
    yield _zero("secrets found in reports", found.leaks)
    yield _zero("services that died", len(found.died), found.died)
    yield from _telemetry_gates(found, limits)
    if found.contract is not None:
        yield from _contract_gates(found.contract, limits)
    if limits.p95_ms is not None:
        p95 = percentile(found.exchange_ms, 95)
        yield _gate("p95 of exchanges", p95 <= limits.p95_ms, f"<= {limits.p95_ms:g} ms",
                    f"{p95:.1f} ms")  # fmt: skip
    if limits.min_coverage is not None:
        yield _coverage(found, limits.min_coverage)


def _inconclusive(found: Findings) -> Gate:
    set_aside = {r.case.id: len(r.attempts) - len(r.conclusive) for r in found.results}
    number = sum(set_aside.values())
    allowed = max(INCONCLUSIVE_ALWAYS, found.counts.planned * INCONCLUSIVE_PERCENT_MAX // 100)
    named = ", ".join([case_id for case_id, times in set_aside.items() if times][:SHOWN_MAX])
    counts = f"the machine stood still during {named}" if named else ""
    held = number <= allowed
    return _gate("inconclusive attempts", held, f"<= {allowed}", str(number), counts=counts)


def _telemetry_gates(found: Findings, limits: GateLimits) -> Iterator[Gate]:
    correlation = found.correlation
    wanted: list[tuple[str, int, int, Sequence[str]]] = [
        ("attempts with a trace", correlation.attempts_with_trace, correlation.attempts, ()),
        # Lines that lost their trace id belong to nobody: none would be under a wrong attempt.
        ("attempts with a log line", correlation.attempts_with_log, correlation.attempts, ()),
        ("spans owned by one attempt", correlation.owned_spans,
         correlation.owned_spans + correlation.orphan_spans, ()),
        ("records under the right attempt",
         correlation.owned_spans + correlation.owned_logs - len(found.mix_ups),
         correlation.owned_spans + correlation.owned_logs, found.mix_ups),
    ]  # fmt: skip
    if found.answered:
        proven = found.answered - len(found.unproven)
        wanted.append(("answers with one true access line", proven, found.answered, found.unproven))
    for name, part, whole, culprits in wanted:
        if not limits.telemetry:
            yield Gate(name=name, verdict=Verdict.SKIPPED, expected="100 %", actual="not received")
            continue
        told = share(part, whole) if whole else "none"
        counts = f"{part} of {whole}" if whole else ""
        yield _gate(name, part == whole and whole > 0, "100 %", told, culprits, counts=counts)
    if limits.telemetry:
        yield _zero("telemetry records lost", found.lost_records)
        refused = found.refused_telemetry
        why = [f"{reason} ({times})" for reason, times in refused.items()]
        yield _zero("telemetry refused", sum(refused.values()), why)


def _contract_gates(contract: ContractJudge, limits: GateLimits) -> Iterator[Gate]:
    unusable = [f"{name}: {why}" for name, why in contract.contracts.unusable.items()]
    yield _zero("contract: documents that can't be used", len(unusable), unusable)
    if not limits.whole:
        return
    operations, excepted = contract.operations(), contract.facts.unseen
    unseen = never_succeeded(operations)
    yield _zero("contract: operations whose success was never seen", len(unseen), unseen)
    stale = stale_exceptions(operations, excepted)
    yield _zero("contract: exceptions that are none", len(stale), stale)


def _coverage(found: Findings, min_coverage: float) -> Gate:
    covered = {
        requirement
        for case in found.cases
        if case.verdict in GREEN
        for attempt in case.attempts
        for check in attempt.checks
        for requirement in check.requirements
    }
    built = found.registry.built
    missing = [r for r in built if r not in covered]
    part, whole = len(built) - len(missing), len(built)
    held = whole > 0 and 100 * part >= min_coverage * whole
    return _gate(
        "requirements covered", held, f">= {min_coverage:g} %", share(part, whole), missing,
        counts=f"{part} of {whole}",
    )  # fmt: skip


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile; of nothing, 0."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    rank: Callable[[int], int] = lambda n: max(1, -(-n * percent // 100))  # noqa: E731 - ceiling
    return ordered[rank(len(ordered)) - 1]


def _zero(name: str, actual: int, detail: Sequence[str] = ()) -> Gate:
    return _gate(name, actual == 0, "0", str(actual), detail)


def _gate(
    name: str,
    held: bool,  # noqa: FBT001
    expected: str,
    actual: str,
    culprits: Sequence[str] = (),
    *,
    counts: str = "",
) -> Gate:
    more = f" and {len(culprits) - SHOWN_MAX} more" if len(culprits) > SHOWN_MAX else ""
    named = "" if held else ", ".join(culprits[:SHOWN_MAX]) + more
    return Gate(
        name=name,
        verdict=Verdict.PASSED if held else Verdict.FAILED,
        expected=expected,
        actual=actual,
        detail=": ".join(filter(None, (counts, named))),
    )
