"""What may leave in a log line, a log record or a span: redacted, bounded, and encodable.

Short texts are remembered with what redaction leaves of them: methods, routes and events come
again and again.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from caas_observability.redaction import REDACTED, is_secret_name, redact_json, redact_text

TEXT_MAX_CHARS = 8192
REMEMBERED_MAX = 4096
REMEMBERED_MAX_CHARS = 128

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1  # what OTLP has
_clean: dict[str, str] = {}
_plain_names: set[str] = set()


def clean_text(text: str) -> str:
    """Return *text* redacted, cut at `TEXT_MAX_CHARS`, without what UTF-8 can't encode."""
    clean = _clean.get(text)
    if clean is None:
        clean = redact_text(text[:TEXT_MAX_CHARS])
        if not clean.isascii():
            clean = clean.encode("utf-8", "replace").decode()
        if len(text) <= REMEMBERED_MAX_CHARS:
            if len(_clean) >= REMEMBERED_MAX:
                _clean.clear()
            _clean[text] = clean
    return clean


def clean_value(name: str, value: Any) -> Any:
    """Return *value* as it may be shown under *name*; the same object when nothing is wrong."""
    kind = type(value)
    if kind is bool or value is None:
        return value
    if name not in _plain_names and _is_secret(name):
        return REDACTED if value != "" else value
    if kind is str:
        return clean_text(value)
    if kind is float or (kind is int and _INT64_MIN <= value <= _INT64_MAX):
        return value
    return _sendable(redact_json(_plain(value)))


def changed(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return cleaned *attributes*; None when they may stay as they are."""
    if not attributes:
        return None
    # The SDK's own mapping takes a lock and a method call an item; its copy is a dict.
    copy = getattr(attributes, "copy", None)
    given: dict[str, Any] = dict(attributes) if copy is None else copy()
    cleaned = {name: clean_value(name, value) for name, value in given.items()}
    return None if cleaned == given else cleaned


def _is_secret(name: str) -> bool:
    if is_secret_name(name):
        return True
    if len(_plain_names) < REMEMBERED_MAX and len(name) <= REMEMBERED_MAX_CHARS:
        _plain_names.add(name)
    return False


def _plain(value: Any) -> Any:
    """Return *value* as JSON has it, so that no type's own text escapes redaction."""
    try:
        return msgspec.to_builtins(value, enc_hook=str, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        return str(type(value))


def _sendable(value: Any) -> Any:
    """Return decoded, redacted JSON with nothing in it that OTLP or UTF-8 can't hold."""
    if isinstance(value, str):
        return value[:TEXT_MAX_CHARS].encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_sendable(str(name)): _sendable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_sendable(item) for item in value]
    if type(value) is int and not _INT64_MIN <= value <= _INT64_MAX:
        return str(value)
    return value
