"""X03: every protected route refuses strangers; the list is the OpenAPI document's own."""

from collections.abc import Mapping
from typing import Any

from caas_conformance.authoring import Answer, Check, Phase, Value, derived
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "X03",
    "Protected routes",
    "What a document protects is protected; what it lists exists and answers as it says.",
    tags=("security", "openapi"),
)

METHODS = ("get", "post", "put", "patch", "delete")
PUBLIC = {
    "gateway": [
        "GET /health",
        "GET /internal/health",
        "GET /internal/ready",
        "GET /v1/ping",
        "POST /v1/auth/sdk/token",
        "POST /v1/client/login",
        "POST /v1/client/register",
        "POST /v1/sdk/refresh",
    ],
    "auth-service": [
        "GET /.well-known/jwks.json",
        "GET /health",
        "GET /internal/health",
        "GET /internal/ready",
        "POST /api/v1/auth/client/login",
        "POST /api/v1/auth/client/register",
        "POST /api/v1/auth/sdk/refresh",
        "POST /api/v1/auth/validate",
    ],
}
"""The routes that need no credential; a new one has to be added here on purpose."""

NOT_FOUND = 404
OPERATORS_ONLY = ("/internal/health/detailed", "/internal/metrics")
"""Open to this machine, by design; the service secret is asked of everyone else."""

BROKEN_CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "none": {},
    "broken-token": {"authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.broken"},
    "other-scheme": {"authorization": "Basic YWRtaW46YWRtaW4="},
    "unknown-key": {"x-api-key": "caas_prod_" + "0" * 64},
    "wrong-secret": {"x-service-secret": "dev-service-secret-change-in-production"},
}


class Operation:
    """One operation of an OpenAPI document."""

    def __init__(self, path: str, method: str, described: Mapping[str, Any]) -> None:
        self.path = path
        self.method = method.upper()
        schemes = {name for way in described.get("security", ()) for name in way}
        self.secured = bool(schemes)
        self.schemes = frozenset(schemes)
        self.responses = list(described.get("responses", {}))
        self.takes_body = "requestBody" in described

    @property
    def name(self) -> str:
        """How people write it."""
        return f"{self.method} {self.path}"

    @property
    def check_id(self) -> str:
        """It in the letters of a check's id."""
        letters = [c if c.isascii() and c.isalnum() else "-" for c in self.name.lower()]
        return "-".join(part for part in "".join(letters).split("-") if part)

    @property
    def target(self) -> str:
        """The path with every parameter filled by an id that names nothing."""
        parts = [ops.UNKNOWN_ID if part[:1] == "{" else part for part in self.path.split("/")]
        return "/".join(parts)


def _reason(service: str, op: Operation, credential: str) -> str:
    """Name the one refusal: of what was sent, where *op* takes its kind, else of what lacks."""
    gateway = service == "gateway"
    if credential == "broken-token" and "bearer" in op.schemes:
        return "invalid_token"
    if credential == "unknown-key" and "apiKey" in op.schemes:
        own = gateway and "bearer" in op.schemes  # else auth's refusal is passed on
        return "unauthenticated" if own else "auth.api_key_invalid"
    if op.schemes == {"apiKey"}:
        return "auth.api_key_missing"
    if "serviceSecret" in op.schemes:
        return "service_authentication_failed"
    return "gateway.tenant_context_required" if gateway else "auth.credential_missing"


def _operations(document: Any) -> list[Operation]:
    return [
        Operation(path, method, item[method])
        for path, item in sorted(document["paths"].items())
        for method in METHODS
        if method in item
    ]


async def _document(t: CaasContext, service: str) -> tuple[Answer, list[Operation]]:
    """Read the operations of *service*; a document without any fails the case."""
    answer = await t.service(service).get("/documentation/json")
    found = answer.body.derive("operations", _operations)
    with t.check("document", "the document lists operations") as check:
        check.status(answer, 200)
        check.between(found.length, 10, 500)
    return answer, found.value if isinstance(found.value, list) else []


