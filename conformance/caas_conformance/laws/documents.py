"""What an operation's OpenAPI document says of its request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.laws.facts import Operation
from caas_conformance.laws.samples import Schema, resolved

OK = 200
JSON = "application/json"
METHODS = ("get", "post", "put", "patch", "delete")
IDEMPOTENCY_HEADER = "idempotency-key"


@dataclass(frozen=True, slots=True)
class Described:
    """One operation as its document has it."""

    item: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def body(self) -> Schema | None:
        """Return the schema of its JSON body, or None."""
        content = self.item.get("requestBody", {}).get("content", {})
        schema = content.get(JSON, {}).get("schema")
        return None if schema is None else Schema(schema, self.document)

    @property
    def query(self) -> dict[str, Mapping[str, Any]]:
        """Return the schema of each query parameter, references followed."""
        return {
            p["name"]: resolved(p.get("schema", {}), self.document)
            for p in self.item.get("parameters", ())
            if p.get("in") == "query"
        }

    @property
    def is_idempotent(self) -> bool:
        """Whether it says that it honours `Idempotency-Key`."""
        named = [str(p.get("name", "")).lower() for p in self.item.get("parameters", ())]
        told = str(self.item.get("description", "")).lower()
        return IDEMPOTENCY_HEADER in named or IDEMPOTENCY_HEADER in told

    @property
    def is_secured(self) -> bool:
        """Whether it asks for a credential; one alternative of none is a choice, not a need."""
        security = self.item.get("security", self.document.get("security", []))
        return bool(security) and {} not in security


async def document_of(t: CaseContext, service: str, path: str) -> Mapping[str, Any]:
    """Read the document of *service*; what is none stops the case."""
    answer = await t.service(service).get(path)
    if answer.status != OK or not isinstance(answer.json, dict):
        t.setup_failed(answer, "read the OpenAPI document", OK)
    found: Mapping[str, Any] = answer.json
    return found


async def described(t: CaseContext, operation: Operation, path: str) -> Described | None:
    """Return what the document says of *operation*, or None when it is not in there."""
    document = await document_of(t, operation.service, path)
    item = document.get("paths", {}).get(operation.path, {}).get(operation.method.lower())
    return None if item is None else Described(item, document)
