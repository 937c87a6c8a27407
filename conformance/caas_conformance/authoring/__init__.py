"""Everything a suite imports: `from caas_conformance.authoring import ...`.

What happens to a case once it is written is in `plan`, `engine` and `verdicts`.
"""

from caas_conformance.authoring.checks import MUST, SHOULD, Check, Problems
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.contract_facts import AnswerHeader, ContractFacts
from caas_conformance.authoring.definition import Phase
from caas_conformance.authoring.shapes import (
    TIMESTAMP,
    UUID,
    exactly,
    list_of,
    nullable,
    one_of,
    optional,
    pattern,
)
from caas_conformance.authoring.suite import AccessLine, Launch, Suite
from caas_conformance.authoring.tokens import (
    claims,
    encode_part,
    from_base64url,
    header,
    to_base64url,
)
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.client import ServiceClient
from caas_conformance.wire.evidence import MISSING, Value, derived

__all__ = [
    "MISSING",
    "MUST",
    "SHOULD",
    "TIMESTAMP",
    "UUID",
    "AccessLine",
    "Answer",
    "AnswerHeader",
    "CaseContext",
    "Check",
    "ContractFacts",
    "Launch",
    "Phase",
    "Problems",
    "ServiceClient",
    "Suite",
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
