"""The rules a request must keep before anything of it is believed.

Each function raises a `RefusalError`; none of them costs a regular
expression on the common path. What the server refuses by itself (400, 414, 431 with an
empty body) never gets here: see docs/adr/0010-one-http-edge.md.
"""

import re
import time
from collections.abc import Collection
from itertools import chain
from urllib.parse import unquote_to_bytes

from caas.runtime.http.problems import RefusalError

TARGET_MAX_BYTES = 8_192
HEADERS_MAX_BYTES = 16_384
HEADERS_MAX_COUNT = 96  # the server itself stops at 100, with a bare 431
QUERY_PARAMETERS_MAX = 64
BODY_MAX_BYTES = 1_048_576
JSON_DEPTH_MAX = 64
DEADLINE_MAX_MS = 600_000

# Two values of these would let two parsers believe different things (RFC 9110, section 5.3).
SINGLE_HEADERS = frozenset(
    {
        b"authorization", b"content-encoding", b"content-length", b"content-type", b"host",
        b"idempotency-key", b"origin", b"traceparent", b"transfer-encoding", b"x-api-key",
        b"x-caas-deadline-ms", b"x-correlation-id", b"x-service-secret",
    }
)  # fmt: skip

_PLAIN_PATH = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._~!$&'()*+,;=:@-"
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ENCODED_SEPARATOR = re.compile(rb"%(?:2[Ff]|5[Cc])")
_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# An open string runs to the end, so that no input makes the scan start over at every quote.
_JSON_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f]")
_JSON_TYPES = frozenset({b"application/json", b"application/problem+json"})


def check_path(raw_path: bytes) -> None:
    """Refuse a path that two readers could take for different paths.

    Raises:
        RefusalError: 400 for control characters, invalid UTF-8 or escapes, encoded slashes,
            empty and dot segments.
    """
    unusual = raw_path.translate(None, _PLAIN_PATH)
    if not unusual and b"//" not in raw_path and b"/." not in raw_path and raw_path[:1] == b"/":
        return
    if raw_path == b"*":
        return
    if _BAD_ESCAPE.search(raw_path) or _ENCODED_SEPARATOR.search(raw_path):
        raise RefusalError(400, "The path has an escape that is not allowed", code="bad_path")
    try:
        path = unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        raise RefusalError(400, "The path is not valid UTF-8", code="bad_path") from None
    if not path.startswith("/") or "\\" in path:
        raise RefusalError(400, "The path has a character that is not allowed", code="bad_path")
    if _CONTROL.search(path):
        raise RefusalError(400, "The path has control characters", code="bad_path")
    segments = path[1:].removesuffix("/").split("/")
    if any(segment in {"", ".", ".."} for segment in segments) and path != "/":
        raise RefusalError(400, "The path has empty or dot segments", code="bad_path")


def check_target(raw_path: bytes, query: bytes) -> None:
    """Refuse a target over `TARGET_MAX_BYTES`.

    Raises:
        RefusalError: 414.
    """
    if len(raw_path) + len(query) > TARGET_MAX_BYTES:
        raise RefusalError(414, f"The target is over {TARGET_MAX_BYTES} bytes")


def check_query(query: bytes, repeatable: Collection[str]) -> None:
    """Refuse a query that is ambiguous or not text.

    Args:
        query: Without the question mark; not empty.
        repeatable: Names of parameters that are documented as lists.

    Raises:
        RefusalError: 400.
    """
    if query.count(b"&") >= QUERY_PARAMETERS_MAX:
        raise RefusalError(400, "The query has too many parameters", code="bad_query")
    seen: set[str] = set()
    for part in query.split(b"&"):
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        try:
            text = unquote_to_bytes(name).decode("utf-8") if name else ""
            unquote_to_bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            raise RefusalError(400, "The query is not valid UTF-8", code="bad_query") from None
        if not part:
            continue
        if text in seen and text not in repeatable:
            raise RefusalError(
                400,
                "A query parameter occurs more than once",
                code="duplicate_parameter",
                errors=[(f"query.{text[:64]}", "Given more than once")],
            )
        seen.add(text)


def check_repeats(headers: Collection[tuple[bytes, bytes]]) -> None:
    """Refuse two values for a header that decides something.

    Raises:
        RefusalError: 400.
    """
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in SINGLE_HEADERS:
            raise RefusalError(
                400, f"The header {name.decode('latin-1')} occurs twice", code="duplicate_header"
            )
        seen.add(name)


