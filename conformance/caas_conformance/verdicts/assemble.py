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
from caas_conformance.correlation import leaks, ownership
from caas_conformance.correlation.settling import TelemetryCollector
from caas_conformance.engine.runner import CaseResult
from caas_conformance.plan.requirements import Registry
from caas_conformance.timestamps import rfc3339
from caas_conformance.verdicts.build import AttemptBuilder
from caas_conformance.verdicts.gates import Findings, GateLimits, judge_gates, percentile
from caas_conformance.verdicts.judging import count, verdict_of_run
from caas_observability.correlation import AttemptTelemetry
from caas_reports import model
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
    contract: ContractJudge | None = None,
    *,
    duration_ms: float,
    aborted: bool,
    restarts: Mapping[str, int],
) -> model.Run:
    """Return the finished run with its whole evidence and every gate judged."""
    found = _telemetry(results, collector)
    built = tuple(_case(facts, result, tuple(_attempts(result, found))) for result in results)
    secrets = {s for result in results for r in result.attempts for s in r.context.secrets}
    cases, leaked = leaks.scrubbed(built, secrets)
    vacuous = sum(result.vacuous for result in results)
    counts = count(cases, vacuous=vacuous)
    correlation, mix_ups = _correlation(results, found, collector)
    gates = judge_gates(
        Findings(
            counts=counts,
            cases=cases,
            results=results,
            correlation=correlation,
            registry=facts.registry,
            mix_ups=mix_ups,
            lost_records=_lost(collector),
            refused_telemetry=_refused(collector),
            leaks=leaked,
            restarts=restarts,
            contract=contract,
        ),
        facts.limits,
    )
    run = msgspec.structs.replace(
        opening(facts),
        status=Status.ABORTED if aborted else Status.FINISHED,
        duration_ms=round(duration_ms, 3),
        counts=counts,
        cases=cases,
        gates=gates,
        correlation=correlation,
        contract=contract.operations() if contract else (),
        overhead=_overhead(results, collector, contract),
    )
    return msgspec.structs.replace(run, verdict=verdict_of_run(run))


_Found = dict[str, AttemptTelemetry]


def _telemetry(results: Sequence[CaseResult], collector: TelemetryCollector | None) -> _Found:
    """Return what has arrived by now, by trace: records that came after settling included."""
    if collector is None:
        return {}
    return {
        record.trace.trace_id: collector.telemetry_of(record.context)
        for result in results
        for record in result.attempts
    }


def _attempts(result: CaseResult, found: _Found) -> list[model.Attempt]:
    attempts = []
    for record in result.attempts:
        builder = AttemptBuilder(record, found.get(record.trace.trace_id))
        try:
            attempts.append(builder.build())
        except Exception as error:  # noqa: BLE001 - one odd body must not cost the whole report
            record.verdict = Verdict.ERROR
            record.reason = f"its evidence can't be shown: {type(error).__name__}"
            attempts.append(builder.without_evidence(record.reason))
    return attempts


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


def _correlation(
    results: Sequence[CaseResult], found: _Found, collector: TelemetryCollector | None
) -> tuple[model.Correlation, list[str]]:
    records = [record for result in results for record in result.attempts]
    if collector is None:
        return model.Correlation(attempts=len(records)), []
    store = collector.receiver.store
    conclusive = [record for record in records if not record.inconclusive]
    traces = set(found) | collector.marker_traces
    mix_ups = [
        stranger
        for record in records
        for stranger in ownership.strangers(
            record, found[record.trace.trace_id], collector.run_marker
        )
    ]
    mix_ups += ownership.strays(records, store.spans, store.logs, collector.run_marker)
    uncorrelated: dict[str, int] = {}
    for log in store.logs:
        if not log.trace_id:
            uncorrelated[log.service] = uncorrelated.get(log.service, 0) + 1
    summary = model.Correlation(
        attempts=len(conclusive),
        attempts_with_trace=sum(bool(found[r.trace.trace_id].spans) for r in conclusive),
        attempts_with_log=sum(bool(found[r.trace.trace_id].logs) for r in conclusive),
        spans=len(store.spans),
        owned_spans=sum(len(t.spans) for t in found.values()),
        orphan_spans=sum(len(t.orphan_spans) for t in found.values()),
        foreign_spans=sum(span.trace_id not in traces for span in store.spans),
        logs=len(store.logs),
        owned_logs=sum(len(t.logs) for t in found.values()),
        foreign_logs=sum(bool(x.trace_id) and x.trace_id not in traces for x in store.logs),
        uncorrelated_logs=uncorrelated,
    )
    return summary, mix_ups


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
    results: Sequence[CaseResult],
    collector: TelemetryCollector | None,
    contract: ContractJudge | None,
) -> model.Overhead:
    costs = [record.overhead_ms for result in results for record in result.attempts]
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
