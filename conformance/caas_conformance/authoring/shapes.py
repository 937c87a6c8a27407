"""The shape of a body, for `check.matches`: plain Python values, each leaf one assertion.

A shape is a literal (compared), a type (`str` is a non-empty text, `int` is not a bool), a
dict (these members, others allowed), a one-element list (non-empty, every element so), or one
of the shapes below. There is none for "anything".
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from caas_conformance.errors import AuthoringError
from caas_conformance.wire.evidence import MISSING


class Finding(NamedTuple):
    """One leaf that was compared."""

    path: str
    expected: Any
    actual: Any
    passed: bool
    message: str = ""


class Shape:
    """A leaf that is judged by more than its type."""

    __slots__ = ()

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield one finding or more for *value*, which may be `MISSING`."""
        raise NotImplementedError


class Matching(Shape):
    """A text that a regular expression matches from start to end."""

    __slots__ = ("name", "pattern")

    def __init__(self, pattern: str, name: str) -> None:
        self.pattern = re.compile(pattern)
        self.name = name
        if self.pattern.fullmatch("") or self.pattern.fullmatch("\N{SNOWMAN} any \x7f"):
            raise AuthoringError(f"pattern {pattern!r} matches anything")

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield whether the whole text matches."""
        passed = isinstance(value, str) and self.pattern.fullmatch(value) is not None
        yield Finding(path, Words(self.name), value, passed)


class Words(str):
    """Text for the report that is a description, not a quoted value."""

    __slots__ = ()


class Timestamp(Shape):
    """An RFC 3339 time with an offset."""

    __slots__ = ()

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield whether it is a time with an offset."""
        yield Finding(path, Words("an RFC 3339 time"), value, is_timestamp(value))


class Uuid(Shape):
    """A UUID in canonical form."""

    __slots__ = ()

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield whether it is a canonical UUID."""
        yield Finding(path, Words("a UUID"), value, is_uuid(value))


class OneOf(Shape):
    """One of a few literals."""

    __slots__ = ("options",)

    def __init__(self, *options: Any) -> None:
        if len(options) < 2:  # noqa: PLR2004
            raise AuthoringError("one_of needs two options or more; write the literal")
        self.options = options

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield whether it equals one of them, type included."""
        passed = any(_same(value, option) for option in self.options)
        yield Finding(path, Words(f"one of {list(self.options)}"), value, passed)


class Optional(Shape):
    """A member that may be left out; when it is there it has the shape."""

    __slots__ = ("shape",)

    def __init__(self, shape: Any) -> None:
        self.shape = shape

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield nothing when it is missing."""
        if value is not MISSING:
            yield from compare(path, value, self.shape)


class Nullable(Shape):
    """A member that is there, and null or of the shape."""

    __slots__ = ("shape",)

    def __init__(self, shape: Any) -> None:
        self.shape = shape

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield that it is null, or what the shape says."""
        if value is None:
            yield Finding(path, Words("null or a value"), value, passed=True)
        else:
            yield from compare(path, value, self.shape)


class ListOf(Shape):
    """A list of between *at_least* and *at_most* elements, each of the shape."""

    __slots__ = ("at_least", "at_most", "shape")

    def __init__(self, shape: Any, *, at_least: int, at_most: int | None = None) -> None:
        self.shape = shape
        self.at_least = at_least
        self.at_most = at_most

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield the length, then each element."""
        wanted = f"a list of {self.at_least} or more"
        if self.at_most is not None:
            wanted = f"a list of {self.at_least} to {self.at_most}"
        if not isinstance(value, list):
            yield Finding(path, Words(wanted), value, passed=False)
            return
        most = len(value) if self.at_most is None else self.at_most
        fits = self.at_least <= len(value) <= most
        yield Finding(f"{path}.length", Words(wanted), len(value), fits)
        for index, element in enumerate(value):
            yield from compare(f"{path}.{index}", element, self.shape)


class Exactly(Shape):
    """An object with these members and no others: for bodies where a leak would be a fault."""

    __slots__ = ("members",)

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.members = members

    def findings(self, path: str, value: Any) -> Iterator[Finding]:
        """Yield each member, then that there is no other."""
        yield from _object(path, value, self.members)
        if isinstance(value, dict):
            extra = sorted(set(value) - set(self.members))
            yield Finding(path, Words("no other member"), extra, passed=not extra)


UUID = Uuid()
TIMESTAMP = Timestamp()


def pattern(expression: str, name: str = "") -> Shape:
    """Return a shape for a text that *expression* matches as a whole; *name* is for people.

    Raises:
        AuthoringError: the expression matches anything.
    """
    return Matching(expression, name or f"text like /{expression}/")


one_of = OneOf
optional = Optional
nullable = Nullable
list_of = ListOf
exactly = Exactly

_TYPES: dict[type, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    dict: (dict,),
    list: (list,),
}


def compare(path: str, value: Any, shape: Any) -> Iterator[Finding]:
    """Yield one finding for each leaf of *shape*.

    Raises:
        AuthoringError: the shape says nothing (`{}`, `[]`) or is of no known kind.
    """
    if isinstance(shape, Shape):
        yield from shape.findings(path, value)
    elif isinstance(shape, type):
        yield _typed(path, value, shape)
    elif isinstance(shape, Mapping):
        yield from _object(path, value, shape)
    elif isinstance(shape, list):
        if len(shape) != 1:
            raise AuthoringError(f"at {path}: a list shape has exactly one element")
        yield from ListOf(shape[0], at_least=1).findings(path, value)
    elif shape is None or isinstance(shape, str | int | float | bool):
        yield Finding(path, shape, value, _same(value, shape))
    else:
        raise AuthoringError(f"at {path}: {shape!r} is not a shape")


def is_uuid(value: Any) -> bool:
    """Tell whether *value* is a UUID in canonical lower-case form."""
    if not isinstance(value, str):
        return False
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False


def is_timestamp(value: Any) -> bool:
    """Tell whether *value* is an RFC 3339 time with an offset."""
    if not isinstance(value, str) or "T" not in value:
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _typed(path: str, value: Any, kind: type) -> Finding:
    accepted = _TYPES.get(kind)
    if accepted is None:
        raise AuthoringError(f"at {path}: {kind.__name__} is not a JSON type")
    passed = isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))
    if kind in (str, dict, list):
        return Finding(path, Words(f"a non-empty {kind.__name__}"), value, passed and bool(value))
    return Finding(path, Words(f"of type {kind.__name__}"), value, passed)


def _object(path: str, value: Any, members: Mapping[str, Any]) -> Iterator[Finding]:
    if not members:
        raise AuthoringError(f"at {path}: an empty object shape compares nothing")
    if not isinstance(value, dict):
        yield Finding(path, Words("an object"), value, passed=False)
        return
    for name, shape in members.items():
        yield from compare(f"{path}.{name}", value.get(name, MISSING), shape)


def _same(value: Any, literal: Any) -> bool:
    # 1 == True in Python; on the wire they are different things.
    return isinstance(value, bool) == isinstance(literal, bool) and bool(value == literal)
