"""Conditions on the whole run, each with what was expected and what came."""

from collections.abc import Callable, Iterator, Sequence

from caas_conformance.contract.seen import never_succeeded, stale_exceptions
from caas_reports.model import GREEN, Gate, Run, Verdict
from caas_reports.traceability import shown_by
from caas_reports.wording import share

SHOWN_MAX = 10
INCONCLUSIVE_ALWAYS = 5
INCONCLUSIVE_PERCENT_MAX = 10
"""Of the planned cases; more, and the machine is no place to judge anything on."""


def judge_gates(run: Run, exchange_ms: Sequence[float] = ()) -> tuple[Gate, ...]:
    """Return every gate of the run, held or not.

    Args:
        run: All but its gates and its verdict.
        exchange_ms: How long each exchange took.
    """
    return tuple(_gates(run, exchange_ms))


def _gates(run: Run, exchange_ms: Sequence[float]) -> Iterator[Gate]:
    counts, figures, limits = run.counts, run.figures, run.limits
    yield _of_the_whole(run, _green(run))
    yield _zero("planned cases without a verdict", counts.not_run)
    yield _zero("vacuous cases", len(figures.vacuous), figures.vacuous)
    flaky = [case.id for case in run.cases if case.flaky]
    held = counts.flaky <= limits.max_flaky
    yield _gate("flaky cases", held, f"<= {limits.max_flaky}", str(counts.flaky), flaky)
    yield _inconclusive(run)
    yield _zero("secrets found in reports", figures.leaks)
    yield _zero("services that died", len(figures.died), figures.died)
    yield from _telemetry_gates(run)
    if figures.has_contract:
        yield from _contract_gates(run)
    if limits.p95_ms is not None:
        p95 = percentile(exchange_ms, 95)
        yield _gate("p95 of exchanges", p95 <= limits.p95_ms, f"<= {limits.p95_ms:g} ms",
                    f"{p95:.1f} ms")  # fmt: skip
    if limits.min_coverage is not None:
        yield _of_the_whole(run, _coverage(run, limits.min_coverage))
    if limits.min_shown is not None:
        yield _of_the_whole(run, _shown(run, limits.min_shown))


def _of_the_whole(run: Run, gate: Gate) -> Gate:
    """Skip what says nothing of a part: it is judged when the parts are merged."""
    if run.shard is None:
        return gate
    return Gate(
        name=gate.name, verdict=Verdict.SKIPPED, expected=gate.expected, actual=gate.actual,
        detail="judged when the shards are merged",
    )  # fmt: skip


def _green(run: Run) -> Gate:
    green, wanted = run.counts.passed + run.counts.warning, max(1, run.limits.min_cases)
    return _gate("green cases", green >= wanted, f">= {wanted}", str(green))


def _inconclusive(run: Run) -> Gate:
    set_aside = run.figures.inconclusive
    number = sum(set_aside.values())
    allowed = max(INCONCLUSIVE_ALWAYS, run.counts.planned * INCONCLUSIVE_PERCENT_MAX // 100)
    named = ", ".join(sorted(set_aside)[:SHOWN_MAX])
    counts = f"the machine stood still during {named}" if named else ""
    held = number <= allowed
    return _gate("inconclusive attempts", held, f"<= {allowed}", str(number), counts=counts)


def _telemetry_gates(run: Run) -> Iterator[Gate]:
    correlation, figures, received = run.correlation, run.figures, run.limits.telemetry
    wanted: list[tuple[str, int, int, Sequence[str]]] = [
        ("attempts with a trace", correlation.attempts_with_trace, correlation.attempts, ()),
        # Lines that lost their trace id belong to nobody: none would be under a wrong attempt.
        ("attempts with a log line", correlation.attempts_with_log, correlation.attempts, ()),
        ("spans owned by one attempt", correlation.owned_spans,
         correlation.owned_spans + correlation.orphan_spans, ()),
        ("records under the right attempt",
         correlation.owned_spans + correlation.owned_logs - figures.mix_ups,
         correlation.owned_spans + correlation.owned_logs, figures.mix_up_examples),
    ]  # fmt: skip
    if figures.answered:
        proven = figures.answered - figures.unproven
        wanted.append(
            ("answers with one true access line", proven, figures.answered,
             figures.unproven_examples)
        )  # fmt: skip
    for name, part, whole, culprits in wanted:
        if not received:
            yield Gate(name=name, verdict=Verdict.SKIPPED, expected="100 %", actual="not received")
            continue
        told = share(part, whole) if whole else "none"
        counts = f"{part} of {whole}" if whole else ""
        yield _gate(name, part == whole and whole > 0, "100 %", told, culprits, counts=counts)
    if received:
        yield _zero("telemetry records lost", figures.lost_records)
        refused = figures.refused_telemetry
        why = [f"{reason} ({times})" for reason, times in refused.items()]
        yield _zero("telemetry refused", sum(refused.values()), why)


def _contract_gates(run: Run) -> Iterator[Gate]:
    unusable = [f"{name}: {why}" for name, why in run.figures.unusable_contracts.items()]
    yield _zero("contract: documents that can't be used", len(unusable), unusable)
    if not run.limits.whole:
        return
    unseen = never_succeeded(run.contract)
    name = "contract: operations whose success was never seen"
    yield _of_the_whole(run, _zero(name, len(unseen), unseen))
    stale = stale_exceptions(run.contract, run.figures.contract_exceptions)
    yield _of_the_whole(run, _zero("contract: exceptions that are none", len(stale), stale))


def _coverage(run: Run, min_coverage: float) -> Gate:
    covered = {
        requirement
        for case in run.cases
        if case.verdict in GREEN
        for attempt in case.attempts
        for check in attempt.checks
        for requirement in check.requirements
    }
    built = [requirement.id for requirement in run.requirements if not requirement.planned]
    missing = [r for r in built if r not in covered]
    part, whole = len(built) - len(missing), len(built)
    held = whole > 0 and 100 * part >= min_coverage * whole
    return _gate(
        "requirements tagged", held, f">= {min_coverage:g} %", share(part, whole), missing,
        counts=f"{part} of {whole}",
    )  # fmt: skip


def _shown(run: Run, min_shown: float) -> Gate:
    """Count what is known to turn red when it is broken: a tag is a claim, and this its proof."""
    green = {case.id for case in run.cases if case.verdict in GREEN}
    built = [requirement for requirement in run.requirements if not requirement.planned]
    missing = [one.id for one in built if not shown_by(one, green)]
    part, whole = len(built) - len(missing), len(built)
    held = whole > 0 and 100 * part >= min_shown * whole
    return _gate(
        "requirements shown", held, f">= {min_shown:g} %", share(part, whole), missing,
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
