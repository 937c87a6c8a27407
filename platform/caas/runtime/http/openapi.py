"""The OpenAPI 3.1 document of a service: true about the edge, the same bytes at every build.

Litestar describes routes and structs. What it can't know is added here: the problem document,
the statuses that the edge answers with for any route, `additionalProperties: false` where
unknown fields are refused, security schemes and the idempotency header.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar
from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Schema
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler
from litestar.typing import FieldDefinition

from caas.runtime.http.answer_headers import QUOTA, header_components, headers_of, references
from caas.runtime.http.edge.limits import BODY_MAX_BYTES
from caas.runtime.http.idempotency import KEY_MAX_CHARS
from caas.runtime.http.operations import ERRORS_OPTION, IDEMPOTENT_OPTION
from caas.runtime.http.problems import Style, status_of

JSON_PATH = "/documentation/json"
PAGE_PATH = "/documentation"

_EVERY_ROUTE = (400, 414, 431, 503)
_EVERY_BODY = (408, 413, 415)
_IDEMPOTENT = (409, 422)
_BODY_METHODS = frozenset({"post", "put", "patch", "delete"})

_DESCRIPTIONS = {
    400: "The request is malformed or breaks a documented rule.",
    401: "No valid credential; `WWW-Authenticate` says what is missing.",
    403: "The credential is valid and does not allow this.",
    404: "It does not exist for this caller.",
    405: "The path has no such method; `Allow` lists those it has.",
    408: "The body did not arrive in time.",
    409: "The stored state forbids this now.",
    413: f"The body is over {BODY_MAX_BYTES} bytes.",
    414: "The target is too long.",
    415: "The body is not JSON in UTF-8.",
    422: "The Idempotency-Key was used with another body.",
    429: "The quota is spent; `Retry-After` says when to come back.",
    431: "The headers are too large.",
    503: "A dependency is unavailable or the deadline has passed; `Retry-After` may help.",
}
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "serviceSecret": {"type": "apiKey", "in": "header", "name": "x-service-secret"},
}

IDEMPOTENCY_HEADER = "Idempotency-Key"
_IDEMPOTENCY_TEXT = "Honours the header `Idempotency-Key` (components/parameters)."
_PROSE = frozenset({"title", "description", "examples"})  # Litestar takes these over itself
_SEGMENT = r"^[^/\\\x00-\x1f\x7f-\x9f]+$"  # what the edge lets through

Document = dict[str, Any]
Extra = Callable[[], Mapping[str, Any]]


class StrictStructPlugin(StructSchemaPlugin):
    """Documents structs that forbid unknown fields as such, and all that `Meta` says of one."""

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """Describe one struct."""
        schema = super().to_openapi_schema(field_definition, schema_creator)
        config = getattr(field_definition.type_, "__struct_config__", None)
        if config is not None and config.forbid_unknown_fields:
            schema.additional_properties = False
            schema.min_properties = getattr(field_definition.type_, "MEMBERS_MIN", 0) or None
        for field in msgspec.inspect.type_info(field_definition.type_).fields:  # type: ignore[attr-defined]
            described = (schema.properties or {}).get(field.encode_name)
            if isinstance(described, Schema):
                _add_what_the_type_says(described, field.type)
        return schema


def _add_what_the_type_says(schema: Schema, kind: msgspec.inspect.Type) -> None:
    """Add what Litestar drops of `Meta`: JSON Schema's own words, limits of maps and of items."""
    if isinstance(kind, msgspec.inspect.UnionType):
        said = [one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType)]
        kind = said[0] if len(said) == 1 else kind
    if isinstance(kind, msgspec.inspect.Metadata):
        for word, value in (kind.extra_json_schema or {}).items():
            if word not in _PROSE:
                setattr(schema, schema.field_aliases().get(word, word), value)
        kind = kind.type
    if isinstance(kind, msgspec.inspect.DictType):
        schema.min_properties, schema.max_properties = kind.min_length, kind.max_length
    if isinstance(kind, msgspec.inspect.ListType):
        for array in (schema, *(schema.one_of or ())):  # "or None" puts it one level down
            if isinstance(array, Schema) and isinstance(array.items, Schema):
                _add_what_the_item_says(array.items, kind.item_type)


