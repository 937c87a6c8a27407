"""Then and now: a run beside the seed's report, or beside another run.

Beside the seed's report each of its cases gets one change, decided in this order:

not_covered  no case of the run that names it reached a verdict about the platform
regressed    it was answered well then (stated or unproven), and a case that names it fails now
same         it was not answered well then, and still fails now
fixed        it was failed, unanswered or wrong then, and every case that names it passes now
hardened     it was unproven then, and passes now by checks on the status (or acknowledgement)
             and on what the answer says
same         it passes now as it did then

`passed` and `warning` count as passing: a warning is a SHOULD, and the platform kept every MUST.
`error`, `skipped` and `not_run` are no verdict about the platform.

Beside another run each case is `new`, `removed`, `fixed`, `regressed`, `changed` or `same`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from caas_reports.archive import NOTHING, Archive
from caas_reports.comparison.baseline import Baseline, SeedCase, Then
from caas_reports.model import GREEN, Attempt, Case, Run, Verdict

JUDGED = GREEN | {Verdict.FAILED}
_WORST_FIRST = (
    Verdict.FAILED,
    Verdict.ERROR,
    Verdict.NOT_RUN,
    Verdict.SKIPPED,
    Verdict.WARNING,
    Verdict.PASSED,
)
_ANSWERED_WELL = frozenset({Then.STATED, Then.UNPROVEN})
# Where an assertion looks: what kind of answer it was, and what the answer says.
_KIND_OF_ANSWER = ("status", "ack", "connect", "error")
_CONTENT = ("body", "text", "event", "ack.", "data", "payload", "claims", "jwt")


class Change(StrEnum):
    """What became of a case, the news first."""

    REGRESSED = "regressed"
    FIXED = "fixed"
    HARDENED = "hardened"
    SAME = "same"
    NOT_COVERED = "not_covered"
    NEW = "new"  # beside another run only
    REMOVED = "removed"  # beside another run only
    CHANGED = "changed"  # beside another run only: another verdict, neither better nor worse


SEED_CHANGES = (
    Change.REGRESSED,
    Change.FIXED,
    Change.HARDENED,
    Change.SAME,
    Change.NOT_COVERED,
)


class SeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One case of the seed's report, then and now."""

    number: int
    name: str
    outcome: str
    then: Then
    answered: str
    hollow: tuple[str, ...]
    now: Verdict | None  # None: no case names it
    cases: tuple[str, ...]
    change: Change
    reason: str


class SeedComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A run beside the seed's report."""

    baseline: str
    run_id: str
    counts: dict[str, int]
    rows: tuple[SeedRow, ...]


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One case in two runs."""

    id: str
    title: str
    change: Change
    before: Verdict | None
    after: Verdict | None
    checks_before: int = 0
    checks_after: int = 0
    checks_gone: tuple[str, ...] = ()
    checks_new: tuple[str, ...] = ()
    latency_before_ms: float = 0.0
    latency_after_ms: float = 0.0


class RunComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs; `before` is what `after` is measured against."""

    before: str
    after: str
    counts: dict[str, int]
    checks_before: int
    checks_after: int
    latency_before_ms: float  # median over the cases that both runs have
    latency_after_ms: float
    rows: tuple[RunRow, ...]


def with_seed(run: Run, baseline: Baseline, archive: Archive = NOTHING) -> SeedComparison:
    """Set a run beside the seed's report, case by case.

    Args:
        run: What happened.
        baseline: The seed's report.
        archive: The evidence that the run itself leaves out.
    """
    naming: dict[int, list[Case]] = {}
    for case in run.cases:
        for number in case.baseline:
            naming.setdefault(number, []).append(case)
    rows = tuple(_seed_row(seed, naming.get(seed.number, []), archive) for seed in baseline.cases)
    return SeedComparison(
        baseline=baseline.name,
        run_id=run.run_id,
        counts=_counts((row.change for row in rows), SEED_CHANGES),
        rows=rows,
    )


