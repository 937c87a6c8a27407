"""S01, documents: what each service publishes about itself."""

from caas_conformance.authoring import MISSING, Answer, Check, one_of, pattern
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.phases.services.s01_health import PHASE

GATEWAY_OPERATIONS = (
    ("/health", "get"),
    ("/internal/health", "get"),
    ("/internal/ready", "get"),
    ("/internal/health/detailed", "get"),
    ("/internal/metrics", "get"),
    ("/v1/ping", "get"),
    ("/v1/client/register", "post"),
    ("/v1/auth/sdk/token", "post"),
    ("/v1/auth/logout", "post"),
    ("/v1/auth/api-keys", "post"),
    ("/v1/auth/api-keys", "get"),
    ("/v1/auth/api-keys/{api_key_id}", "delete"),
    ("/v1/sdk/session", "post"),
    ("/v1/sdk/refresh", "post"),
    ("/v1/sdk/logout", "post"),
    ("/v1/sessions", "get"),
    ("/v1/sessions/{session_id}", "delete"),
    ("/v1/sessions/others", "delete"),
    ("/v1/sessions/all", "delete"),
    ("/v1/tenant", "get"),
    ("/v1/tenant/usage", "get"),
    ("/v1/tenant/settings", "put"),
)
AUTH_OPERATIONS = (
    ("/health", "get"),
    ("/.well-known/jwks.json", "get"),
    ("/api/v1/auth/client/register", "post"),
    ("/api/v1/auth/client/login", "post"),
    ("/api/v1/auth/client/api-keys/rotate", "post"),
    ("/api/v1/auth/client/api-keys/promote", "post"),
    ("/api/v1/auth/client/api-keys/revoke", "post"),
    ("/api/v1/auth/client/ip-whitelist", "get"),
    ("/api/v1/auth/client/ip-whitelist", "post"),
    ("/api/v1/auth/client/ip-whitelist", "delete"),
    ("/api/v1/auth/client/origin-whitelist", "get"),
    ("/api/v1/auth/client/origin-whitelist", "post"),
    ("/api/v1/auth/client/origin-whitelist", "delete"),
    ("/api/v1/auth/sdk/session", "post"),
    ("/api/v1/auth/sdk/refresh", "post"),
    ("/api/v1/auth/sdk/logout", "post"),
    ("/api/v1/auth/validate", "post"),
    ("/api/v1/users/profile", "get"),
    ("/api/v1/users/profile", "put"),
    ("/api/v1/sessions", "get"),
    ("/api/v1/sessions/{session_id}", "delete"),
    ("/api/v1/sessions/others", "delete"),
    ("/api/v1/sessions/all", "delete"),
)


def _lists_operations(check: Check, answer: Answer, wanted: tuple[tuple[str, str], ...]) -> None:
    check.status(answer, 200)
    check.matches(answer.at("openapi"), pattern(r"3\.1\.\d+", "OpenAPI 3.1"))
    check.matches(answer.at("info"), {"title": str, "version": str})
    for path, method in wanted:
        operation = answer.at("paths", path, method)
        check.matches(operation.at("responses"), dict)


def _unresolved_references(document: object) -> list[str]:
    """Return every `$ref` of an OpenAPI document that points to nothing in it."""
    found: list[str] = []
    todo = [document]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            target = node.get("$ref")
            if isinstance(target, str) and _resolve(document, target) is MISSING:
                found.append(target)
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
    return found


def _resolve(document: object, reference: str) -> object:
    found: object = document
    for part in reference.removeprefix("#/").split("/"):
        step = part.replace("~1", "/").replace("~0", "~")
        found = found.get(step, MISSING) if isinstance(found, dict) else MISSING
    return found


INSIDES = ("_def", "ZodObject", "msgspec", "litestar", "Traceback", "site-packages", "caas.auth")
"""Words that show a validator or a framework through the document (seed case 74)."""


async def _publishes_document(
    t: CaasContext, service: str, operations: tuple[tuple[str, str], ...]
) -> None:
    answer = await t.service(service).get("/documentation/json")
    with t.check("operations", "it lists every route of the contract") as check:
        _lists_operations(check, answer, operations)
    with t.check("security-named", "it says how callers authenticate") as check:
        schemes = answer.at("components", "securitySchemes")
        values = schemes.derive("values", lambda found: list(found.values()))
        check.each(values, {"type": one_of("http", "apiKey")})
    with t.check("references-resolve", "every reference in it leads somewhere") as check:
        check.matches(answer.at("paths"), dict)
        check.empty(answer.body.derive("unresolved", _unresolved_references))
    with t.check("no-insides", "nothing of the validator shows") as check:
        for word in INSIDES:
            check.lacks(answer.text, word)
    again = await t.service(service).get("/documentation/json")
    with t.check("stable", "a second read gives the same bytes", requirements=["HLT-10"]) as check:
        check.equal(again.text, answer.text)


@PHASE.case(
    "S01.11",
    "The gateway's OpenAPI document is whole",
    proves="Client developers find every route of the gateway in one truthful document.",
    requirements=["HLT-08", "HLT-10", "HLT-12"],
    baseline=[74],
    tags=["gateway", "openapi"],
)
async def gateway_document(t: CaasContext) -> None:
    """Red when a route is left out or the schema library leaks, as in the seed's document."""
    await _publishes_document(t, "gateway", GATEWAY_OPERATIONS)


@PHASE.case(
    "S01.12",
    "The auth service's OpenAPI document is whole",
    proves="Client developers find every route of the auth service in one truthful document.",
    requirements=["HLT-08", "HLT-10", "HLT-12"],
    baseline=[74],
    tags=["auth", "openapi"],
)
async def auth_document(t: CaasContext) -> None:
    """Red when a route is left out or the bytes change between reads."""
    await _publishes_document(t, "auth-service", AUTH_OPERATIONS)


@PHASE.case(
    "S01.13",
    "The documentation can be browsed",
    proves="People can read each service's documentation in a browser.",
    requirements=["HLT-09"],
    baseline=[74],
    tags=["openapi"],
)
async def documentation_page(t: CaasContext) -> None:
    """Red when the page is missing or is the JSON again."""
    for service in t.service_names:
        answer = await t.service(service).get("/documentation")
        with t.check(f"page-{service}", f"{service} serves a page") as check:
            check.status(answer, 200)
            check.header(answer, "content-type", pattern(r"text/html.*", "HTML"))
            lowered = answer.text.derive("lower", str.lower)
            check.contains(lowered, "<html")
            check.contains(lowered, "/documentation/json")
