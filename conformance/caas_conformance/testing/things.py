"""A documented service of things: its document, what it promises, and its right answers."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from caas_conformance.authoring import AnswerHeader, ContractFacts
from caas_conformance.testing.scripted import Asked, Handler, Said, ScriptedService

ID = "6f0a7a52-5d9c-4a39-9d3e-0c1a7f3b2d11"
THING = {"id": ID, "made_at": "2026-01-02T03:04:05Z", "owner": {"name": "Ann"}, "note": None}
PROBLEM = {"type": "urn:x", "title": "Gone", "status": 404, "detail": "It is gone."}
PROBLEM_JSON = "application/problem+json"
TEXT = {"type": "string"}
COMPONENTS = {
    "schemas": {
        "Thing": {
            "allOf": [{"$ref": "#/components/schemas/Base"}],
            "properties": {
                "owner": {"type": "object", "properties": {"name": TEXT}},
                "note": {"oneOf": [TEXT, {"type": "null"}]},
                "access_token": TEXT,
            },
            "required": ["owner"],
        },
        "Base": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "made_at": {"type": "string", "format": "date-time"},
            },
            "required": ["id", "made_at"],
        },
        "Problem": {
            "type": "object",
            "properties": {
                "type": TEXT,
                "title": TEXT,
                "status": {"type": "integer"},
                "detail": TEXT,
            },
        },
    },
    "responses": {
        "Problem": {
            "description": "No.",
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    },
    "headers": {"Total": {"required": True, "schema": {"type": "integer", "minimum": 0}}},
}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "things", "version": "1"},
    "paths": {
        "/things/{thing_id}": {
            "get": {
                "responses": {
                    "200": {
                        "description": "A thing.",
                        "headers": {"x-total": {"$ref": "#/components/headers/Total"}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                        },
                    },
                    "401": {"$ref": "#/components/responses/Problem"},
                    "404": {"$ref": "#/components/responses/Problem"},
                }
            },
            "delete": {"responses": {"204": {"description": "Gone."}}},
        },
        "/events": {
            "get": {
                "responses": {
                    "200": {
                        "description": "Events.",
                        "content": {"text/event-stream": {"schema": {"type": "object"}}},
                    }
                }
            }
        },
    },
    "components": COMPONENTS,
}
FACTS = ContractFacts(
    headers=(
        AnswerHeader(
            name="x-correlation-id",
            pattern=re.compile(r"(?P<same>[A-Za-z0-9._-]{1,128})"),
            echoes="x-correlation-id",
        ),
        AnswerHeader(
            name="traceresponse",
            pattern=re.compile(r"00-(?P<same>[0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}"),
            echoes="traceparent",
        ),
    ),
    status_headers={401: ("www-authenticate",)},
)


def said(
    asked: Asked, status: int = 200, body: Any = None, headers: Mapping[str, str] | None = None
) -> Said:
    """Answer with every header that is promised."""
    told = {"traceresponse": asked.headers.get("traceparent", ""), "cache-control": "no-store"}
    if status == HTTPStatus.OK:
        told["x-total"] = "1"
    if status >= HTTPStatus.BAD_REQUEST:
        told["content-type"] = PROBLEM_JSON
    return Said(status, THING if body is None else body, told | dict(headers or {}))


def bare(asked: Asked, *leave_out: str) -> Said:
    """Answer rightly, but for headers that are left out."""
    lines = {
        "content-type": "application/json",
        "x-total": "1",
        "cache-control": "no-store",
        "x-correlation-id": asked.headers.get("x-correlation-id", ""),
        "traceresponse": asked.headers.get("traceparent", ""),
        "connection": "close",
        "content-length": "0",
    }
    body = b'{"id":"%s","made_at":"2026-01-02T03:04:05Z","owner":{}}' % ID.encode()
    lines["content-length"] = str(len(body))
    head = [f"{k}: {v}" for k, v in lines.items() if k not in leave_out]
    return Said(wire="\r\n".join(["HTTP/1.1 200 OK", *head, "", ""]).encode() + body)


def serve(service: ScriptedService, handler: Handler, document: Any = DOCUMENT, *, at: str) -> None:
    """Publish the document there and answer for every thing with *handler*."""
    service.route("GET", at, Said(200, document))
    for method in ("GET", "HEAD", "PATCH", "DELETE", "OPTIONS"):
        service.route(method, f"/things/{ID}", handler)