def _add_what_the_item_says(schema: Schema, kind: msgspec.inspect.Type) -> None:
    _add_what_the_type_says(schema, kind)
    text = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    if isinstance(text, msgspec.inspect.StrType):
        schema.min_length, schema.max_length = text.min_length, text.max_length
        schema.pattern = schema.pattern or text.pattern


def build_document(
    routes: Sequence[ControllerRouterHandler],
    *,
    title: str,
    version: str,
    style: Style,
    dependencies: Mapping[str, Provide],
    extra: Extra | None = None,
    repeatable: Collection[str] = (),
) -> Document:
    """Describe *routes*.

    Args:
        routes: The same that the service runs.
        title: The service's name.
        version: Of the service.
        style: Whose members problem documents have.
        dependencies: As the service has them; their parameters are documented too.
        extra: Returns parts of a document to merge in, such as what a gateway passes on.
        repeatable: Query parameters that the edge lets through more than once.

    Raises:
        ValueError: A query parameter is documented as a list and isn't in *repeatable*.
    """
    app = Litestar(
        list(routes),
        dependencies=dict(dependencies),
        openapi_config=OpenAPIConfig(
            title=title, version=version, create_examples=False, use_handler_docstrings=True
        ),
        plugins=[StrictStructPlugin()],
        logging_config=None,
    )
    # Litestar's own objects hold what JSON has no word for (Decimal); msgspec writes them.
    document: Document = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    handlers = _handlers(app)
    components = document.setdefault("components", {})
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if isinstance(operation, dict) and (method, path) in handlers:
                _complete(operation, method, handlers[method, path])
    components["securitySchemes"] = _SECURITY_SCHEMES
    components.setdefault("schemas", {})["Problem"] = problem_schema(style)
    components["responses"] = {
        f"Problem{status}": problem_response(status) for status in _DESCRIPTIONS
    }
    components["headers"] = header_components()
    components["parameters"] = {"IdempotencyKey": idempotency_parameter()}
    _widen_unions(document)
    if extra is not None:
        _merge(document, extra())
    for path, item in document.get("paths", {}).items():
        for operation in item.values():
            if isinstance(operation, dict):
                _finish(path, operation, repeatable)
                _add_headers(operation, quotas=style == "gateway")
    return document


def encode_document(document: Document) -> bytes:
    """Write *document* with sorted keys, so that equal documents are equal bytes."""
    return msgspec.json.encode(document, order="sorted")


def problem_schema(style: Style) -> Document:
    """Describe the error document (RFC 9457, with the seed's members)."""
    text = {"type": "string"}
    properties: Document = {
        "type": {"type": "string", "description": "urn:caas:error:<code>; stable."},
        "title": text,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": text,
        "error": text,
        "valid": {"const": False, "description": "Where a credential was to be judged."},
        "errors": {
            "type": "array",
            "description": "Each broken rule, when they are known one by one.",
            "items": {
                "type": "object",
                "properties": {"path": text, "message": text},
                "required": ["message", "path"],
            },
        },
    }
    required = ["type", "title", "status", "detail", "error"]
    if style == "gateway":
        properties |= {"statusCode": {"type": "integer"}, "message": text}
        required += ["statusCode", "message"]
    return {"type": "object", "properties": properties, "required": sorted(required)}


def _handlers(app: Litestar) -> dict[tuple[str, str], HTTPRouteHandler]:
    return {
        (method.lower(), route.path_format or "/"): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
    }


