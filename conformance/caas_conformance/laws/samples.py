"""Values that keep or break one rule of a JSON Schema, and nothing else where that can be.

Built from a valid value: what is broken is one member of it, by one keyword of its schema.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs

DEPTH_MAX = 6
TEXT_MAX_CHARS = 20_000
"""Longer limits are not tried: the body's own limit would answer first."""
ENUM_TRIED_MAX = 3
ABSENT: Any = object()
UNHEARD_OF = "unheard_of"

WRONG_TYPES: Mapping[str, tuple[Any, ...]] = {
    "string": (7, ["text"], {"text": 1}),
    "integer": ("1", 1.5, True),
    "number": ("1", True),
    "boolean": ("true", 1),
    "array": ({}, "text"),
    "object": ([], "text"),
}
WRONG_FORMATS: Mapping[str, str] = {
    "email": "no-at-sign",
    "uuid": "not-a-uuid",
    "date-time": "yesterday",
    "date": "2026-02-30",
    "uri": "no uri",
    "ipv4": "256.1.1.1",
    "ipv6": ":::1",
}
SAMPLE_TEXTS: Mapping[str, str] = {
    "email": "law@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "uri": "https://example.com/",
    "ipv4": "203.0.113.1",
    "ipv6": "2001:db8::1",
}
UNLIKELY_TEXTS = ("\x00", "\u2028", " ", "\t", "!", "a b", "-", "ä", "0", "a", "A")


Keys = tuple[str | int, ...]


class Try(NamedTuple):
    """A member to send instead of a valid one.

    Attributes:
        keys: Where it is.
        rule: The keyword it keeps at its edge, or breaks.
        value: What is put there; `ABSENT` leaves it out.
    """

    keys: Keys
    rule: str
    value: Any

    @property
    def path(self) -> str:
        """Return the member as `errors[].path` names it: `settings.locale`, `scopes[0]`."""
        text = ""
        for key in self.keys:
            text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
        return text

    def of(self, valid: Any) -> Any:
        """Return *valid* with the member replaced; the rest stays as it is."""
        return _replaced(valid, self.keys, self.value)