async def _send(t: CaasContext, service: str, op: Operation, headers: Mapping[str, str]) -> Answer:
    body: dict[str, Any] = {"json": {}} if op.takes_body else {}
    return await t.service(service).request(op.method, op.target, headers=headers, **body)


def _refuses(case_id: str, service: str, credential: str) -> None:
    """Make the case that every protected operation of *service* refuses *credential*."""
    what = credential.replace("-", " ")

    @PHASE.case(
        case_id,
        f"Every protected route of the {service} refuses: {what}",
        proves="What the document says needs a credential is a 401 without a good one.",
        requirements=["SEC-AUTH-01" if credential == "none" else "SEC-AUTH-02", "HTTP-06"],
        baseline=[26],
        tags=["negative", service],
    )
    async def refuses(t: CaasContext) -> None:
        """Red when a route forgets its guard, or looks at the body before the caller."""
        _, operations = await _document(t, service)
        protected = [o for o in operations if o.secured and o.path not in OPERATORS_ONLY]
        for op in protected:
            answer = await _send(t, service, op, BROKEN_CREDENTIALS[credential])
            with t.check(op.check_id, f"{op.name} is a 401 with a challenge") as check:
                check.problem(answer, 401, code=_reason(service, op, credential))
                check.matches(answer.header("www-authenticate"), str)
                check.absent(answer, "items", "sessions", "tenant_id", "user_id", "access_token")


for _number, _credential in enumerate(BROKEN_CREDENTIALS, 1):
    _refuses(f"X03.{_number:02}", "gateway", _credential)
    _refuses(f"X03.{_number + 10:02}", "auth-service", _credential)


def _public(case_id: str, service: str) -> None:
    """Make the case that the routes without a credential are the known ones."""

    @PHASE.case(
        case_id,
        f"The {service}'s public routes are the known ones",
        proves="No route is open to everybody by accident.",
        requirements=["SEC-AUTH-03"],
        baseline=[74],
        tags=[service],
    )
    async def public(t: CaasContext) -> None:
        """Red when a new route forgets to say what it needs."""
        answer, operations = await _document(t, service)
        names = sorted(op.name for op in operations if not op.secured)
        with t.check("known", "the document's open routes are the known list") as check:
            check.equal(derived("public_routes", names, of=[answer]), PUBLIC[service])


_public("X03.21", "gateway")
_public("X03.22", "auth-service")


def _listed(check: Check, answer: Answer, op: Operation) -> None:
    """Assert that *answer* has a status that the document lists for *op*, and is no 5xx."""
    status = Value("status", answer.status, answer.exchange_id)
    check.between(status, 200, 499)
    listed = derived("documented_statuses", [int(s) for s in op.responses], of=[answer])
    check.contains(listed, status)


def _answers_as_documented(case_id: str, service: str, baseline: list[int]) -> None:
    """Make the case that *service* answers each operation with a status that it documents."""

    @PHASE.case(
        case_id,
        f"The {service} answers as its document says",
        proves="Every documented route exists, and answers with a status that is documented.",
        requirements=["GW-DOC-01", "HTTP-11"],
        baseline=baseline,
        tags=[service],
    )
    async def as_documented(t: CaasContext) -> None:
        """Red when a documented route is missing, or answers what the document does not know."""
        tenant = await t.tenants.register()
        session = await tenant.session()
        _, operations = await _document(t, service)
        for op in operations:
            if op.method != "GET":  # some operations end the session they are called with
                session = await tenant.session()
            headers = {**session.bearer, **tenant.key}
            if service == "auth-service" or op.path in OPERATORS_ONLY:
                headers |= t.service_secret()
            answer = await _send(t, service, op, headers)
            with t.check(op.check_id, f"{op.name} answers as documented") as check:
                _listed(check, answer, op)
                status = Value("status", answer.status, answer.exchange_id)
                check.differs(status, 405)
                if answer.status == NOT_FOUND:  # of a thing, never of the route
                    check.differs(answer.at("detail"), "Not Found")


_answers_as_documented("X03.23", "gateway", [74, 75, 79, 81, 111, 113, 119])
_answers_as_documented("X03.24", "auth-service", [74])
