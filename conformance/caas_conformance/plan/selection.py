"""Which cases a run is about: the plan."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from caas_conformance.authoring.definition import CaseDefinition, Phase
from caas_reports.figures import Shard

SHARD = re.compile(r"([0-9]{1,3})/([0-9]{1,3})")
SHARDS_MAX = 100


class SelectionError(ValueError):
    """The selection names something that is not there, or leaves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the command line asked for; empty means everything.

    Attributes:
        phases: Phase ids.
        cases: Case ids or shell patterns of them, such as `S04.*`.
        tags: A case is taken when it has one of them; `!tag` leaves cases out.
        only: Case ids of the last run that were not green, for `--last-failed`.
    """

    phases: Sequence[str] = ()
    cases: Sequence[str] = ()
    tags: Sequence[str] = ()
    only: frozenset[str] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.phases or self.cases or self.tags) and self.only is None


def plan(phases: Iterable[Phase], selection: Selection) -> list[CaseDefinition]:
    """Return the selected cases in the order of their ids.

    Raises:
        SelectionError: a phase, case or tag is unknown, or no case is left.
    """
    everything = sorted((c for p in phases for c in p.cases), key=lambda case: case.id)
    _require("phase", selection.phases, {case.phase.id for case in everything})
    tags = {tag for case in everything for tag in case.tags}
    _require("tag", [tag.removeprefix("!") for tag in selection.tags], tags)
    for wanted in selection.cases:
        if not any(fnmatchcase(case.id, wanted) for case in everything):
            raise SelectionError(f"no case is called {wanted}: see `caas conformance list`")
    chosen = [case for case in everything if _selected(case, selection)]
    if not chosen:
        raise SelectionError("the selection leaves no case: a run without cases proves nothing")
    return chosen


def shard_of(asked: str, chosen: Sequence[CaseDefinition]) -> Shard:
    """Read `2/4`: which part of how many.

    Raises:
        SelectionError: it is no part, or there are fewer cases than parts.
    """
    found = SHARD.fullmatch(asked)
    index, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= index <= count <= SHARDS_MAX:
        raise SelectionError(f"{asked} is no shard: `2/4` is the second of 4, at most {SHARDS_MAX}")
    if count > len(chosen):
        raise SelectionError(f"there are {len(chosen)} cases for {count} shards: use fewer")
    return Shard(index=index, count=count, plan=tuple(case.id for case in chosen))


def part(chosen: Sequence[CaseDefinition], shard: Shard) -> list[CaseDefinition]:
    """Return the cases of a shard: dealt out in turn, so that each gets a share of each phase.

    A case makes what it needs itself, so any of them may run without the others.
    """
    return list(chosen[shard.index - 1 :: shard.count])


def _selected(case: CaseDefinition, selection: Selection) -> bool:
    with_tags = {tag for tag in selection.tags if not tag.startswith("!")}
    without = {tag[1:] for tag in selection.tags if tag.startswith("!")}
    return (
        (not selection.phases or case.phase.id in selection.phases)
        and (not selection.cases or any(fnmatchcase(case.id, w) for w in selection.cases))
        and (not with_tags or bool(with_tags & set(case.tags)))
        and not without & set(case.tags)
        and (selection.only is None or case.id in selection.only)
    )


def _require(kind: str, wanted: Iterable[str], known: set[str]) -> None:
    for name in wanted:
        if name not in known:
            raise SelectionError(
                f"there is no {kind} {name}: choose from {', '.join(sorted(known))}"
            )
