"""What the platform's operations are about, and how a party gets one."""

from caas_conformance.laws.facts import Owner, Resource
from caas_conformance.laws.parties import Party
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.facts.principals import (
    ADMIN,
    CREATED,
    KEY,
    PERMISSIONS,
    USER,
    make_key,
)
from caas_conformance.suites.caas.fixtures import Tenant

API_KEY = "api key"
SESSION = "session"
TENANT = "tenant"
PROFILE = "profile"
ACCOUNT_KEY = "account key"
ADDRESS = "address"
ORIGIN = "origin"


async def _api_key(t: CaasContext, party: Party, _: str) -> str:
    answer = await make_key(t, party, PERMISSIONS)
    key_id, key = t.need(answer, "id", "key")
    party.wielded[key_id] = (KEY, {"x-api-key": key})
    return key_id


async def _session(t: CaasContext, party: Party, person: str) -> str:
    tenant: Tenant = party.account
    if person == ADMIN:
        login = await tenant.login()
        (session_id,) = t.need(login.answer, "session_id")
        party.wielded[session_id] = (ADMIN, login.bearer)
        return session_id
    session = await tenant.session(external_id=party.user)
    party.wielded[session.session_id] = (USER, session.bearer)
    return session.session_id


async def _tenant(_: CaasContext, party: Party, _person: str) -> str:
    tenant: Tenant = party.account
    return tenant.tenant_id


async def _client(_: CaasContext, party: Party, _person: str) -> str:
    tenant: Tenant = party.account
    return tenant.client_id


async def _address(t: CaasContext, party: Party, _: str) -> str:
    return await _listed(t, party, ops.IP_WHITELIST, "ip", ops.some_address())


async def _origin(t: CaasContext, party: Party, _: str) -> str:
    origin = f"https://{t.unique('law')}.example.com"
    return await _listed(t, party, ops.ORIGIN_WHITELIST, "origin", origin)


async def _listed(t: CaasContext, party: Party, path: str, member: str, value: str) -> str:
    tenant: Tenant = party.account
    body = {member: value, "client_id": tenant.client_id}
    answer = await t.auth.post(path, json=body, headers=t.service_secret())
    if answer.status != CREATED:
        t.setup_failed(answer, f"add to the whitelist of {member}s", CREATED)
    return value


RESOURCES = (
    Resource(name=ACCOUNT_KEY, parameter="client_id", owner=Owner.PARTY, make=_client),
    Resource(
        name=ADDRESS, parameter="ip", owner=Owner.PARTY, make=_address, unknown="203.0.113.77"
    ),
    Resource(
        name=ORIGIN,
        parameter="origin",
        owner=Owner.PARTY,
        make=_origin,
        unknown="https://nobody.example.com",
    ),
    Resource(name=API_KEY, parameter="api_key_id", owner=Owner.PARTY, make=_api_key),
    Resource(name=SESSION, parameter="session_id", owner=Owner.PERSON, make=_session),
    Resource(name=TENANT, parameter="tenant_id", owner=Owner.PARTY, make=_tenant),
)