class Schema:
    """One schema of a document, with its references followed."""

    def __init__(self, schema: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        self.document = document
        self.whole = {**schema, "components": document.get("components", {})}
        self.validator = jsonschema_rs.validator_for(self.whole, validate_formats=True)

    def accepts(self, value: Any) -> bool:
        """Tell whether the whole schema takes *value*."""
        return bool(self.validator.is_valid(value))

    def refusals(self, value: Any) -> list[str]:
        """Return what the schema has against *value*, in words; nothing for a valid one."""
        return [str(error.message) for error in self.validator.iter_errors(value)]

    def breaches(self, valid: Any) -> Iterator[Try]:
        """Yield values that break one rule each; what the schema takes after all is left out."""
        for one in _walk(self.whole, self.document, valid, (), _breaking):
            if not self.accepts(one.of(valid)):
                yield one

    def edges(self, valid: Any) -> Iterator[Try]:
        """Yield values that keep one rule as narrowly as can be."""
        for one in _walk(self.whole, self.document, valid, (), _keeping):
            if self.accepts(one.of(valid)):
                yield one


Rule = Callable[[Mapping[str, Any], Any], Iterator[tuple[str, Any]]]


def resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Follow references, and merge what `oneOf` or `anyOf` of one real choice says."""
    found = dict(schema)
    for _ in range(DEPTH_MAX):
        reference = found.pop("$ref", None)
        if reference is not None:
            target: Any = document
            for part in str(reference).removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            found = {**target, **found}
            continue
        for word in ("oneOf", "anyOf", "allOf"):
            choices = [c for c in found.get(word, ()) if c.get("type") != "null"]
            if len(choices) == 1:
                nullable = len(found[word]) > 1
                del found[word]
                found = {**choices[0], **found, **({"nullable": True} if nullable else {})}
                break
        else:
            return found
    return found


def sample(schema: Mapping[str, Any], document: Mapping[str, Any], depth: int = 0) -> Any:
    """Return some value of a schema, or `ABSENT` when none is found at first sight."""
    s = resolved(schema, document)
    value = _first_sight(s, document, depth)
    if value is ABSENT or depth > DEPTH_MAX:
        return ABSENT
    return value if Schema(s, document).accepts(value) else ABSENT


def _first_sight(s: Mapping[str, Any], document: Mapping[str, Any], depth: int) -> Any:
    told = [*s.get("examples", ()), *s.get("enum", ())]
    if told or "const" in s:
        return told[0] if told else s["const"]
    kind = str(s.get("type"))
    if kind == "string":
        text = SAMPLE_TEXTS.get(s.get("format", ""), "Aa1-")
        return text.ljust(s.get("minLength", 0), "a")
    if kind == "array":
        element = sample(s.get("items", {}), document, depth + 1)
        return ABSENT if element is ABSENT else [element] * max(1, s.get("minItems", 1))
    if kind == "object":
        members = {
            name: sample(below, document, depth + 1)
            for name, below in s.get("properties", {}).items()
            if name in s.get("required", ()) or s.get("minProperties")
        }
        return ABSENT if ABSENT in members.values() else members
    numbers = {"integer": int(s.get("minimum", 1)), "number": s.get("minimum", 1)}
    return {**numbers, "boolean": True}.get(kind, ABSENT)


def _walk(
    schema: Mapping[str, Any], document: Mapping[str, Any], valid: Any, keys: Keys, rule: Rule
) -> Iterator[Try]:
    """Yield what *rule* makes of each schema below, as replacements in the whole value."""
    s = resolved(schema, document)
    if valid is ABSENT:
        valid = sample(s, document)
    if valid is ABSENT or len(keys) > DEPTH_MAX:
        return
    for word, value in rule(s, valid):
        yield Try(keys, word, value)
    if isinstance(valid, dict):
        for name, below in s.get("properties", {}).items():
            inner = valid.get(name, ABSENT)
            yield from _walk(below, document, inner, (*keys, name), rule)
        if rule is _breaking:
            for name in s.get("required", ()):
                yield Try((*keys, name), "required", ABSENT)
            if s.get("additionalProperties") is False:
                yield Try((*keys, UNHEARD_OF), "additionalProperties", 1)
    if isinstance(valid, list) and s.get("items"):
        inner = valid[0] if valid else ABSENT
        yield from _walk(s["items"], document, inner, (*keys, 0), rule)


def _replaced(whole: Any, keys: Keys, value: Any) -> Any:
    if not keys:
        return value
    key, below = keys[0], keys[1:]
    if isinstance(key, int):
        rest = list(whole) if isinstance(whole, list) else []
        return [_replaced(rest[0] if rest else {}, below, value), *rest[1:]]
    members = dict(whole) if isinstance(whole, dict) else {}
    if not below and value is ABSENT:
        members.pop(key, None)
    else:
        members[key] = _replaced(members.get(key, {}), below, value)
    return members


def _breaking(s: Mapping[str, Any], valid: Any) -> Iterator[tuple[str, Any]]:
    kind = str(s.get("type"))
    for value in WRONG_TYPES.get(kind, ()):
        yield "type", value
    if not s.get("nullable") and ("type" in s or None not in s.get("enum", (None,))):
        yield "type", None
    if "enum" in s or "const" in s:
        yield "enum", "no-such-value"
    by_kind = {
        "string": _breaking_text,
        "integer": _breaking_number,
        "number": _breaking_number,
        "array": _breaking_list,
        "object": _breaking_object,
    }
    if kind in by_kind:
        yield from by_kind[kind](s, valid)


def _breaking_number(s: Mapping[str, Any], _: Any) -> Iterator[tuple[str, Any]]:
    for word, step in (("minimum", -1), ("maximum", 1)):
        if word in s:
            yield word, int(s[word]) + step


def _breaking_object(s: Mapping[str, Any], _: Any) -> Iterator[tuple[str, Any]]:
    if s.get("maxProperties") is not None:
        yield "maxProperties", {f"k{n}": "v" for n in range(s["maxProperties"] + 1)}
    if s.get("minProperties"):
        yield "minProperties", {}
    if "propertyNames" in s:
        yield "propertyNames", {"no such name!\u2028": "v"}


def _breaking_text(s: Mapping[str, Any], valid: Any) -> Iterator[tuple[str, Any]]:
    if s.get("minLength"):
        yield "minLength", str(valid)[: s["minLength"] - 1]
    longest = s.get("maxLength", TEXT_MAX_CHARS + 1)
    if longest <= TEXT_MAX_CHARS:
        yield "maxLength", _stretched(str(valid), longest + 1, s)
    if "pattern" in s:
        fits = range(s.get("minLength", 0), longest + 1)
        texts = [text * max(1, s.get("minLength", 1)) for text in UNLIKELY_TEXTS]
        broken = [x for x in texts if len(x) in fits and not re.search(s["pattern"], x)]
        if broken:
            yield "pattern", broken[0]
    if s.get("format") in WRONG_FORMATS:
        yield "format", WRONG_FORMATS[s["format"]]


def _breaking_list(s: Mapping[str, Any], valid: Any) -> Iterator[tuple[str, Any]]:
    if s.get("minItems"):
        yield "minItems", list(valid)[: s["minItems"] - 1]
    if "maxItems" in s and valid:
        yield "maxItems", [valid[0]] * (s["maxItems"] + 1)
    if s.get("uniqueItems") and valid:
        yield "uniqueItems", [valid[0], valid[0]]


def _keeping(s: Mapping[str, Any], valid: Any) -> Iterator[tuple[str, Any]]:
    kind = s.get("type")
    if s.get("nullable"):
        yield "null", None
    for value in (s.get("enum") or ())[:ENUM_TRIED_MAX]:
        yield "enum", value
    if kind == "string" and "enum" not in s:
        if s.get("minLength"):
            yield "minLength", str(valid)[: s["minLength"]]
        if s.get("maxLength", TEXT_MAX_CHARS + 1) <= TEXT_MAX_CHARS:
            yield "maxLength", _stretched(str(valid), s["maxLength"], s)
    elif kind in ("integer", "number"):
        for word in ("minimum", "maximum"):
            if word in s:
                yield word, int(s[word])
    elif kind == "array" and valid and "maxItems" in s and not s.get("uniqueItems"):
        yield "maxItems", [valid[0]] * s["maxItems"]


def _stretched(text: str, length: int, s: Mapping[str, Any]) -> str:
    if s.get("format") == "email":
        local, _, domain = text.partition("@")
        return f"{local}@{'d' * 60}.{domain}"[:length].ljust(length, "x")
    return (text or "a")[:length].ljust(length, "a")