def _complete(operation: Document, method: str, handler: HTTPRouteHandler) -> None:
    """Add the statuses and parameters that hold for this route beside its own."""
    options = handler.opt
    statuses = {*_EVERY_ROUTE, *map(status_of, options.get(ERRORS_OPTION, ()))}
    if method in _BODY_METHODS:
        statuses.update(_EVERY_BODY)
    if operation.get("security") and {} not in operation["security"]:
        statuses.add(401)
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        statuses.add(404)
    if options.get(IDEMPOTENT_OPTION):
        operation.setdefault("parameters", []).append(idempotency_parameter())
    responses = operation.setdefault("responses", {})
    own = {str(status) for status in handler.responses or ()}
    for status in map(str, statuses):
        reference = {"$ref": f"#/components/responses/Problem{status}"}
        if status in own:
            content = problem_response(int(status))["content"]
            responses[status].setdefault("content", {}).update(content)
        else:
            responses[status] = reference
    _describe(operation)


def _describe(operation: Document) -> None:
    """Take the summary from the docstring's first line, and name successes plainly."""
    first, _, rest = operation.pop("description", "").partition("\n")
    if first:
        operation["summary"] = first.rstrip(".")
        if rest.strip():
            operation["description"] = rest.strip()
    for status, response in operation["responses"].items():
        if response.get("description") == HTTPStatus(int(status)).description:
            response["description"] = HTTPStatus(int(status)).phrase


def problem_response(status: int) -> Document:
    """Describe an answer that is a problem document."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    text = _DESCRIPTIONS.get(status, HTTPStatus(status).phrase)
    return {"description": text, "headers": headers_of(status), "content": content}


def idempotency_parameter() -> Document:
    """Describe the header of operations that create."""
    return {
        "name": IDEMPOTENCY_HEADER,
        "in": "header",
        "required": False,
        "description": "Repeats with the same key and body have one effect and one answer.",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": KEY_MAX_CHARS,
            "pattern": "^[!-~]+$",
        },
    }


def _merge(into: Document, extra: Mapping[str, Any]) -> None:
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _finish(path: str, operation: Document, repeatable: Collection[str]) -> None:
    """Apply what holds for every operation, passed-on ones included.

    The idempotency header is told in words: a fuzzer that repeats a key with another body is
    right to be refused, and would call that a rejected valid request.
    """
    kept = []
    for parameter in operation.get("parameters", ()):
        schema = parameter.get("schema", {})
        if parameter["name"] == IDEMPOTENCY_HEADER:
            text = f"{operation.get('description', '')}\n\n{_IDEMPOTENCY_TEXT}"
            operation["description"] = text.strip()
            for status in map(str, _IDEMPOTENT):
                reference = {"$ref": f"#/components/responses/Problem{status}"}
                operation.setdefault("responses", {}).setdefault(status, reference)
            continue
        if parameter["in"] == "path" and _is_free_text(schema):
            schema["pattern"] = _SEGMENT
        is_list = parameter["in"] == "query" and schema.get("type") == "array"
        if is_list and parameter["name"] not in repeatable:
            raise ValueError(f"{path}: list parameter {parameter['name']} is refused")
        kept.append(parameter)
    operation["parameters"] = kept


def _add_headers(operation: Document, *, quotas: bool) -> None:
    """Describe the headers of every answer; *quotas* are told by whoever counts requests."""
    responses = operation.get("responses", {})
    counted = quotas and "429" in responses
    for status, response in responses.items():
        if "$ref" not in response:
            response.setdefault("headers", {}).update(headers_of(int(status)))
            if counted and int(status) < HTTPStatus.BAD_REQUEST:
                response["headers"].update(references(*QUOTA))


def _is_free_text(schema: Document) -> bool:
    return schema.get("type") == "string" and schema.keys().isdisjoint(
        {"format", "pattern", "enum", "const"}
    )


def _widen_unions(node: Any) -> None:
    """Write `anyOf` where `oneOf` would refuse 0, which is an integer and a number."""
    if isinstance(node, list):
        for item in node:
            _widen_unions(item)
    elif isinstance(node, dict):
        kinds = {item.get("type") for item in node.get("oneOf", ()) if isinstance(item, dict)}
        if {"integer", "number"} <= kinds:
            node["anyOf"] = node.pop("oneOf")
        for value in node.values():
            _widen_unions(value)
