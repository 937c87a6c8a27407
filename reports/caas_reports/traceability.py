"""The traceability matrix: each requirement with the cases that name it, and how it stands."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from caas_reports.model import Case, Requirement, Run, Verdict

_WORST_FIRST = (
    Verdict.FAILED,
    Verdict.ERROR,
    Verdict.NOT_RUN,
    Verdict.SKIPPED,
    Verdict.WARNING,
    Verdict.PASSED,
)


class Gap(StrEnum):
    """Why no case of a run names a requirement."""

    UNCOVERED = "uncovered"
    PLANNED = "planned"  # its service is yet to come


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the matrix; `requirement` is None when a case names one that nobody wrote."""

    id: str
    state: Verdict | Gap
    cases: tuple[str, ...]
    requirement: Requirement | None = None


def matrix(run: Run) -> tuple[Row, ...]:
    """Give a row for each requirement, in the order of the registry, and the unknown ones last."""
    naming: dict[str, list[Case]] = {requirement.id: [] for requirement in run.requirements}
    for case in run.cases:
        for name in case.requirements:
            naming.setdefault(name, []).append(case)
    known = {requirement.id: requirement for requirement in run.requirements}
    return tuple(
        Row(
            id=name,
            state=_state(cases, known.get(name)),
            cases=tuple(case.id for case in cases),
            requirement=known.get(name),
        )
        for name, cases in naming.items()
    )


def _state(cases: Iterable[Case], requirement: Requirement | None) -> Verdict | Gap:
    found = {case.verdict for case in cases}
    gap = Gap.PLANNED if requirement and requirement.planned else Gap.UNCOVERED
    return next((verdict for verdict in _WORST_FIRST if verdict in found), gap)


def covered_line(rows: Iterable[Row]) -> str:
    """Say how many requirements a case names, and how many none does, planned ones apart."""
    states = [row.state for row in rows]
    bare, planned = states.count(Gap.UNCOVERED), states.count(Gap.PLANNED)
    told = f"{len(states)} requirements: {len(states) - bare - planned} covered by a case"
    return f"{told}, {bare} uncovered{f', {planned} planned' if planned else ''}"
