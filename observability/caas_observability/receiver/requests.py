"""Export requests taken apart into resource, scope and items, as protobuf messages.

Where one can't be parsed as a whole, each of its items is parsed alone, so that one with broken
text, or nested too deeply, takes no other with it.

JSON follows the OTLP specification: ids are hex in either case. Base64 ids, which plain protobuf
JSON writers send, are taken as well.
"""

import base64
import binascii
import json  # noqa: TID251 - reads texts that no one else would, item by item
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from google.protobuf.json_format import ParseDict, ParseError  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from caas_observability.receiver import wire_format

JSON_LEVELS_MAX = 200
"""Beyond what protobuf's own limit of 100 messages within each other leaves of an item."""
DIGITS_MAX = 30
UNREADABLE = "an item can't be read"
UNREADABLE_RESOURCE = "a resource or scope can't be read"
TOO_DEEP = "an item is nested too deeply"

_ID_CHARS = {
    "traceId": 32, "trace_id": 32, "spanId": 16, "span_id": 16,
    "parentSpanId": 16, "parent_span_id": 16,
}  # fmt: skip
_HEX = re.compile(r"[0-9a-fA-F]+")
_NO_MESSAGE = (ParseError, ValueError, RecursionError, TypeError, AttributeError, KeyError)
"""What ParseDict raises, or lets through for members of a wrong type."""
# A text that never ends goes to the end, or each of its quotes would be tried anew.
_JSON_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[{\]}]', re.DOTALL)

Group = tuple[Any, Any, Iterable[Any]]


class Shape(NamedTuple):
    """How a signal's request is built: members' names, and the message of one item."""

    resources: str
    scopes: str
    items: str
    item: type[Any]


TRACES = Shape("resource_spans", "scope_spans", "spans", Span)
LOGS = Shape("resource_logs", "scope_logs", "log_records", LogRecord)
METRICS = Shape("resource_metrics", "scope_metrics", "metrics", Metric)


class InvalidOtlpError(ValueError):
    """The body is not the OTLP request it claims to be."""


class _TooDeepError(ValueError):
    """Values lie in each other beyond `JSON_LEVELS_MAX`."""


def read(
    shape: Shape, kind: type[Any], body: bytes, rejected: Counter[str], *, is_json: bool
) -> Iterator[Group]:
    """Yield the items of a request with their resource and scope; count what can't be read.

    Raises:
        InvalidOtlpError: It is no request of this kind at all.
    """
    if is_json:
        yield from _json_groups(shape, body, rejected)
        return
    message = kind()
    try:
        message.ParseFromString(body)
    except DecodeError:
        yield from _protobuf_groups(shape, body, rejected)
        return
    for resource in getattr(message, shape.resources):
        for scope in getattr(resource, shape.scopes):
            yield resource.resource, scope.scope, getattr(scope, shape.items)


# -- protobuf: field 1 of a request are its resources; of those and of scopes, 1 says what they are
# and 2 holds what is within


def _protobuf_groups(shape: Shape, body: bytes, rejected: Counter[str]) -> Iterator[Group]:
    try:
        for of_resource in wire_format.fields(body, 1):
            resource = _merged(Resource, wire_format.fields(of_resource, 1))
            for of_scope in wire_format.fields(of_resource, 2):
                scope = _merged(InstrumentationScope, wire_format.fields(of_scope, 1))
                items = wire_format.fields(of_scope, 2)
                if resource is None or scope is None:
                    rejected[UNREADABLE_RESOURCE] += len(items)
                else:
                    yield resource, scope, _parsed(shape, items, rejected)
    except wire_format.BrokenMessageError as error:
        raise InvalidOtlpError(f"not an OTLP request: {error}") from error


def _merged(kind: type[Any], parts: Iterable[bytes]) -> Any:
    """Return a message that may be given in several parts; None when one can't be read."""
    message = kind()
    try:
        for part in parts:
            message.MergeFromString(part)
    except DecodeError:
        return None
    return message


