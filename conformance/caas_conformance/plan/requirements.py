"""The registry of requirements: what the platform must keep, and which cases prove it."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import msgspec

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


def load(path: Traversable, proofs: Traversable | None = None) -> Registry:
    """Read the registry, and the proofs that a breach of a requirement is seen.

    *proofs* is a TOML file with a table for each requirement: by fault that breaks it, the cases
    that it has turned red.

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
    return _proven(found, proofs) if proofs else Registry(found)


def _proven(found: Mapping[str, Requirement], path: Traversable) -> Registry:
    """Give each requirement the proofs that a file has of it."""
    try:
        proofs: dict[str, dict[str, list[str]]] = msgspec.convert(
            tomllib.loads(path.read_text("utf-8")), dict[str, dict[str, list[str]]]
        )
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise AuthoringError(f"{path.name} can't be read: {error}") from error
    unknown = [name for name in proofs if name not in found or found[name].planned]
    if unknown:
        raise AuthoringError(f"{path.name} proves what is no requirement yet: {unknown}")
    return Registry(
        {
            name: msgspec.structs.replace(
                requirement,
                proofs={fault: tuple(cases) for fault, cases in proofs.get(name, {}).items()},
            )
            for name, requirement in found.items()
        }
    )
