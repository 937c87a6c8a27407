"""The headers of answers, as the OpenAPI document describes them."""

from typing import Any

Document = dict[str, Any]

_WHOLE_NUMBER = {"type": "integer", "minimum": 0}
_SECONDS = {"type": "integer", "minimum": 1}

EVERY_ANSWER = ("x-correlation-id", "traceresponse")
QUOTA = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_BY_STATUS = {401: ("www-authenticate",), 429: ("retry-after",), 503: ("retry-after",)}
_TEXTS: dict[str, tuple[str, Document]] = {
    "x-correlation-id": (
        "The request's own, or one that was made for it; it is in every log line.",
        {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    ),
    "traceresponse": (
        "The server span of this request (W3C Trace Context).",
        {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    ),
    "www-authenticate": ("Which scheme would do.", {"type": "string", "minLength": 1}),
    "retry-after": ("Seconds until it is worth while to ask again.", _SECONDS),
    "x-ratelimit-limit": ("Requests in a window.", _SECONDS),
    "x-ratelimit-remaining": ("Requests that are left of this window.", _WHOLE_NUMBER),
    "x-ratelimit-reset": ("Seconds until the window ends.", _SECONDS),
}


def header_components() -> Document:
    """Return `components/headers`."""
    return {
        name: {"description": text, "required": True, "schema": dict(schema)}
        for name, (text, schema) in _TEXTS.items()
    }


def headers_of(status: int) -> Document:
    """Describe the headers that each answer with *status* has."""
    return references(*EVERY_ANSWER, *_BY_STATUS.get(status, ()))


def references(*names: str) -> Document:
    """Refer to the description of headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
