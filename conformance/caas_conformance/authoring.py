"""Everything a phase module imports: `from caas_conformance.authoring import ...`."""

from caas_conformance.checks import MUST, SHOULD, Check
from caas_conformance.context import AUTH_SERVICE, GATEWAY, CaseContext
from caas_conformance.definition import Phase
from caas_conformance.evidence import MISSING, Value, derived
from caas_conformance.fixtures import Login, Session, Tenant
from caas_conformance.http.answer import Answer
from caas_conformance.http.client import ServiceClient
from caas_conformance.shapes import (
    TIMESTAMP,
    UUID,
    exactly,
    list_of,
    nullable,
    one_of,
    optional,
    pattern,
)
from caas_conformance.tokens import claims, encode_part, from_base64url, header, to_base64url

__all__ = [
    "AUTH_SERVICE",
    "GATEWAY",
    "MISSING",
    "MUST",
    "SHOULD",
    "TIMESTAMP",
    "UUID",
    "Answer",
    "CaseContext",
    "Check",
    "Login",
    "Phase",
    "ServiceClient",
    "Session",
    "Tenant",
    "Value",
    "claims",
    "derived",
    "encode_part",
    "exactly",
    "from_base64url",
    "header",
    "list_of",
    "nullable",
    "one_of",
    "optional",
    "pattern",
    "to_base64url",
]