def check_framing(fields: dict[bytes, bytes]) -> None:
    """Refuse a transfer coding that is not plain chunked.

    Raises:
        RefusalError: 400; 501 would blame us for what the client chose.
    """
    if fields[b"transfer-encoding"].strip().lower() != b"chunked":
        raise RefusalError(400, "The transfer coding is not supported", code="bad_framing")


def check_content_type(fields: dict[bytes, bytes], accepted: Collection[bytes] = ()) -> None:
    """Refuse a body whose type no route reads.

    Args:
        fields: The request's headers by name.
        accepted: Media types beside JSON, lower case, without parameters.

    Raises:
        RefusalError: 415, with `accept` as RFC 9110, section 15.5.16 asks.
    """
    value = fields.get(b"content-type", b"")
    if value == b"application/json":
        essence = value
    else:
        essence, _, parameters = value.partition(b";")
        essence = essence.strip().lower()
        charset = parameters.strip().lower().replace(b'"', b"").replace(b" ", b"")
        if charset.startswith(b"charset=") and charset not in {b"charset=utf-8", b"charset=utf8"}:
            essence = b""
    known = essence in _JSON_TYPES or essence in accepted
    if not known or fields.get(b"content-encoding", b"identity") != b"identity":
        raise RefusalError(
            415,
            "The body must be application/json in UTF-8, without a content coding",
            headers=((b"accept", b"application/json"), (b"accept-encoding", b"identity")),
        )


def check_header_size(headers: Collection[tuple[bytes, bytes]]) -> None:
    """Refuse headers over `HEADERS_MAX_BYTES`.

    Raises:
        RefusalError: 431.
    """
    if sum(map(len, chain.from_iterable(headers))) > HEADERS_MAX_BYTES:
        raise headers_too_large()


def headers_too_large() -> RefusalError:
    """Return the 431."""
    return RefusalError(431, f"The headers are over {HEADERS_MAX_BYTES} bytes")


def check_declared_size(fields: dict[bytes, bytes], size_max_bytes: int) -> None:
    """Refuse a body that says it is too big before a byte of it is read.

    Raises:
        RefusalError: 413.
    """
    declared = fields.get(b"content-length")
    if declared is not None and int(declared) > size_max_bytes:
        raise too_large(size_max_bytes)


def too_large(size_max_bytes: int) -> RefusalError:
    """Return the 413."""
    return RefusalError(413, f"The body is over {size_max_bytes} bytes")


def check_json_text(body: bytes) -> None:
    """Refuse a JSON body that a decoder must not be given.

    Raises:
        RefusalError: 400 for invalid UTF-8 or nesting over `JSON_DEPTH_MAX`.
    """
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            raise RefusalError(400, "The body is not valid UTF-8", code="malformed_json") from None
    if body.count(b"[") + body.count(b"{") > JSON_DEPTH_MAX:
        _check_depth(body)


def _check_depth(body: bytes) -> None:
    """Peel matched brackets off, innermost first; each pass is one linear scan."""
    brackets = _JSON_STRING.sub(b"", body).translate(None, _BRACKETS)
    brackets = brackets.replace(b"{", b"[").replace(b"}", b"]")
    for _ in range(JSON_DEPTH_MAX):
        if not brackets:
            return
        peeled = brackets.replace(b"[]", b"")
        if len(peeled) == len(brackets):
            break
        brackets = peeled
    if brackets:
        raise RefusalError(
            400,
            f"The body is unbalanced or nested over {JSON_DEPTH_MAX} levels",
            code="malformed_json",
        )


def parse_deadline(value: bytes) -> float:
    """Return the `time.monotonic()` at which a budget of *value* milliseconds is spent.

    Raises:
        RefusalError: 400, *value* is not a whole number of 0 to `DEADLINE_MAX_MS`.
    """
    if not value.isdigit() or len(value) > len(str(DEADLINE_MAX_MS)):
        raise RefusalError(
            400, "x-caas-deadline-ms must be a whole number of milliseconds", code="bad_deadline"
        )
    return time.monotonic() + min(int(value), DEADLINE_MAX_MS) / 1000
