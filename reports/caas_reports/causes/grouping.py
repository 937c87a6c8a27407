"""Failed cases, grouped by what broke them: one cause is one thing to repair."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from caas_reports.archive import NOTHING, Archive
from caas_reports.causes.findings import Finding, Kind, finding
from caas_reports.causes.phrases import title
from caas_reports.model import Case, Level, Run, Verdict
from caas_reports.wording import duration

# The same wrong answer from so many operations of a service is one fault of what they share.
SHARED_OPERATIONS_MIN = 3
_SHARED_KINDS = frozenset({Kind.WRONG, Kind.CRASHED})
# What a service had not sent yet is lost with it: so near to its silence it is the same fault.
SILENCE_NEAR_MS = 5_000.0


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Cases with one cause, and the simplest of them as the example.

    Attributes:
        verdict: The worst verdict among them; a flaky case that passed in the end counts as a
            warning.
        title: What broke, in one clause.
        cases: Their ids.
        example: The one with the fewest requests: the shortest way to see it.
        kind: What sort of thing broke.
        service: Whose doing it is; empty when the evidence does not say.
        operations: What was asked for when it broke.
        from_ms: When it was first seen, from the start of the run; None when never started.
        to_ms: When it was last seen.
    """

    verdict: Verdict
    title: str
    cases: tuple[str, ...]
    example: str
    kind: Kind
    service: str = ""
    operations: tuple[str, ...] = ()
    from_ms: float | None = None
    to_ms: float | None = None


class Causes(msgspec.Struct, frozen=True, kw_only=True):
    """All causes, the widest first, and the finding of each case that has one."""

    causes: tuple[Cause, ...]
    findings: dict[str, Finding]


_Group = list[tuple[Case, Finding]]


def causes(run: Run, archive: Archive = NOTHING) -> Causes:
    """Find what broke each case and group what broke alike.

    Args:
        run: What happened.
        archive: The evidence that the run itself leaves out.
    """
    looked = ((case, finding(case, run, archive)) for case in run.cases)
    found = [(case, said) for case, said in looked if said is not None]
    found = _laid_below(found, run)
    groups: dict[tuple[str, ...], _Group] = {}
    for case, said in found:
        key = (said.kind, said.service, said.place, said.alike, said.level)
        groups.setdefault(key, []).append((case, said))
    joined = _with_lost_telemetry(_merged(groups.values()), run)
    made = sorted((_cause(group, run, archive) for group in joined), key=_rank)
    return Causes(causes=tuple(made), findings={case.id: said for case, said in found})


def _laid_below(found: _Group, run: Run) -> _Group:
    """Lay a wrong answer that was passed on at the service that it comes from.

    It comes from there when the same was found there, or when nobody asked there directly: an
    operation that answers right when asked itself is not at fault for what another makes of it.
    """
    own = {(one.service, one.operation, one.alike) for _, one in found}
    own |= {(one.service, "", one.alike) for _, one in found if not one.place}
    asked = {
        (one.service, f"{one.method} {one.path}")
        for one in run.contract
        if any(answer.times for answer in one.answers)
    }
    return [
        (case, _at_its_source(said))
        if said.below
        and (
            {(*said.below, said.alike), (said.below[0], "", said.alike)} & own
            or (run.contract and said.below not in asked)
        )
        else (case, said)
        for case, said in found
    ]


def _at_its_source(said: Finding) -> Finding:
    assert said.below is not None  # noqa: S101 - the caller's condition
    service, operation = said.below
    return msgspec.structs.replace(
        said,
        service=service,
        place=operation if said.place else "",
        operation=operation,
        title=title(service, said.what),
        note="; ".join(filter(None, (said.note, f"{said.service} passed it on"))),
    )


def _merged(groups: Iterable[_Group]) -> list[_Group]:
    """Join groups that say the same of many operations of one service."""
    wide: dict[tuple[str, ...], list[_Group]] = {}
    for group in groups:
        said = group[0][1]
        place = "" if said.kind in _SHARED_KINDS and said.operation else said.place
        wide.setdefault((said.kind, said.service, place, said.alike, said.level), []).append(group)
    joined: list[_Group] = []
    for alike in wide.values():
        if len(alike) >= SHARED_OPERATIONS_MIN:
            joined.append([one for group in alike for one in group])
        else:
            joined += alike
    return joined


def _with_lost_telemetry(groups: list[_Group], run: Run) -> list[_Group]:
    """Move what a service's telemetry lacks to the cause that it gave no answer, when near."""
    silent = {
        said.service: (group, [moment for one in group if (moment := _moment(*one, run))])
        for group in groups
        if (said := group[0][1]).kind is Kind.UNANSWERED and said.service
    }
    kept = []
    for group in groups:
        said = group[0][1]
        cause, moments = silent.get(said.service, (None, []))
        if cause is None or said.kind is not Kind.TELEMETRY:
            kept.append(group)
            continue
        near = [one for one in group if _near(_moment(*one, run), moments)]
        cause += near
        rest = [one for one in group if one not in near]
        if rest:
            kept.append(rest)
    return kept


def _near(moment: float | None, moments: Sequence[float]) -> bool:
    if moment is None or not moments:
        return False
    return min(moments) - SILENCE_NEAR_MS <= moment <= max(moments) + SILENCE_NEAR_MS


def _cause(group: Sequence[tuple[Case, Finding]], run: Run, archive: Archive) -> Cause:
    said = [finding for _, finding in group]
    seen = [moment for one in group if (moment := _moment(*one, run)) is not None]
    example = min(group, key=lambda one: (_requests(one[0], archive), one[0].id))[0]
    return Cause(
        verdict=_worst([case for case, _ in group], said),
        title=title(said[0].service, _what(said)),
        cases=tuple(sorted(case.id for case, _ in group)),
        example=example.id,
        kind=said[0].kind,
        service=said[0].service,
        operations=tuple(sorted({one.operation for one in said if one.operation})),
        from_ms=min(seen, default=None),
        to_ms=max(seen, default=None),
    )


def _what(said: Sequence[Finding]) -> str:
    if len({one.what for one in said}) == 1:
        return said[0].what
    if said[0].kind is Kind.SLOW:
        return f"took up to {duration(max(one.total_ms for one in said))} to answer"
    return said[0].alike


def _rank(cause: Cause) -> tuple[int, int, int, str]:
    order = (Verdict.FAILED, Verdict.ERROR, Verdict.NOT_RUN, Verdict.WARNING)
    place = order.index(cause.verdict)
    return max(place, 1), -len(cause.cases), place, cause.cases[0]


def _worst(cases: Iterable[Case], said: Iterable[Finding]) -> Verdict:
    found = {case.verdict for case in cases}
    for verdict in (Verdict.FAILED, Verdict.ERROR, Verdict.NOT_RUN):
        if verdict in found and any(one.level is Level.MUST for one in said):
            return verdict
    return Verdict.WARNING


def _requests(case: Case, archive: Archive) -> int:
    return len(archive.full(case.attempts[-1]).exchanges) if case.attempts else 0


def _moment(case: Case, said: Finding, run: Run) -> float | None:
    """Give when a finding was made, in milliseconds from the start of the run."""
    attempt = next((one for one in case.attempts if one.number == said.attempt), None)
    if attempt is None:
        return None
    try:
        began = datetime.fromisoformat(run.started_at)
        started = datetime.fromisoformat(attempt.started_at)
    except ValueError:
        return None
    return round((started - began).total_seconds() * 1000 + said.offset_ms, 3)
