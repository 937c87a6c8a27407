"""What the system under test showed: values that remember where they came from.

Checks accept evidence only. A plain Python value can't be asserted on, so that an assertion
always says something about the platform and the report can always say where it looked.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Final

from caas_conformance.errors import AuthoringError


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "(missing)"

    __str__ = __repr__


MISSING: Final = Missing.MISSING
"""A member, header or body that is not there; equal to nothing, not even to itself in a check."""


class Value:
    """One value out of an answer, with its path; never raises when a member is not there."""

    __slots__ = ("exchange", "path", "value")

    def __init__(self, path: str, value: Any, exchange: str | None = None) -> None:
        self.path = path
        self.value = value
        self.exchange = exchange

    def __repr__(self) -> str:
        return f"Value({self.path})"

    def at(self, *path: str | int) -> "Value":
        """Return the member at *path*: one dotted text (`client.plan`, `items.0.id`), or keys.

        Several arguments are taken as they are, for keys that hold dots: `at("paths", "/v1.0")`.
        """
        steps = path[0].split(".") if len(path) == 1 and isinstance(path[0], str) else path
        found = self.value
        name = self.path
        for step in steps:
            name = f"{name}.{step}"
            found = _member(found, step)
        return Value(name, found, self.exchange)

    def items(self) -> list["Value"]:
        """Return the elements of a list, each with its index; of anything else, none."""
        if not isinstance(self.value, list):
            return []
        return [Value(f"{self.path}.{n}", v, self.exchange) for n, v in enumerate(self.value)]

    def members(self) -> list["Value"]:
        """Return the members of an object, each with its name; of anything else, none."""
        if not isinstance(self.value, dict):
            return []
        return [Value(f"{self.path}.{k}", v, self.exchange) for k, v in self.value.items()]

    @property
    def length(self) -> "Value":
        """How many elements, members or characters it holds; missing for numbers and such."""
        sized = isinstance(self.value, list | dict | str | bytes)
        return Value(f"{self.path}.length", len(self.value) if sized else MISSING, self.exchange)

    def derive(self, name: str, function: Callable[[Any], Any]) -> "Value":
        """Return *function* of this value under *name*; missing when it is missing.

        Raises nothing: a value that *function* can't take gives a missing one.
        """
        if self.value is MISSING:
            return Value(f"{self.path}|{name}", MISSING, self.exchange)
        try:
            result = function(self.value)
        except Exception:  # noqa: BLE001 - whatever the platform sent must not break the harness
            result = MISSING
        return Value(f"{self.path}|{name}", result, self.exchange)


def derived(name: str, value: Any, *, of: Iterable[Any]) -> Value:
    """Make evidence out of several answers or values, such as how many of 50 were 201.

    Raises:
        AuthoringError: *of* is empty or holds something that is not evidence.
    """
    sources = list(of)
    if not sources:
        raise AuthoringError(f"derived({name!r}) needs the answers it is derived from")
    for source in sources:
        if not hasattr(source, "exchange"):
            raise AuthoringError(f"derived({name!r}) takes answers and values, not {source!r}")
    return Value(name, value, getattr(sources[-1], "exchange_id", None))


def _member(found: Any, step: str | int) -> Any:
    if isinstance(found, dict):
        return found.get(str(step), MISSING)
    if isinstance(found, list):
        try:
            return found[int(step)]
        except (ValueError, IndexError):
            return MISSING
    return MISSING