def _parsed(shape: Shape, items: Iterable[bytes], rejected: Counter[str]) -> Iterator[Any]:
    for item in items:
        message = _merged(shape.item, [item])
        if message is None:
            rejected[UNREADABLE] += 1
        else:
            yield message


# -- JSON


def _json_groups(shape: Shape, body: bytes, rejected: Counter[str]) -> Iterator[Group]:
    document = _json_document(body)
    if not isinstance(document, dict) or not isinstance(_member(document, shape.resources), list):
        raise InvalidOtlpError(f"not an OTLP request: no list of {_camel(shape.resources)}")
    for of_resource in _objects(document, shape.resources, rejected):
        resource = _from_json(Resource, _member(of_resource, "resource") or {})
        for of_scope in _objects(of_resource, shape.scopes, rejected):
            scope = _from_json(InstrumentationScope, _member(of_scope, "scope") or {})
            items = list(_objects(of_scope, shape.items, rejected))
            if isinstance(resource, str) or isinstance(scope, str):
                rejected[UNREADABLE_RESOURCE] += len(items)
            else:
                yield resource, scope, _parsed_json(shape, items, rejected)


def _parsed_json(shape: Shape, items: Iterable[Any], rejected: Counter[str]) -> Iterator[Any]:
    for item in items:
        message = _from_json(shape.item, item)
        if isinstance(message, str):
            rejected[message] += 1
        else:
            yield message


def _from_json(kind: type[Any], value: Any) -> Any:
    """Return a message, or in words why there is none."""
    try:
        return ParseDict(_with_base64_ids(value, 0), kind(), ignore_unknown_fields=True)
    except _TooDeepError:
        return TOO_DEEP
    except _NO_MESSAGE as error:
        return TOO_DEEP if "too deep" in str(error) else UNREADABLE


def _json_document(body: bytes) -> Any:
    """Decode JSON whose texts may be broken; what is broken stays so, for its item to fail on."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(body)
    try:
        text = body.decode("utf-8", "surrogateescape")
        return json.loads(_without_depths(text), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise InvalidOtlpError("not an OTLP request: not JSON") from error


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= DIGITS_MAX else digits


def _without_depths(text: str) -> str:
    """Cut what lies too deep and leave a list that is still too deep in its place."""
    cut = "[" * JSON_LEVELS_MAX + "]" * JSON_LEVELS_MAX
    kept: list[str] = []
    depth = copied = 0
    for token in _JSON_TOKENS.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            if depth == 2 * JSON_LEVELS_MAX:
                kept += [text[copied : token.start()], cut]
        elif mark in "]}":
            if depth == 2 * JSON_LEVELS_MAX:
                copied = token.end()
            depth -= 1
    return "".join([*kept, text[copied:]]) if depth < 2 * JSON_LEVELS_MAX else text


def _objects(parent: dict[str, Any], name: str, rejected: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield what is listed under a name; count what is no object."""
    found = _member(parent, name)
    for item in found if isinstance(found, list) else [] if found is None else [found]:
        if isinstance(found, list) and isinstance(item, dict):
            yield item
        else:
            rejected[UNREADABLE] += 1


def _member(parent: dict[str, Any], name: str) -> Any:
    """Return a member under either of its names."""
    return parent.get(_camel(name), parent.get(name))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _with_base64_ids(value: Any, level: int) -> Any:
    """Rewrite OTLP's hex ids as protobuf JSON's base64."""
    if level > JSON_LEVELS_MAX:
        raise _TooDeepError
    if isinstance(value, list):
        return [_with_base64_ids(item, level + 1) for item in value]
    if not isinstance(value, dict):
        return value
    members = {}
    for key, member in value.items():
        chars = _ID_CHARS.get(key)
        if chars and isinstance(member, str) and len(member) == chars and _HEX.fullmatch(member):
            members[key] = base64.b64encode(binascii.unhexlify(member)).decode()
        else:
            members[key] = _with_base64_ids(member, level + 1)
    return members
