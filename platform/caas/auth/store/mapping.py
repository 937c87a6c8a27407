"""Between raw documents and domain values."""

from typing import Any, TypeVar

import msgspec

from caas.auth.store.documents import Raw

Value = TypeVar("Value")


def to_raw(value: Any) -> Raw:
    """Return a domain value as a document, its `id` or `kid` as `_id`."""
    raw: Raw = msgspec.to_builtins(value, builtin_types=(bytes,))
    raw["_id"] = raw.pop("id", None) or raw.pop("kid")
    return raw


def of_raw(raw: Raw, kind: type[Value], *, id_field: str = "id") -> Value:
    """Return a document as a domain value; what the value does not have is left out."""
    return msgspec.convert({**raw, id_field: raw["_id"]}, kind)


def of_raw_or_none(raw: Raw | None, kind: type[Value]) -> Value | None:
    """Return a document as a domain value, or None for none."""
    return None if raw is None else of_raw(raw, kind)
