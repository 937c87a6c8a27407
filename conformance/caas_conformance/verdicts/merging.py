"""One run out of the parts of a plan that several machines took."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from statistics import median

import msgspec

from caas_conformance.verdicts.assemble import judged
from caas_conformance.verdicts.gates import SHOWN_MAX, percentile
from caas_conformance.verdicts.judging import count
from caas_reports import model
from caas_reports.errors import ReportError
from caas_reports.figures import Figures
from caas_reports.model import Run, Status

ALIKE = ("schema_version", "suite", "tool_version", "limits", "requirements")
"""What parts of one plan have in common."""


class MergeError(ReportError):
    """The runs are not the parts of one plan, each once."""


def merged(runs: Sequence[Run], run_id: str, command: str, exchange_ms: Sequence[float]) -> Run:
    """Return the whole run of which *runs* are the parts, its gates and its verdict judged anew.

    Args:
        runs: Each part, in any order; their evidence is joined in the order of the parts.
        run_id: The id of the whole.
        command: As typed.
        exchange_ms: How long each exchange of all of them took.

    Raises:
        MergeError: a part is missing or there twice, or one is of something else.
    """
    parts = in_order(runs)
    cases = _cases(parts)
    started = min(run.started_at for run in parts)
    first = parts[0]
    assert first.shard is not None  # noqa: S101 - `in_order` refuses it
    figures = _figures([run.figures for run in parts])
    whole = msgspec.structs.replace(
        first,
        run_id=run_id,
        shard=None,
        status=_status(parts),
        started_at=started,
        duration_ms=max(run.duration_ms for run in parts),
        command=command,
        target=msgspec.structs.replace(
            first.target, description=f"{len(parts)} shards: {first.target.description}"
        ),
        options={**first.options, "shard": None, "merged": [run.run_id for run in parts]},
        plan=first.shard.plan,
        phases=_phases(parts),
        cases=cases,
        counts=count(cases, vacuous=len(figures.vacuous)),
        figures=figures,
        correlation=_correlation([run.correlation for run in parts]),
        contract=tuple(_operations(parts)),
        overhead=_overhead(parts, cases),
        evidence=_evidence([run.evidence for run in parts]),
    )
    return judged(whole, exchange_ms)


def in_order(runs: Sequence[Run]) -> list[Run]:
    """Return the parts by their numbers.

    Raises:
        MergeError: as `merged`.
    """
    by_index: dict[int, Run] = {}
    for run in runs:
        if run.shard is None:
            raise MergeError(f"{run.run_id} is no shard: it was run without --shard")
        if run.status is Status.RUNNING:
            raise MergeError(f"{run.run_id} has not ended")
        twin = by_index.setdefault(run.shard.index, run)
        if twin is not run:
            raise MergeError(f"{_name(run)} is there twice: {twin.run_id} and {run.run_id}")
    if not by_index:
        raise MergeError("there is nothing to merge")
    parts = [run for _, run in sorted(by_index.items())]
    first = parts[0]
    for run in parts[1:]:
        _hold_alike(first, run)
    assert first.shard is not None  # noqa: S101 - refused above
    missing = [n for n in range(1, first.shard.count + 1) if n not in by_index]
    if missing:
        named = ", ".join(f"{n}/{first.shard.count}" for n in missing)
        raise MergeError(f"missing: shard {named}")
    return parts


def _hold_alike(first: Run, run: Run) -> None:
    for name in ALIKE:
        if getattr(run, name) != getattr(first, name):
            raise MergeError(f"{run.run_id} and {first.run_id} differ in their {name}")
    if run.target.versions != first.target.versions:
        raise MergeError(f"{run.run_id} and {first.run_id} tested different versions")
    assert run.shard is not None  # noqa: S101 - refused before
    assert first.shard is not None  # noqa: S101
    if (run.shard.count, run.shard.plan) != (first.shard.count, first.shard.plan):
        raise MergeError(f"{run.run_id} and {first.run_id} are parts of different plans")


def _name(run: Run) -> str:
    return f"shard {run.shard.index}/{run.shard.count}" if run.shard else run.run_id


def _cases(parts: Sequence[Run]) -> tuple[model.Case, ...]:
    """Return the cases of all parts in the plan's order, their evidence where it is joined."""
    plan = parts[0].shard.plan if parts[0].shard else ()
    found: dict[str, model.Case] = {}
    whose: dict[str, Run] = {}
    members = 0
    for run in parts:
        for case in run.cases:
            if case.id in whose:
                raise MergeError(f"{case.id} is in {_name(whose[case.id])} and in {_name(run)}")
            if case.id not in plan:
                raise MergeError(f"{case.id} of {_name(run)} is not in the plan")
            whose[case.id] = run
            found[case.id] = _moved(case, members)
        members += len(run.evidence.members)
    missing = [case_id for case_id in plan if case_id not in found]
    if missing:
        raise MergeError(f"no shard has {', '.join(missing[:SHOWN_MAX])}")
    return tuple(found[case_id] for case_id in plan)


