"""What differs between two looks at the same state, leaf by leaf."""

from collections.abc import Collection, Iterator
from typing import Any

from caas_conformance.wire.evidence import MISSING, Value

SHOWN_MAX = 20


class Seen(dict[str, Any]):
    """One look at everything that a party can read, by operation.

    Attributes:
        exchanges: The exchange that showed it, by operation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: dict[str, str] = {}


def changes_between(before: Seen, after: Seen, *, but: Collection[str] = ()) -> Value:
    """Return as evidence what changed: `{path: "before -> after"}`, empty for nothing.

    What lies at a name in *but* is not compared. At most `SHOWN_MAX` are listed; a longer list
    says how many there are. The evidence is the exchange that showed the first of them.
    """
    found: dict[str, str] = {}
    exchange = None
    for operation in sorted({*before, *after}):
        old, new = before.get(operation, MISSING), after.get(operation, MISSING)
        for path, words in _differences(operation, old, new):
            if path.rpartition(".")[2] not in but:
                found[path] = words
                exchange = exchange or after.exchanges.get(operation)
    if len(found) > SHOWN_MAX:
        shown = dict(list(found.items())[:SHOWN_MAX])
        shown["..."] = f"{len(found)} changes"
        found = shown
    return Value("changes", found, exchange)


def _differences(path: str, before: Any, after: Any) -> Iterator[tuple[str, str]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            below = f"{path}.{name}" if path else name
            yield from _differences(below, before.get(name, MISSING), after.get(name, MISSING))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{path}.{number}", one, other)
    elif isinstance(before, list) and isinstance(after, list):
        yield f"{path}.length", f"{len(before)} -> {len(after)}"
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield path, f"{before!r} -> {after!r}"
