"""Judge values by the schemas of one document: compiled once, formats asserted, nothing unnamed.

Each schema is compiled twice. As it stands it says whether a value keeps it; closed
(`closing`) it says whether the value has members that the document does not name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs
import msgspec

from caas_conformance.authoring.shapes import Words
from caas_conformance.contract.closing import Closing
from caas_conformance.contract.pointers import DocumentError
from caas_conformance.wire.evidence import MISSING

FAULTS_MAX = 20
FORMAT = "format"
SCHEMA = "schema"
UNDOCUMENTED = "undocumented"
_OPEN = "urn:contract:as-documented"
_CLOSED = "urn:contract:closed"
_UNNAMED = frozenset({"unevaluatedProperties", "additionalProperties"})
Path = tuple[str | int, ...]


class Fault(NamedTuple):
    """One place where a value breaks its schema."""

    sort: str  # SCHEMA, FORMAT or UNDOCUMENTED
    path: Path
    expected: Words
    actual: Any


class Schema:
    """One compiled schema."""

    __slots__ = ("_as_documented", "_closed")

    def __init__(self, as_documented: Any, closed: Any) -> None:
        self._as_documented = as_documented
        self._closed = closed

    def faults(self, value: Any) -> list[Fault]:
        """Return how *value* breaks the schema; nothing when it keeps it."""
        if not self._as_documented.is_valid(value):
            errors = [leaf for e in self._as_documented.iter_errors(value) for leaf in _leaves(e)]
            return [_fault(e, value) for e in errors[:FAULTS_MAX]]
        if not self._closed.is_valid(value):
            return list(_unnamed(list(self._closed.iter_errors(value)), value))[:FAULTS_MAX]
        return []


class Schemas:
    """Every schema of a document that something is judged by; equal ones are compiled once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._known: dict[bytes, int] = {}
        self._added: list[Any] = []
        self._compiled: list[Schema] = []

    def add(self, schema: Any) -> int:
        """Note a schema to compile; return what `at` takes."""
        key = msgspec.json.encode(schema, order="sorted")
        if key not in self._known:
            self._known[key] = len(self._added)
            self._added.append(schema)
        return self._known[key]

    def compile(self) -> None:
        """Compile everything that was added.

        Raises:
            DocumentError: a schema is none, or refers to nothing.
        """
        schemas = self._document.get("components", {}).get("schemas", {})
        closing = Closing(self._document)
        as_documented = {"components": {"schemas": schemas}, "values": self._added}
        closed = {
            "components": {"schemas": {name: closing.part(s) for name, s in schemas.items()}},
            "values": [closing.value(schema) for schema in self._added],
        }
        try:
            registry = jsonschema_rs.Registry(
                [(_OPEN, as_documented), (_CLOSED, closed)], draft=jsonschema_rs.Draft202012
            )
            self._compiled = [
                Schema(
                    _compiled(f"{_OPEN}#/values/{n}", registry),
                    _compiled(f"{_CLOSED}#/values/{n}", registry),
                )
                for n in range(len(self._added))
            ]
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise DocumentError(f"a schema can't be used: {str(error).splitlines()[0]}") from error

    def at(self, number: int) -> Schema:
        """Return a compiled schema."""
        return self._compiled[number]


def _compiled(reference: str, registry: Any) -> Any:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": reference}, registry=registry, validate_formats=True, offline=True
    )


def _leaves(error: Any) -> Iterator[Any]:
    """Yield what is wrong inside: of several alternatives, the one that came closest."""
    branches = [[leaf for e in branch for leaf in _leaves(e)] for branch in _alternatives(error)]
    if not branches:
        yield error
    else:
        yield from max(branches, key=_closeness)


def _closeness(leaves: list[Any]) -> tuple[bool, int, int]:
    depth = max((len(leaf.instance_path) for leaf in leaves), default=0)
    of_another_type = any(leaf.kind.name == "type" and len(leaf.instance_path) == 0
                          for leaf in leaves)  # fmt: skip
    return not of_another_type, depth, -len(leaves)


def _alternatives(error: Any) -> list[list[Any]]:
    return [branch for branch in getattr(error.kind, "context", None) or [] if branch]


def _fault(error: Any, value: Any) -> Fault:
    """Turn an error of the library into ours; its own message holds the value, maybe a secret."""
    name, path, facts = error.kind.name, tuple(error.instance_path), error.kind.as_dict()
    if name == "required":
        return Fault(SCHEMA, (*path, facts["property"]), Words("required"), MISSING)
    if name in _UNNAMED and facts.get("unexpected"):
        member = facts["unexpected"][0]
        return Fault(UNDOCUMENTED, (*path, member), Words("no such member"),
                     _at(value, (*path, member)))  # fmt: skip
    told = ", ".join(str(fact) if not isinstance(fact, list) else " or ".join(map(str, fact))
                     for fact in facts.values())  # fmt: skip
    sort = FORMAT if name == "format" else SCHEMA
    words = told if name == "type" else f"{name} {told}".strip()
    return Fault(sort, path, Words(words), _at(value, path))


def _unnamed(errors: list[Any], value: Any) -> Iterator[Fault]:
    """Yield the members that no schema names.

    An object within one that is wrong makes the outer one wrong as well, with all its members:
    only the innermost are meant.
    """
    found = list(dict.fromkeys(_unnamed_within(errors)))
    for path in found:
        if not any(len(other) > len(path) and other[: len(path) - 1] == path[:-1]
                   for other in found):  # fmt: skip
            yield Fault(UNDOCUMENTED, path, Words("no such member"), _at(value, path))


def _unnamed_within(errors: list[Any]) -> Iterator[Path]:
    for error in errors:
        if error.kind.name in _UNNAMED:
            for member in error.kind.as_dict().get("unexpected", ()):
                yield (*error.instance_path, member)
        for branch in _alternatives(error):
            yield from _unnamed_within(branch)


def _at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return MISSING
    return value