def _moved(case: model.Case, members: int) -> model.Case:
    attempts = tuple(
        msgspec.structs.replace(
            attempt, kept=msgspec.structs.replace(kept, member=kept.member + members)
        )
        if (kept := attempt.kept)
        else attempt
        for attempt in case.attempts
    )
    return msgspec.structs.replace(case, attempts=attempts)


def _evidence(parts: Sequence[model.Evidence]) -> model.Evidence:
    """Return where the members are when the files stand one behind the other."""
    members: list[int] = []
    size = 0
    for part in parts:
        members += [size + start for start in part.members]
        size += part.bytes
    attempts = sum(part.attempts for part in parts)
    return model.Evidence(bytes=size, attempts=attempts, members=tuple(members))


def _status(parts: Sequence[Run]) -> Status:
    return next((run.status for run in parts if run.status is not Status.FINISHED), Status.FINISHED)


def _phases(parts: Sequence[Run]) -> tuple[model.Phase, ...]:
    known = {phase.id: phase for run in parts for phase in run.phases}
    return tuple(phase for _, phase in sorted(known.items()))


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


def _first(examples: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(examples, SHOWN_MAX))


def _figures(parts: Sequence[Figures]) -> Figures:
    return Figures(
        vacuous=tuple(sorted(case_id for part in parts for case_id in part.vacuous)),
        inconclusive=_sum(part.inconclusive for part in parts),
        mix_ups=sum(part.mix_ups for part in parts),
        mix_up_examples=_first(example for part in parts for example in part.mix_up_examples),
        lost_records=sum(part.lost_records for part in parts),
        refused_telemetry=_sum(part.refused_telemetry for part in parts),
        leaks=sum(part.leaks for part in parts),
        answered=sum(part.answered for part in parts),
        unproven=sum(part.unproven for part in parts),
        unproven_examples=_first(example for part in parts for example in part.unproven_examples),
        died=tuple(service for part in parts for service in part.died),
        has_contract=any(part.has_contract for part in parts),
        unusable_contracts={k: v for part in parts for k, v in part.unusable_contracts.items()},
        contract_exceptions=parts[0].contract_exceptions,
    )


def _correlation(parts: Sequence[model.Correlation]) -> model.Correlation:
    plain = [name for name in parts[0].__struct_fields__ if name != "uncorrelated_logs"]
    return model.Correlation(
        **{name: sum(getattr(part, name) for part in parts) for name in plain},
        uncorrelated_logs=_sum(part.uncorrelated_logs for part in parts),
    )


def _operations(parts: Sequence[Run]) -> Iterator[model.DocumentedOperation]:
    """Yield each documented operation with what all parts saw of it."""
    found: dict[tuple[str, str, str], list[model.DocumentedOperation]] = {}
    for run in parts:
        for one in run.contract:
            found.setdefault((one.service, one.path, one.method), []).append(one)
    for _, alike in sorted(found.items()):
        answers: dict[str, list[model.SeenAnswer]] = {}
        for one in alike:
            for answer in one.answers:
                answers.setdefault(answer.status, []).append(answer)
        yield msgspec.structs.replace(
            alike[0], answers=tuple(_answer(seen) for _, seen in sorted(answers.items()))
        )


def _answer(seen: Sequence[model.SeenAnswer]) -> model.SeenAnswer:
    return msgspec.structs.replace(
        seen[0],
        times=sum(one.times for one in seen),
        first_case=min((one.first_case for one in seen if one.first_case), default=""),
    )


def _overhead(parts: Sequence[Run], cases: Iterable[model.Case]) -> model.Overhead:
    costs = [attempt.overhead_ms for case in cases for attempt in case.attempts]
    each = [run.overhead for run in parts]
    return model.Overhead(
        median_ms=round(median(costs), 3) if costs else 0.0,
        p95_ms=round(percentile(costs, 95), 3),
        total_ms=round(sum(costs), 3),
        telemetry_wait_ms=median(one.telemetry_wait_ms for one in each),
        contract_ms=round(sum(one.contract_ms for one in each), 3),
        contract_us_per_answer=median(one.contract_us_per_answer for one in each),
    )
