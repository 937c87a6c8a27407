"""Close a schema: the same, and no member that it does not name.

JSON Schema lets every object have more members than it names. Here that is a fault: what a
document does not say, a client can't rely on and a reviewer has not seen. `unevaluatedProperties`
knows the members that any part of a schema names, so it goes to where a value begins, never into
the parts (`allOf` and the like) that are about the same value together. A schema that names no
member at all (`{}`, `{"type": "object"}`) says on purpose that anything may come, and stays open.
"""

from collections.abc import Mapping
from typing import Any

from caas_conformance.contract.pointers import resolve

Schema = dict[str, Any]

_ONE = ("items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties")
_MAPS = ("properties", "patternProperties")
_ALL_HOLD = ("allOf",)
_ALTERNATIVES = ("anyOf", "oneOf")
_WHEN = ("then", "else")
_NAMING = ("properties", "patternProperties", "additionalProperties", "unevaluatedProperties")


class Closing:
    """Closes schemas of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def value(self, schema: Any) -> Any:
        """Close a schema that a value is judged by on its own."""
        if not isinstance(schema, dict):
            return schema
        inner = self.part(schema)
        if "unevaluatedProperties" in schema or not self._names_members(schema, set()):
            return inner
        return {**inner, "unevaluatedProperties": False}

    def part(self, schema: Any, *, named: bool = False) -> Any:
        """Close what lies within a schema, and leave its own value open.

        Args:
            schema: Any schema.
            named: Whether another part of the same value names members.
        """
        if not isinstance(schema, dict):
            return schema
        inner = dict(schema)
        for word in _ONE:
            if word in schema:
                inner[word] = self.value(schema[word])
        for word in _MAPS:
            if isinstance(schema.get(word), dict):
                inner[word] = {k: self.value(v) for k, v in schema[word].items()}
        if isinstance(schema.get("$defs"), dict):
            inner["$defs"] = {k: self.part(v) for k, v in schema["$defs"].items()}
        if isinstance(schema.get("prefixItems"), list):
            inner["prefixItems"] = [self.value(one) for one in schema["prefixItems"]]
        self._combined(schema, inner, named=named)
        return inner

    def _combined(self, schema: Schema, inner: Schema, *, named: bool) -> None:
        """Go on into the parts about the same value; `not` and `if` must stay what they were."""
        for word in _ALL_HOLD:
            if isinstance(schema.get(word), list):
                inner[word] = [
                    self.part(one, named=named or self._names_beside(schema, word, n))
                    for n, one in enumerate(schema[word])
                ]
        for word in _ALTERNATIVES:
            if isinstance(schema.get(word), list):
                others = named or self._names_beside(schema, word)
                inner[word] = [self._alternative(one, named=others) for one in schema[word]]
        for word in _WHEN:
            if word in schema:
                inner[word] = self.part(
                    schema[word], named=named or self._names_beside(schema, word)
                )
        if isinstance(schema.get("dependentSchemas"), dict):
            others = named or self._names_beside(schema, "dependentSchemas")
            inner["dependentSchemas"] = {
                k: self.part(v, named=others) for k, v in schema["dependentSchemas"].items()
            }

    def _alternative(self, schema: Any, *, named: bool) -> Any:
        """One of several: an open one stays open, unless it only narrows what others name."""
        if named or self._names_members(schema, set()):
            return self.part(schema, named=named)
        if schema is False:
            return schema
        return {**(self.part(schema) if schema is not True else {}), "additionalProperties": True}

    def _names_beside(self, schema: Schema, word: str, number: int | None = None) -> bool:
        """Tell whether the rest of a schema, without a word or one of its parts, names members."""
        rest = {k: v for k, v in schema.items() if k != word}
        if number is not None:
            rest[word] = [one for n, one in enumerate(schema[word]) if n != number]
        return self._names_members(rest, set())

    def _names_members(self, schema: Any, seen: set[str]) -> bool:
        """Tell whether any part about the schema's own value names members."""
        if not isinstance(schema, dict):
            return False
        if any(word in schema for word in _NAMING):
            return True
        target = schema.get("$ref")
        if isinstance(target, str) and target not in seen:
            seen.add(target)
            if self._names_members(resolve(self._document, target), seen):
                return True
        parts = [one for word in (*_ALL_HOLD, *_ALTERNATIVES) for one in schema.get(word, ())]
        parts += [schema[word] for word in _WHEN if word in schema]
        parts += schema.get("dependentSchemas", {}).values()
        return any(self._names_members(one, seen) for one in parts)
