"""Where two long values part: the first member, or the first characters, that differ."""

from itertools import zip_longest

import msgspec

EXCERPT_CHARS_MAX = 40
BEFORE_CHARS = 10
DEPTH_MAX = 32
_NOTHING = "(missing)"


def told(at: str, expected: str, actual: str) -> str:
    """Say what differs between what was expected at a place and what came there."""
    try:
        wanted, came = msgspec.json.decode(expected), msgspec.json.decode(actual)
    except (msgspec.DecodeError, RecursionError):
        return _texts(at, expected, actual)
    path, here, there = _first(at, wanted, came, 0)
    if here is there:  # alike as JSON: spelt differently, or in another order
        return _texts(at, expected, actual)
    if here is _NOTHING:
        return f"{path} is there, and was not expected"
    if there is _NOTHING:
        return f"{path} is missing"
    if isinstance(here, str) and isinstance(there, str):
        return _texts(path, here, there)
    return f"{path} is {_short(there)}, not {_short(here)}"


def _first(at: str, wanted: object, came: object, depth: int) -> tuple[str, object, object]:
    """Give the path of the first difference with both values there; the same value when none."""
    if wanted == came and isinstance(wanted, bool) == isinstance(came, bool):
        return at, None, None
    if depth < DEPTH_MAX and isinstance(wanted, dict) and isinstance(came, dict):
        keys = [*wanted, *(key for key in came if key not in wanted)]
        inner = [(f"{at}.{k}", wanted.get(k, _NOTHING), came.get(k, _NOTHING)) for k in keys]
    elif depth < DEPTH_MAX and isinstance(wanted, list) and isinstance(came, list):
        pairs = zip_longest(wanted, came, fillvalue=_NOTHING)
        inner = [(f"{at}.{n}", here, there) for n, (here, there) in enumerate(pairs)]
    else:
        return at, wanted, came
    for path, here, there in inner:
        found = _first(path, here, there, depth + 1)
        if found[1] is not found[2]:
            return found
    return at, None, None


def _texts(at: str, expected: str, actual: str) -> str:
    """Show two long texts from a little before the first character that differs."""
    if max(len(expected), len(actual)) <= EXCERPT_CHARS_MAX:
        return f"{at} is {_short(actual)}, not {_short(expected)}"
    pairs = zip(expected, actual, strict=False)
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(actual)))
    begin = max(0, same - BEFORE_CHARS)
    lead = "…" if begin else ""
    came, wanted = (_cut(lead + text[begin:]) for text in (actual, expected))
    return f"{at} differs from character {same + 1} on: {came}, not {wanted}"


def _short(value: object) -> str:
    return _cut(msgspec.json.encode(value).decode())


def _cut(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARS_MAX else f"{text[: EXCERPT_CHARS_MAX - 1]}…"
