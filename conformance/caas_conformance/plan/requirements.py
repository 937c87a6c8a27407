"""The registry of requirements: what the platform must keep, and which cases prove it."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from caas_conformance.authoring.definition import CaseDefinition
from caas_conformance.errors import AuthoringError
from caas_reports.model import Level, Requirement

PLANNED = "planned"
_MEMBERS = frozenset({"id", "text", "level", "source", "anchor", "status"})


@dataclass(frozen=True, slots=True)
class Registry:
    """Requirements by id; planned ones belong to services that are not built yet."""

    requirements: Mapping[str, Requirement]

    @property
    def built(self) -> tuple[str, ...]:
        """The ids that a case has to cover: all but the planned ones."""
        return tuple(r.id for r in self.requirements.values() if not r.planned)

    def __contains__(self, requirement_id: object) -> bool:
        return requirement_id in self.requirements

    def uncovered(self, cases: Iterable[CaseDefinition]) -> tuple[str, ...]:
        """Return the ids, planned ones left out, that no case of *cases* names."""
        covered = {r for case in cases for r in case.requirements}
        return tuple(r for r in self.built if r not in covered)


def load(path: Traversable) -> Registry:
    """Read the registry.

    Raises:
        AuthoringError: an entry is incomplete, unknown in part, or its id is taken.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise AuthoringError(f"{path.name} can't be read: {error}") from error
    found: dict[str, Requirement] = {}
    for entry in document.get("requirement", []):
        requirement_id = entry.get("id", "")
        where = f"{path.name}: {requirement_id or entry}"
        if set(entry) - _MEMBERS or not all(entry.get(m) for m in ("id", "text", "source")):
            raise AuthoringError(f"{where}: an entry has id, text and source, and {_MEMBERS}")
        if requirement_id in found:
            raise AuthoringError(f"{where}: this id is taken")
        try:
            level = Level(entry.get("level", "MUST"))
        except ValueError as error:
            raise AuthoringError(f"{where}: {error}") from error
        found[requirement_id] = Requirement(
            id=requirement_id,
            text=entry["text"],
            level=level,
            source=entry["source"],
            anchor=entry.get("anchor", ""),
            planned=entry.get("status") == PLANNED,
        )
    return Registry(found)
