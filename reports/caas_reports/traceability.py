"""The traceability matrix: each requirement with the cases that name it, and how it stands."""

from collections.abc import Container, Iterable
from enum import StrEnum

import msgspec

from caas_reports.model import GREEN, Case, Requirement, Run, Verdict

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
    """One line of the matrix; `requirement` is None when a case names one that nobody wrote.

    Attributes:
        shown_by: The faults that break it, each with a case of this run that is green and has
            turned red under the fault. Without one the requirement is tagged, not shown.
    """

    id: str
    state: Verdict | Gap
    cases: tuple[str, ...]
    shown_by: tuple[str, ...] = ()
    requirement: Requirement | None = None


def matrix(run: Run) -> tuple[Row, ...]:
    """Give a row for each requirement, in the order of the registry, and the unknown ones last."""
    naming: dict[str, list[Case]] = {requirement.id: [] for requirement in run.requirements}
    for case in run.cases:
        for name in case.requirements:
            naming.setdefault(name, []).append(case)
    known = {requirement.id: requirement for requirement in run.requirements}
    green = {case.id for case in run.cases if case.verdict in GREEN}
    return tuple(
        Row(
            id=name,
            state=_state(cases, known.get(name)),
            cases=tuple(case.id for case in cases),
            shown_by=shown_by(known[name], green) if name in known else (),
            requirement=known.get(name),
        )
        for name, cases in naming.items()
    )


def shown_by(requirement: Requirement, green: Container[str]) -> tuple[str, ...]:
    """Give the faults that break a requirement and would have turned one of the *green* red."""
    return tuple(
        fault for fault, cases in requirement.proofs.items() if any(c in green for c in cases)
    )


def _state(cases: Iterable[Case], requirement: Requirement | None) -> Verdict | Gap:
    found = {case.verdict for case in cases}
    gap = Gap.PLANNED if requirement and requirement.planned else Gap.UNCOVERED
    return next((verdict for verdict in _WORST_FIRST if verdict in found), gap)


def covered_line(rows: Iterable[Row]) -> str:
    """Say how many requirements a case names, and of how many a fault shows that it would tell."""
    found = list(rows)
    states = [row.state for row in found]
    bare, planned = states.count(Gap.UNCOVERED), states.count(Gap.PLANNED)
    told = f"{len(states)} requirements: {len(states) - bare - planned} tagged by a case"
    told += f", {sum(bool(row.shown_by) for row in found)} shown by a fault"
    return f"{told}, {bare} uncovered{f', {planned} planned' if planned else ''}"
