"""The parts of a plan: dealt out without a gap, and merged into what the whole run says."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_conformance.authoring.definition import CaseDefinition, Phase
from caas_conformance.plan.selection import SelectionError, part, shard_of
from caas_conformance.verdicts.assemble import judged
from caas_conformance.verdicts.judging import count, exit_code
from caas_conformance.verdicts.merging import MergeError, merged
from caas_reports.figures import Figures, GateLimits, Shard
from caas_reports.model import (
    Attempt,
    Case,
    Check,
    Correlation,
    DocumentedOperation,
    Evidence,
    Kept,
    Level,
    Requirement,
    Run,
    SeenAnswer,
    Status,
    Verdict,
)

REQUIREMENTS = tuple(Requirement(id=f"R{n}", text="keep it") for n in range(4))


def definitions(number: int) -> list[CaseDefinition]:
    """Return a plan of so many cases."""
    phase = Phase("Z01", "Made for the test", "Cases of one test.")

    async def body(_: Any) -> None: ...

    return [
        CaseDefinition(id=f"Z01.{n:02d}", title="t", phase=phase, proves="It.", body=body)
        for n in range(1, number + 1)
    ]


def case(number: int, verdict: Verdict, requirement: str, member: int) -> Case:
    """Return a judged case with one attempt and a check on one requirement."""
    check = Check(id="c", title="c", level=Level.MUST, verdict=verdict, requirements=(requirement,))
    attempt = Attempt(
        number=1, status=Status.FINISHED, verdict=verdict, started_at="2031-01-01T00:00:00.000Z",
        duration_ms=1.0, overhead_ms=float(number), checks=(check,),
        kept=Kept(member=member, line=0),
    )  # fmt: skip
    return Case(
        id=f"Z01.{number:02d}", title="t", phase="Z01", proves="It.", verdict=verdict,
        attempts=() if verdict is Verdict.NOT_RUN else (attempt,),
    )  # fmt: skip


def seen(cases: tuple[Case, ...], number: int) -> int:
    """Return how often one operation was seen: the cases that end in its digit asked it."""
    return sum(c.id.endswith(str(number)) for c in cases)


def run_of(cases: tuple[Case, ...], limits: GateLimits, shard: Shard | None = None) -> Run:
    """Return the run that judged just these cases, with figures that add up over its parts."""
    each = len(cases)
    run = Run(
        schema_version="1", run_id=f"run-{shard.index if shard else 'whole'}", suite="s",
        status=Status.FINISHED, verdict=Verdict.NOT_RUN, started_at="2031-01-01T00:00:00.000Z",
        duration_ms=1.0, tool_version="1", command="c", plan=tuple(c.id for c in cases),
        cases=cases, counts=count(cases), limits=limits, shard=shard, requirements=REQUIREMENTS,
        correlation=Correlation(
            attempts=each, attempts_with_trace=each, attempts_with_log=each, spans=each,
            owned_spans=each, logs=each, owned_logs=each,
        ),
        figures=Figures(
            has_contract=True, answered=each, died=(),
            inconclusive={c.id: 1 for c in cases if c.verdict is Verdict.WARNING},
        ),
        contract=tuple(
            DocumentedOperation(
                service="auth", method="GET", path=f"/{n}",
                answers=(SeenAnswer(status="200", times=seen(cases, n)),),
            )
            for n in range(1, 4)
        ),
        evidence=Evidence(bytes=10 * each, attempts=each, members=tuple(range(0, 10 * each, 10))),
    )  # fmt: skip
    return judged(run, [])


VERDICTS = st.sampled_from([Verdict.PASSED] * 9 + [v for v in Verdict if v is not Verdict.PASSED])


@given(
    verdicts=st.lists(VERDICTS, min_size=1, max_size=12),
    shards=st.integers(min_value=1, max_value=5),
    limits=st.builds(
        GateLimits,
        min_cases=st.integers(1, 8),
        min_coverage=st.one_of(st.none(), st.floats(0, 100)),
        whole=st.booleans(),
    ),
    order=st.randoms(use_true_random=False),
)
def test_merged_parts_say_what_the_whole_run_says(
    verdicts: list[Verdict], shards: int, limits: GateLimits, order: Any
) -> None:
    """Counts, gates, verdict, exit code: whatever came out, and in any order of the parts."""
    shards = min(shards, len(verdicts))
    plan = definitions(len(verdicts))

    def taken(chosen: list[CaseDefinition]) -> tuple[Case, ...]:
        numbers = [plan.index(definition) for definition in chosen]
        return tuple(
            case(n + 1, verdicts[n], REQUIREMENTS[n % 4].id, member)
            for member, n in enumerate(numbers)
        )

    whole = run_of(taken(plan), limits)
    parts = []
    for index in range(1, shards + 1):
        shard = shard_of(f"{index}/{shards}", plan)
        parts.append(run_of(taken(part(plan, shard)), limits, shard))
    order.shuffle(parts)
    found = merged(parts, "m", "c", [])

    for name in ("plan", "counts", "gates", "verdict", "correlation", "figures", "contract"):
        assert getattr(found, name) == getattr(whole, name), name
    assert exit_code(found) == exit_code(whole)
    assert [c.id for c in found.cases] == [c.id for c in whole.cases]
    assert found.overhead.total_ms == sum(a.overhead_ms for c in whole.cases for a in c.attempts)
    places = [a.kept.member for c in found.cases for a in c.attempts if a.kept]
    assert len(set(places)) == len(places)
    assert found.evidence.bytes == whole.evidence.bytes


@given(number=st.integers(1, 40), count_=st.integers(1, 40))
def test_every_case_is_in_one_part(number: int, count_: int) -> None:
    """None is lost, none is taken twice, and the parts are alike in size."""
    plan = definitions(number)
    if count_ > number:
        with pytest.raises(SelectionError, match="use fewer"):
            shard_of(f"1/{count_}", plan)
        return
    parts = [part(plan, shard_of(f"{n}/{count_}", plan)) for n in range(1, count_ + 1)]

    assert sorted(c.id for p in parts for c in p) == [c.id for c in plan]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("asked", ["", "2", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1/101"])
def test_what_is_no_part_is_refused(asked: str) -> None:
    """In one line that says what a part looks like."""
    with pytest.raises(SelectionError, match="is no shard"):
        shard_of(asked, definitions(200))


def two_parts() -> list[Run]:
    """Return the two parts of a plan of four cases."""
    plan = definitions(4)
    shards = [shard_of(f"{n}/2", plan) for n in (1, 2)]
    return [
        run_of(
            tuple(case(int(d.id[-2:]), Verdict.PASSED, "R1", 0) for d in part(plan, shard)),
            GateLimits(), shard,
        )
        for shard in shards
    ]  # fmt: skip


def changed(run: Run, **members: Any) -> Run:
    """Return *run* with other members."""
    return msgspec.structs.replace(run, **members)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda a, _: [a], "missing: shard 2/2"),
        (lambda a, _: [a, changed(a, run_id="again")], "shard 1/2 is there twice: run-1 and again"),
        (lambda a, b: [a, changed(b, shard=None)], "run-2 is no shard"),
        (lambda a, b: [a, changed(b, status=Status.RUNNING)], "run-2 has not ended"),
        (lambda a, b: [a, changed(b, suite="other")], "differ in their suite"),
        (lambda a, b: [a, changed(b, limits=GateLimits(min_cases=2))], "differ in their limits"),
        (lambda a, b: [a, changed(b, shard=changed_shard(b))], "parts of different plans"),
        (lambda a, b: [a, changed(b, cases=(*b.cases, a.cases[0]))], "is in shard 1/2 and in"),
        (lambda a, b: [a, changed(b, cases=b.cases[:1])], "no shard has Z01.04"),
        (lambda *_: [], "nothing to merge"),
    ],
)
def test_what_are_not_the_parts_of_one_plan_is_refused(spoil: Any, told: str) -> None:
    """A hole in a run must never look like a whole one."""
    with pytest.raises(MergeError, match=told):
        merged(spoil(*two_parts()), "m", "c", [])


def changed_shard(run: Run) -> Shard:
    """Return the shard of *run* as one of another plan."""
    assert run.shard is not None
    return msgspec.structs.replace(run.shard, plan=(*run.shard.plan, "Z01.99"))


def test_an_aborted_part_makes_an_aborted_whole() -> None:
    """And that is never green."""
    one, other = two_parts()
    found = merged([one, changed(other, status=Status.ABORTED)], "m", "c", [])

    assert (found.status, found.verdict, exit_code(found)) == (Status.ABORTED, Verdict.ERROR, 3)
