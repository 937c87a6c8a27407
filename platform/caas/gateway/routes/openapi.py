"""The OpenAPI description of what is passed on, made from the same table that routes it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from caas.contracts.auth.identity import ADMIN_PERMISSIONS, SCOPE_SHORTHANDS
from caas.gateway.domain import timezone_names
from caas.gateway.operations.operation import BEARER, KEY, Operation
from caas.gateway.operations.table import OperationTable
from caas.gateway.routes.own import PAGE_DEFAULT, PAGE_MAX
from caas.runtime.http.openapi import idempotency_parameter, problem_response

_EVERY = (400, 414, 429, 431, 502, 503)
_WITH_BODY = (408, 413, 415)
_SECURITY: Mapping[bytes, list[dict[str, list[str]]]] = {
    BEARER: [{"bearer": []}],
    KEY: [{"apiKey": []}],
}
_REF = "#/components/schemas/{name}"

Document = dict[str, Any]


def passed_on() -> Document:
    """Return paths and schemas of every passed-on operation, and the own ones' vocabularies."""
    operations = OperationTable().operations
    types = {
        kind: None
        for operation in operations
        for kind in (operation.body, operation.answer)
        if kind is not None
    }
    refs, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(types, refs, strict=True))
    paths: Document = {}
    for operation in operations:
        described = _describe(operation, schema_of)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "paths": paths,
        "components": {
            "schemas": components | _vocabularies(),
            "responses": {"Problem502": problem_response(502)},
        },
    }


def _vocabularies() -> Document:
    """Return what the gateway's own schemas lack: values that come from lists, not from types."""
    scopes = sorted({*ADMIN_PERMISSIONS, *SCOPE_SHORTHANDS})
    zones = sorted(timezone_names())
    return {
        "CreateKey": {"properties": {"scopes": {"items": {"enum": scopes}}}},
        "SettingsBody": {"properties": {"timezone": {"enum": zones}}},
    }


def _describe(operation: Operation, schema_of: Mapping[Any, Document]) -> Document:
    statuses = {*_EVERY, *operation.errors}
    if operation.credential is not None:
        statuses.add(401)
    if operation.parameter is not None:
        statuses.add(404)
    if operation.method != "GET":
        statuses.update(_WITH_BODY)
    responses: Document = {
        str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses
    }
    responses[str(operation.status)] = {
        "description": "Done.",
        "content": {"application/json": {"schema": schema_of[operation.answer]}},
    }
    described: Document = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "tags": [operation.tag],
        "deprecated": False,
        "parameters": _parameters(operation),
        "responses": responses,
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.takes_body,
            "content": {"application/json": {"schema": schema_of[operation.body]}},
        }
    if operation.credential is not None:
        described["security"] = _SECURITY[operation.credential]
    return described


def _operation_id(operation: Operation) -> str:
    words = [part.strip("{}").title() for part in operation.path.split("/") if part]
    return "".join([*words, operation.method.title()])


def _parameters(operation: Operation) -> list[Document]:
    parameters: list[Document] = []
    if operation.parameter is not None:
        parameters.append(
            {
                "name": operation.parameter,
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
            }
        )
    if operation.paged:
        parameters += [
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": PAGE_MAX,
                    "default": PAGE_DEFAULT,
                },
            },
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "`next_cursor` of the page before.",
                "schema": {"type": "string", "maxLength": 100},
            },
        ]
    if operation.idempotent:
        parameters.append(idempotency_parameter())
    return parameters
