"""Put a run together: cases, correlation, overhead, gates and the final verdict."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import msgspec

from caas_conformance.authoring.definition import CaseDefinition, Phase
from caas_conformance.contract.judge import ContractJudge
from caas_conformance.correlation import leaks
from caas_conformance.correlation.settling import TelemetryCollector
from caas_conformance.engine.runner import CaseResult
from caas_conformance.plan.requirements import Registry
from caas_conformance.timestamps import rfc3339
from caas_conformance.verdicts.gates import SHOWN_MAX, judge_gates, percentile
from caas_conformance.verdicts.judging import count, verdict_of_run
from caas_conformance.verdicts.keeping import EvidenceKeeper
from caas_reports import model
from caas_reports.figures import Figures, GateLimits, Shard
from caas_reports.model import SCHEMA_VERSION, Status, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known about a run before its first case."""

    run_id: str
    started_ms: float
    command: str
    tool_version: str
    target: model.Target
    options: Mapping[str, Any]
    suite: str
    plan: Sequence[CaseDefinition]
    phases: Sequence[Phase]
    registry: Registry
    limits: GateLimits = field(default_factory=GateLimits)
    shard: Shard | None = None
    reproduce_options: str = ""


def opening(facts: RunFacts) -> model.Run:
    """Return the run as it stands before its first case: planned, and not green."""
    cases = tuple(_case(facts, CaseResult(definition), ()) for definition in facts.plan)
    return model.Run(
        schema_version=SCHEMA_VERSION,
        run_id=facts.run_id,
        suite=facts.suite,
        status=Status.RUNNING,
        verdict=Verdict.NOT_RUN,
        started_at=rfc3339(facts.started_ms),
        duration_ms=0.0,
        tool_version=facts.tool_version,
        command=facts.command,
        target=facts.target,
        options=dict(facts.options),
        counts=count(cases),
        plan=tuple(definition.id for definition in facts.plan),
        phases=tuple(
            model.Phase(id=phase.id, title=phase.title, description=phase.description)
            for phase in facts.phases
        ),
        cases=cases,
        requirements=tuple(facts.registry.requirements.values()),
        limits=facts.limits,
        shard=facts.shard,
        environment={
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cpus": str(os.cpu_count() or 0),
        },
    )


def closing(
    facts: RunFacts,
    results: Sequence[CaseResult],
    collector: TelemetryCollector | None,
    keeper: EvidenceKeeper,
    contract: ContractJudge | None = None,
    *,
    duration_ms: float,
    aborted: bool,
    died: Sequence[str],
) -> model.Run:
    """Return the finished run with every gate judged; its evidence is complete on disk."""
    evidence = keeper.close()
    found = leaks.Leaks(keeper.secrets)
    evidence = keeper.scrub(evidence, found)
    built = tuple(_case(facts, r, tuple(a.kept for a in r.attempts if a.kept)) for r in results)
    cases = leaks.scrub(built, found)
    figures = leaks.scrub(_figures(results, collector, keeper, contract, died), found)
    run = msgspec.structs.replace(
        opening(facts),
        status=Status.ABORTED if aborted else Status.FINISHED,
        duration_ms=round(duration_ms, 3),
        counts=count(cases, vacuous=len(figures.vacuous)),
        cases=cases,
        figures=msgspec.structs.replace(figures, leaks=len(found.found)),
        correlation=keeper.tally.summary(),
        contract=contract.operations() if contract else (),
        overhead=_overhead(keeper.overhead_ms, collector, contract),
        evidence=evidence,
    )
    return judged(run, keeper.exchange_ms)


def judged(run: model.Run, exchange_ms: Sequence[float]) -> model.Run:
    """Return a run that is complete but for its gates and its verdict, with both."""
    run = msgspec.structs.replace(run, gates=judge_gates(run, exchange_ms))
    return msgspec.structs.replace(run, verdict=verdict_of_run(run))


def _figures(
    results: Sequence[CaseResult],
    collector: TelemetryCollector | None,
    keeper: EvidenceKeeper,
    contract: ContractJudge | None,
    died: Sequence[str],
) -> Figures:
    set_aside = {r.case.id: len(r.attempts) - len(r.conclusive) for r in results}
    mix_ups = keeper.tally.mix_ups
    conclusive = [record for result in results for record in result.conclusive]
    unproven = [text for record in conclusive for text in record.unproven]
    return Figures(
        vacuous=tuple(result.case.id for result in results if result.vacuous),
        inconclusive={case_id: times for case_id, times in set_aside.items() if times},
        mix_ups=len(mix_ups),
        mix_up_examples=tuple(mix_ups[:SHOWN_MAX]),
        lost_records=_lost(collector),
        refused_telemetry=dict(_refused(collector)),
        answered=sum(record.answered for record in conclusive),
        unproven=len(unproven),
        unproven_examples=tuple(unproven[:SHOWN_MAX]),
        died=tuple(died),
        has_contract=contract is not None,
        unusable_contracts=dict(contract.contracts.unusable) if contract else {},
        contract_exceptions=tuple(contract.facts.unseen) if contract else (),
    )


def _case(facts: RunFacts, result: CaseResult, attempts: tuple[model.Attempt, ...]) -> model.Case:
    case = result.case
    reasons = [record.reason_redacted for record in result.finals or result.attempts]
    return model.Case(
        id=case.id,
        title=case.title,
        phase=case.phase.id,
        proves=case.proves,
        verdict=result.verdict,
        tags=case.tags,
        requirements=case.requirements,
        baseline=case.baseline,
        attempts=attempts,
        flaky=result.flaky,
        reproduce=f"caas conformance run --case {case.id}{facts.reproduce_options}",
        reason=next((reason for reason in reasons if reason), result.reason),
    )


def _lost(collector: TelemetryCollector | None) -> int:
    if collector is None:
        return 0
    return sum(collector.lost.values()) + collector.receiver.store.rejected


def _refused(collector: TelemetryCollector | None) -> Mapping[str, int]:
    """Return what the receiver did not take, by reason: whole exports and single records."""
    if collector is None:
        return {}
    receiver = collector.receiver
    exports = {f"export: {reason}": times for reason, times in receiver.refusals.items()}
    return exports | {f"record: {reason}": times for reason, times in receiver.unread.items()}


def _overhead(
    costs: Sequence[float],
    collector: TelemetryCollector | None,
    contract: ContractJudge | None,
) -> model.Overhead:
    if not costs:
        return model.Overhead()
    return model.Overhead(
        median_ms=round(median(costs), 3),
        p95_ms=round(percentile(costs, 95), 3),
        total_ms=round(sum(costs), 3),
        telemetry_wait_ms=round(median(collector.wait_ms), 3)
        if collector is not None and collector.wait_ms
        else 0.0,
        contract_ms=round(contract.seconds * 1000, 3) if contract else 0.0,
        contract_us_per_answer=round(contract.us_per_answer, 1) if contract else 0.0,
    )