def worst(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Give the worst of several verdicts; None of none."""
    given = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in given), None)


def _seed_row(seed: SeedCase, cases: list[Case], archive: Archive) -> SeedRow:
    change, reason = _seed_change(seed, cases, archive)
    judged = [case.verdict for case in cases if case.verdict in JUDGED]
    return SeedRow(
        number=seed.number,
        name=seed.name,
        outcome=seed.outcome,
        then=seed.then,
        answered=seed.answered,
        hollow=tuple(finding.detail for finding in seed.findings),
        now=worst(judged or (case.verdict for case in cases)),
        cases=tuple(case.id for case in cases),
        change=change,
        reason=reason,
    )


def _seed_change(seed: SeedCase, cases: list[Case], archive: Archive) -> tuple[Change, str]:
    judged = [case for case in cases if case.verdict in JUDGED]
    failing = [case.id for case in judged if case.verdict is Verdict.FAILED]
    if not judged:
        verdict = worst(case.verdict for case in cases)
        return Change.NOT_COVERED, f"no verdict: {verdict}" if verdict else "no case names it yet"
    if failing:
        return _failing_now(seed, ", ".join(failing))
    return _passing_now(seed, judged, archive)


def _failing_now(seed: SeedCase, failing: str) -> tuple[Change, str]:
    if seed.then in _ANSWERED_WELL:
        return Change.REGRESSED, f"answered well then, {failing} fails now"
    return Change.SAME, f"{seed.then.value} then, {failing} fails now"


def _passing_now(seed: SeedCase, judged: list[Case], archive: Archive) -> tuple[Change, str]:
    if seed.then not in _ANSWERED_WELL:
        return Change.FIXED, f"{seed.then.value} then, passes now"
    if seed.then is Then.STATED:
        return Change.SAME, "passes as it did then"
    if any(is_proven(archive.full(c.attempts[-1])) for c in judged if c.attempts):
        return Change.HARDENED, "anything passed then, proven now"
    return Change.SAME, "passes, but no check looks at what the answer says"


def is_proven(attempt: Attempt) -> bool:
    """Tell whether passed assertions cover both the kind of the answer and what it says.

    Headers, traces and logs are not what it says: every case has checks on those.
    """
    places = [
        assertion.at.lower().removeprefix("response.")
        for check in attempt.checks
        for assertion in check.assertions
        if assertion.passed
    ]
    return any(_looks_at(place, _KIND_OF_ANSWER) for place in places) and any(
        _looks_at(place, _CONTENT) for place in places
    )


def _looks_at(place: str, words: tuple[str, ...]) -> bool:
    """Match `body.plan` and `x1.body.plan` alike."""
    return place.startswith(words) or place.partition(".")[2].startswith(words)


def with_run(before: Run, after: Run) -> RunComparison:
    """Set a run beside an earlier one."""
    old = {case.id: case for case in before.cases}
    new = {case.id: case for case in after.cases}
    rows = tuple(_run_row(old.get(id_), new.get(id_)) for id_ in [*new, *(old.keys() - new.keys())])
    ordered = tuple(sorted(rows, key=lambda row: row.id))
    both = [row for row in ordered if row.latency_before_ms and row.latency_after_ms]
    return RunComparison(
        before=before.run_id,
        after=after.run_id,
        counts=_counts((row.change for row in rows), tuple(Change)),
        checks_before=sum(row.checks_before for row in ordered),
        checks_after=sum(row.checks_after for row in ordered),
        latency_before_ms=median([row.latency_before_ms for row in both]),
        latency_after_ms=median([row.latency_after_ms for row in both]),
        rows=ordered,
    )


def _run_row(old: Case | None, new: Case | None) -> RunRow:
    case = new or old
    assert case is not None  # noqa: S101  (one of them is what gave the id)
    was, is_now = _checks(old), _checks(new)
    return RunRow(
        id=case.id,
        title=case.title,
        change=_run_change(old, new),
        before=old.verdict if old else None,
        after=new.verdict if new else None,
        checks_before=len(was),
        checks_after=len(is_now),
        checks_gone=tuple(sorted(was - is_now)) if old and new else (),
        checks_new=tuple(sorted(is_now - was)) if old and new else (),
        latency_before_ms=_latency_ms(old),
        latency_after_ms=_latency_ms(new),
    )


def _run_change(old: Case | None, new: Case | None) -> Change:
    if old is None or new is None:
        return Change.NEW if old is None else Change.REMOVED
    if old.verdict is new.verdict:
        return Change.SAME
    if new.verdict is Verdict.FAILED or (old.verdict in GREEN and new.verdict not in GREEN):
        return Change.REGRESSED
    if new.verdict in GREEN and old.verdict not in GREEN:
        return Change.FIXED
    return Change.CHANGED


def _last(case: Case | None) -> Attempt | None:
    return case.attempts[-1] if case and case.attempts else None


def _checks(case: Case | None) -> set[str]:
    attempt = _last(case)
    return {check.id for check in attempt.checks} if attempt else set()


def _latency_ms(case: Case | None) -> float:
    """Give the time spent waiting for the platform, without the harness's own."""
    attempt = _last(case)
    return (attempt.sut_wait_ms or attempt.duration_ms) if attempt else 0.0


def median(values: list[float]) -> float:
    """Give the middle value, 0 of none; the lower of two middle ones, so that it was measured."""
    return sorted(values)[(len(values) - 1) // 2] if values else 0.0


def _counts(changes: Iterable[Change], order: tuple[Change, ...]) -> dict[str, int]:
    counted: Mapping[Change, int] = Counter(changes)
    return {change.value: counted.get(change, 0) for change in order}
