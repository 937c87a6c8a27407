"""An OpenAPI 3.1 document as the contract of one service: which operations, which answers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from caas_conformance.contract.pointers import DocumentError, followed
from caas_conformance.contract.schemas import Schema, Schemas

VERSION = re.compile(r"3\.1\.\d+")
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
STATUS_KEY = re.compile(r"[1-5]\d\d|[1-5]XX|default")
_PARAMETER = re.compile(r"\{[^{}/]+\}")


@dataclass(slots=True)
class Header:
    """A documented response header."""

    name: str
    required: bool
    schema: Mapping[str, Any]
    judged_by: int


@dataclass(slots=True)
class Response:
    """A documented answer: its media types, each with a schema or none, and its headers."""

    key: str
    content: dict[str, int | None]
    headers: tuple[Header, ...]


@dataclass(slots=True)
class Operation:
    """A documented operation."""

    method: str
    path: str
    responses: dict[str, Response]

    def response(self, status: int) -> Response | None:
        """Return what the document says of *status*: itself, its class, or `default`."""
        said = self.responses
        return said.get(str(status)) or said.get(f"{status // 100}XX") or said.get("default")


@dataclass(slots=True)
class PathItem:
    """A documented path and its operations by method, in upper case."""

    template: str
    operations: dict[str, Operation] = field(default_factory=dict)

    def operation(self, method: str) -> Operation | None:
        """Return the operation; HEAD is answered by GET's."""
        found = self.operations.get(method)
        return self.operations.get("GET") if found is None and method == "HEAD" else found


class Contract:
    """What one service promises.

    Attributes:
        service: Its `service.name`.
        items: Its paths, the most specific first.
    """

    def __init__(self, service: str, document: Mapping[str, Any]) -> None:
        """Read and compile a document.

        Raises:
            DocumentError: it is no OpenAPI 3.1 document, or one that nothing can be judged by.
        """
        self.service = service
        if not VERSION.fullmatch(str(document.get("openapi", ""))):
            raise DocumentError("it is no OpenAPI 3.1 document")
        self._document = document
        self._base = _base_path(document)
        self._schemas = Schemas(document)
        try:
            items = [self._item(path, item) for path, item in document.get("paths", {}).items()]
            self._schemas.compile()
        except (AttributeError, TypeError, KeyError) as error:
            raise DocumentError(f"it is not of the shape of OpenAPI: {error}") from error
        self.items = sorted(items, key=lambda item: _generality(item.template))
        self._literal = {i.template: i for i in self.items if not _PARAMETER.search(i.template)}
        self._templated = [
            (_expression(i.template), i) for i in self.items if _PARAMETER.search(i.template)
        ]

    @property
    def operations(self) -> Iterator[Operation]:
        """Every operation, in the document's order of paths by specificity."""
        for item in self.items:
            yield from item.operations.values()

    def find(self, path: str) -> PathItem | None:
        """Return the documented path that a request's path, without query, is for."""
        inner = path.removeprefix(self._base) if self._base else path
        if "%" in inner:
            inner = "/".join(unquote(part).replace("/", "%2F") for part in inner.split("/"))
        found = self._literal.get(inner)
        if found is not None:
            return found
        return next((item for pattern, item in self._templated if pattern.fullmatch(inner)), None)

    def schema(self, number: int) -> Schema:
        """Return a compiled schema of this document."""
        return self._schemas.at(number)

    def _item(self, path: str, item: Any) -> PathItem:
        found = PathItem(path)
        for method, described in followed(self._document, item).items():
            if method in METHODS:
                name = method.upper()
                found.operations[name] = Operation(name, path, self._responses(described))
        return found

    def _responses(self, operation: Mapping[str, Any]) -> dict[str, Response]:
        responses = {}
        for key, node in operation.get("responses", {}).items():
            if not STATUS_KEY.fullmatch(str(key)):
                continue  # an extension
            described = followed(self._document, node)
            content = {
                media_type.partition(";")[0].strip().lower(): self._schemas.add(said["schema"])
                if "schema" in said
                else None
                for media_type, said in described.get("content", {}).items()
            }
            responses[str(key)] = Response(key, content, tuple(self._headers(described)))
        return responses

    def _headers(self, response: Mapping[str, Any]) -> Iterator[Header]:
        for name, node in response.get("headers", {}).items():
            described = followed(self._document, node)
            schema = described.get("schema", {})
            known = followed(self._document, schema)
            if name.lower() != "content-type":  # OpenAPI 3.1, 4.8.17: not described here
                yield Header(
                    name.lower(), bool(described.get("required")), known, self._schemas.add(schema)
                )


def _base_path(document: Mapping[str, Any]) -> str:
    servers = document.get("servers") or [{}]
    return urlsplit(str(servers[0].get("url", ""))).path.rstrip("/")


def _generality(template: str) -> tuple[tuple[tuple[bool, int], ...], str]:
    """Order templates: at the first segment where they differ, the more literal one goes first."""
    literal = [_PARAMETER.sub("", segment) for segment in template.split("/")]
    return tuple(
        (kept != segment, -len(kept))
        for kept, segment in zip(literal, template.split("/"), strict=True)
    ), template


def _expression(template: str) -> re.Pattern[str]:
    literal = [re.escape(part) for part in _PARAMETER.split(template)]
    return re.compile("[^/]+".join(literal))
