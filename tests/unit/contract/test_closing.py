"""What a schema does not name is found, wherever it lies, and nothing else is called that."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_conformance.contract.pointers import DocumentError
from caas_conformance.contract.schemas import SCHEMA, UNDOCUMENTED, Path, Schema, Schemas

NAME = "undocumented"
DEPTH_MAX = 4


@dataclass(frozen=True, slots=True)
class Described:
    """A schema, a value that keeps it, and where in the value a member more is what.

    Attributes:
        closed: Paths of objects whose members are all named by the schema.
        opened: Paths of objects of which the schema says that anything may come.
    """

    schema: Any
    value: Any
    closed: tuple[Path, ...] = ()
    opened: tuple[Path, ...] = ()

    def under(self, *steps: str | int) -> dict[str, tuple[Path, ...]]:
        """Give the paths as they are within something larger."""
        return {
            "closed": tuple((*steps, *path) for path in self.closed),
            "opened": tuple((*steps, *path) for path in self.opened),
        }


@dataclass(slots=True)
class Document:
    """Makes schemas, and components that they refer to."""

    draw: st.DrawFn
    components: dict[str, Any] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def any(self, depth: int) -> Described:
        """Make one of any kind; what is too deep is a plain value."""
        plain = [self.number, self.free_form]
        nested = [
            self.members,
            self.array,
            self.mapping,
            self.reference,
            self.nullable,
            self.widened,
        ]
        kind = self.draw(st.sampled_from(plain if depth >= DEPTH_MAX else nested * 2 + plain))
        made: Described = kind(depth + 1)
        return made

    def number(self, _: int) -> Described:
        """No object at all."""
        return Described({"type": "integer"}, self.draw(st.integers(0, 9)))

    def free_form(self, _: int) -> Described:
        """What names no member."""
        schema = self.draw(
            st.sampled_from([True, {}, {"type": "object"}, {"additionalProperties": True}])
        )
        return Described(schema, {"anything": 1}, opened=((),))

    def array(self, depth: int) -> Described:
        """A list of one."""
        inner = self.any(depth)
        word, schema = self.draw(
            st.sampled_from([("items", inner.schema), ("prefixItems", [inner.schema])])
        )
        return Described({"type": "array", word: schema}, [inner.value], **inner.under(0))

    def mapping(self, depth: int) -> Described:
        """Keys of any name, values of one kind."""
        inner = self.any(depth)
        schema = {"type": "object", "additionalProperties": inner.schema}
        return Described(schema, {"key": inner.value}, **inner.under("key"))

    def reference(self, depth: int) -> Described:
        """What a component describes."""
        inner = self.any(depth)
        return Described(self._component(inner.schema), inner.value, inner.closed, inner.opened)

    def nullable(self, depth: int) -> Described:
        """Beside null, or beside an object of another kind."""
        inner = self.any(depth)
        word = self.draw(st.sampled_from(["anyOf", "oneOf"]))
        other = self.draw(st.sampled_from([{"type": "null"}, self._other_kind()]))
        alternatives = self.draw(st.permutations([inner.schema, other]))
        return Described({word: alternatives}, inner.value, inner.closed, inner.opened)

    def widened(self, depth: int) -> Described:
        """Beside anything at all: then nothing in it is closed."""
        inner = self.members(depth)
        other = self.draw(st.sampled_from([{}, {"type": "object"}]))
        alternatives = self.draw(st.permutations([inner.schema, other]))
        return Described({"anyOf": alternatives}, inner.value, opened=((),))

    def members(self, depth: int) -> Described:
        """Named members, in one schema or in several that hold together."""
        parts = [self._part(depth) for _ in range(self.draw(st.integers(1, 3)))]
        schema: dict[str, Any] = {"type": "object"}
        for part in parts:
            self.draw(st.sampled_from(self._ways(part)))(schema)
        narrowed = self.draw(st.sampled_from([None, "anyOf", "oneOf"]))
        if narrowed and narrowed not in schema:
            schema[narrowed] = [{"required": [next(iter(parts[0].value))]}, {"required": ["no"]}]
        value = {name: one for part in parts for name, one in part.value.items()}
        closed = tuple(path for part in parts for path in part.closed)
        return Described(schema, value, ((), *closed), tuple(p for o in parts for p in o.opened))

    def _part(self, depth: int) -> Described:
        name, inner = f"m{next(self.numbers)}", self.any(depth)
        schema = {"properties": {name: inner.schema}}
        return Described(schema, {name: inner.value}, **inner.under(name))

    def _ways(self, part: Described) -> list[Callable[[dict[str, Any]], Any]]:
        ((name, inner),) = part.schema["properties"].items()
        return [
            lambda schema: schema.setdefault("properties", {}).update({name: inner}),
            lambda schema: schema.setdefault("patternProperties", {}).update({f"^{name}$": inner}),
            lambda schema: schema.setdefault("allOf", []).append(part.schema),
            lambda schema: schema.setdefault("allOf", []).append(self._component(part.schema)),
            lambda schema: schema.setdefault("allOf", []).append({"anyOf": [part.schema, False]}),
            lambda schema: schema.setdefault("allOf", []).append(
                {"if": {"required": [name]}, "then": part.schema}
            ),
            lambda schema: schema.setdefault("dependentSchemas", {}).update({name: part.schema}),
            lambda schema: (
                schema.update({"$ref": self._component(part.schema)["$ref"]})
                if "$ref" not in schema
                else schema.setdefault("allOf", []).append(part.schema)
            ),
        ]

    def _other_kind(self) -> dict[str, Any]:
        members = {"kind": {"const": "other"}, "more": {"type": "object", "properties": {}}}
        return {"type": "object", "properties": members, "required": ["kind"]}

    def _component(self, schema: Any) -> dict[str, Any]:
        name = f"C{next(self.numbers)}"
        self.components[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}


@st.composite
def described(draw: st.DrawFn) -> tuple[Schema, Described]:
    """Make a compiled schema and what is known of it."""
    document = Document(draw)
    made = document.any(0)
    return compiled(made.schema, document.components), made


def compiled(schema: Any, components: dict[str, Any] | None = None) -> Schema:
    """Compile one schema."""
    schemas = Schemas({"components": {"schemas": components or {}}})
    number = schemas.add(schema)
    schemas.compile()
    return schemas.at(number)


def with_member(value: Any, path: Path) -> Any:
    """Copy *value* with one member more at *path*."""
    copied = msgspec.json.decode(msgspec.json.encode(value))
    found = copied
    for step in path:
        found = found[step]
    found[NAME] = {"of": "any kind"}
    return copied


@given(described())
def test_a_value_of_named_members_is_right(made: tuple[Schema, Described]) -> None:
    """However its schema is put together."""
    schema, example = made

    assert schema.faults(example.value) == []


@given(described())
def test_a_member_that_nothing_names_is_found_where_it_lies(
    made: tuple[Schema, Described],
) -> None:
    """At that place, as that, and no other place is blamed with it."""
    schema, example = made
    for path in example.closed:
        faults = schema.faults(with_member(example.value, path))

        assert [(f.sort, f.path) for f in faults] == [(UNDOCUMENTED, (*path, NAME))]


@given(described())
def test_what_is_said_to_be_open_stays_open(made: tuple[Schema, Described]) -> None:
    """Also beside what names members."""
    schema, example = made
    for path in example.opened:
        assert schema.faults(with_member(example.value, path)) == []


def test_a_schema_that_refers_to_itself_is_closed_at_every_level() -> None:
    """A reference in a circle ends."""
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/components/schemas/Node"}},
    }
    schema = compiled({"$ref": "#/components/schemas/Node"}, {"Node": node})

    assert schema.faults({"next": {"next": {}}}) == []
    assert [f.path for f in schema.faults({"next": {"next": {"x": 1}}})] == [("next", "next", "x")]


def test_what_a_schema_must_not_be_is_not_closed() -> None:
    """Closing what stands under `not` would allow what it forbids."""
    forbidden = {"not": {"type": "object", "properties": {"a": {"type": "object"}}}}
    schema = compiled({"properties": {"a": True, "b": True}, "allOf": [forbidden]})

    assert [f.sort for f in schema.faults({"a": {}, "b": 1})] == [SCHEMA]


def test_the_alternative_that_came_closest_is_told() -> None:
    """`null` is not what an object with a wrong member was meant to be."""
    inner = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    schema = compiled({"oneOf": [inner, {"type": "null"}]})

    (fault,) = schema.faults({"at": "yesterday"})

    assert (fault.sort, fault.path, fault.expected) == ("format", ("at",), "format date-time")


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/components/schemas/Nowhere"},
        {"$ref": "http://127.0.0.1/elsewhere.json"},
        {"type": "objekt"},
        {"pattern": "("},
    ],
)
def test_a_schema_that_says_nothing_is_an_error_of_the_document(schema: Any) -> None:
    """Nothing is fetched from elsewhere, either."""
    with pytest.raises(DocumentError):
        compiled(schema)
