"""The operations that several phases send, and the words and shapes of their answers.

Paths and words are the contract's (seed report); a phase that checks an operation itself
writes its request out, a phase that only needs its effect uses the call here.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from caas_conformance.authoring import Answer, Value, claims, header, pattern
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Session, Tenant

AUTH = "/api/v1/auth"
REGISTER = f"{AUTH}/client/register"
LOGIN = f"{AUTH}/client/login"
ROTATE = f"{AUTH}/client/api-keys/rotate"
PROMOTE = f"{AUTH}/client/api-keys/promote"
REVOKE = f"{AUTH}/client/api-keys/revoke"
IP_WHITELIST = f"{AUTH}/client/ip-whitelist"
ORIGIN_WHITELIST = f"{AUTH}/client/origin-whitelist"
VALIDATE_KEY = f"{AUTH}/internal/validate-api-key"
INTROSPECT = f"{AUTH}/internal/validate"
VALIDATE = f"{AUTH}/validate"
SDK_SESSION = f"{AUTH}/sdk/session"
SDK_REFRESH = f"{AUTH}/sdk/refresh"
SDK_LOGOUT = f"{AUTH}/sdk/logout"
PROFILE = "/api/v1/users/profile"
SESSIONS = "/api/v1/sessions"
JWKS = "/.well-known/jwks.json"

GATEWAY_TENANT = "/v1/tenant"
GATEWAY_USAGE = "/v1/tenant/usage"
GATEWAY_SETTINGS = "/v1/tenant/settings"
GATEWAY_KEYS = "/v1/auth/api-keys"
GATEWAY_SESSIONS = "/v1/sessions"
GATEWAY_SDK_TOKEN = "/v1/auth/sdk/token"  # noqa: S105 - a path
GATEWAY_LOGOUT = "/v1/auth/logout"

API_KEY = pattern(r"caas_prod_[0-9a-f]{64}", "caas_prod_ and 64 hexadecimal digits")
JWT = pattern(r"[\w-]+\.[\w-]+\.[\w-]{86}", "a JWT with an Ed25519 signature")
JSON_HEADERS = {"content-type": "application/json"}
REVOKED_WITHIN_S = 1.0
UNAUTHORIZED = 401
NO_SERVICE = "Authentication failed: Invalid or missing service secret"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"

ACCOUNT_PERMISSIONS = [
    "sdk:session:create",
    "sdk:session:refresh",
    "sdk:session:logout",
    "user:read",
    "user:write",
    "conversation:read",
    "conversation:write",
    "message:read",
    "message:write",
    "media:upload",
    "media:download",
    "search:query",
    "analytics:read",
]
"""What an account's own keys may do (seed case 17)."""

STORAGE_MEMBERS = ("_id", "id_", "__v", "revision_id")
"""Names under which a document store shows itself."""


def breaks(member: str, rule: str) -> dict[str, Any]:
    """Return how a problem says that *member* of a request breaks *rule*."""
    return {"code": "invalid_input", "errors": {member: rule}}


async def validate_key(
    t: CaasContext, key: str, *, ip: str = "127.0.0.1", origin: str | None = None
) -> Answer:
    """Ask the auth service, as a service does, whether *key* may be used from there."""
    body = {"api_key": key, "ip_address": ip}
    if origin is not None:
        body["origin"] = origin
    return await t.auth.post(VALIDATE_KEY, json=body, headers=t.service_secret())


async def introspect(t: CaasContext, token: str) -> Answer:
    """Ask the auth service, as a service does, whether *token* is live."""
    return await t.auth.post(INTROSPECT, json={"token": token}, headers=t.service_secret())


async def validate(t: CaasContext, token: str) -> Answer:
    """Ask the public route whether *token* is live."""
    return await t.auth.post(VALIDATE, json={"token": token})


async def refresh(t: CaasContext, token: str) -> Answer:
    """Trade a refresh token; what comes back is kept out of every report."""
    return keep_secret(t, await t.auth.post(SDK_REFRESH, json={"refresh_token": token}))


async def administer_key(t: CaasContext, path: str, tenant: Tenant, **members: Any) -> Answer:
    """Rotate, promote or revoke a key of *tenant*, as a service does."""
    body = {"client_id": tenant.client_id, **members}
    return keep_secret(t, await t.auth.post(path, json=body, headers=t.service_secret()))


def keep_secret(t: CaasContext, answer: Answer) -> Answer:
    """Make the credentials in *answer* known to the redaction, and return it."""
    for member in ("access_token", "refresh_token", "secondary_key", "key", "api_key"):
        value = answer.at(member).value
        if isinstance(value, str) and value:
            t.secret(value)
    return answer


def token_claims(answer: Answer, member: str = "access_token") -> Value:
    """Return the claims of a token in *answer*, as evidence."""
    return answer.at(member).derive("claims", claims)


def token_header(answer: Answer, member: str = "access_token") -> Value:
    """Return the header of a token in *answer*, as evidence."""
    return answer.at(member).derive("header", header)


def some_address() -> str:
    """Return an address out of the benchmark range (RFC 2544), so that cases do not share one."""
    return f"198.{18 + secrets.randbelow(2)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


def from_address(t: CaasContext, address: str) -> Mapping[str, str]:
    """Return the headers by which a trusted service says for whom it calls."""
    return {**t.service_secret(), "x-forwarded-for": address}


async def log_out(t: CaasContext, session: Session) -> None:
    """End *session* at the auth service, or fail the case."""
    t.given(await t.auth.post(SDK_LOGOUT, headers=session.bearer), 200, "log out")


async def check_ended(t: CaasContext, token: str, check_id: str = "ended") -> None:
    """Check that auth and gateway refuse *token* within a second, as of an ended session."""
    bearer = {"authorization": f"Bearer {token}"}
    at_auth = await t.until(
        lambda: validate(t, token),
        lambda answer: answer.status == UNAUTHORIZED,
        within_s=REVOKED_WITHIN_S,
    )
    at_gateway = await t.until(
        lambda: t.gateway.get(GATEWAY_TENANT, headers=bearer),
        lambda answer: answer.status == UNAUTHORIZED,
        within_s=REVOKED_WITHIN_S,
    )
    with t.check(check_id, "auth and gateway refuse the token within a second") as check:
        check.problem(
            at_auth, UNAUTHORIZED, code="auth.token_refused", valid=False, error="Session invalid"
        )
        check.absent(at_auth, "payload", "session")
        check.problem(at_gateway, UNAUTHORIZED, code="session_invalid", statusCode=UNAUTHORIZED)
        check.absent(at_gateway, "tenant_id", "company_name")
