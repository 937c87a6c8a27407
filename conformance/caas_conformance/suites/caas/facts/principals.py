"""Credentials of the CAAS platform: how each kind is made, with as few permissions as wanted."""

from collections.abc import Mapping
from typing import Any

from caas_conformance.laws.facts import Token
from caas_conformance.laws.parties import Kind, Party, Principals
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Tenant
from caas_conformance.wire.answer import Answer

ADMIN = "admin"
USER = "user"
KEY = "key"
SERVICE = "service"
OPENS_SESSIONS = "sdk:session:create"
KEYS_PATH = "/v1/auth/api-keys"
CREATED = 201
ACCESS_S = 15 * 60
CLIENT_S = 60 * 60
REFRESH_S = 7 * 24 * 60 * 60

SESSION_TOKENS = (
    Token(at="access_token", kind=USER, ttl_s=ACCESS_S, told_at="expires_in"),
    Token(at="refresh_token", kind="", ttl_s=REFRESH_S),
)
CLIENT_TOKENS = (Token(at="access_token", kind=ADMIN, ttl_s=CLIENT_S, told_at="expires_in"),)

KINDS = (
    Kind(ADMIN, person=ADMIN, shared=True),
    Kind(USER, narrows=True, person=USER),
    Kind(KEY, narrows=True, person=USER),
    Kind(SERVICE),
)

PERMISSIONS = frozenset(
    {
        OPENS_SESSIONS, "sdk:session:refresh", "sdk:session:logout",
        "user:read", "user:write", "conversation:read", "conversation:write",
        "message:read", "message:write", "media:upload", "media:download",
        "search:query", "analytics:read",
        "tenant:read", "tenant:write", "apikey:read", "apikey:write",
    }
)  # fmt: skip
"""The vocabulary of the contract (seed case 17), with what administers a tenant."""


class CaasPrincipals(Principals[CaasContext]):
    """Administrators log in, users open sessions, keys are made, services know the secret."""

    kinds = KINDS
    permissions = PERMISSIONS
    shorthands = ("read", "write")
    observers = (ADMIN, USER)
    of_parties = (ADMIN, USER, KEY)

    async def party(self, t: CaasContext) -> Party:
        """Register a tenant; its user is made with the first session."""
        tenant = await t.tenants.register(plan="enterprise")
        return Party(tenant, t.unique("user"))

    async def fellow(self, t: CaasContext, party: Party) -> Party:
        """Name another user of the same tenant."""
        return Party(party.account, t.unique("fellow"))

    async def credential(
        self, t: CaasContext, party: Party, kind: str, permissions: frozenset[str] | None
    ) -> Mapping[str, str]:
        """Make one over the wire; a user's session holds what the key that opens it holds."""
        tenant: Tenant = party.account
        if kind == SERVICE:
            return t.service_secret()
        if kind == ADMIN:
            return (await tenant.login()).bearer
        if kind == KEY:
            return {"x-api-key": await named_key(t, party, permissions or PERMISSIONS)}
        opener = None
        if permissions is not None:
            opener = await named_key(t, party, permissions | {OPENS_SESSIONS})
        session = await tenant.session(external_id=party.user, api_key=opener)
        return session.bearer


async def named_key(t: CaasContext, party: Party, scopes: frozenset[str]) -> str:
    """Make a named key of the party's tenant that holds *scopes*, and return its text."""
    answer = await make_key(t, party, scopes)
    (key,) = t.need(answer, "key")
    return key


async def make_key(t: CaasContext, party: Party, scopes: frozenset[str]) -> Answer:
    """Let the party's administrator make a named key; a refusal stops the case."""
    admin = party.held.get((ADMIN, None))
    if admin is None:
        admin = party.held[(ADMIN, None)] = (await party.account.login()).bearer
    body: dict[str, Any] = {"name": t.unique("law"), "scopes": sorted(scopes)}
    answer = await t.gateway.post(KEYS_PATH, json=body, headers=admin)
    if answer.status != CREATED:
        t.setup_failed(answer, "make a named key", CREATED)
    t.secret(str(answer.at("key").value))
    return answer
