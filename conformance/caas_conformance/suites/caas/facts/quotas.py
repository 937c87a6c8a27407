"""How often somebody may do something on the platform, and everything that counts as the same."""

from caas_conformance.laws.parties import Party
from caas_conformance.laws.wide.facts import Quota, Way
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.facts.principals import ADMIN, KEY, USER, CaasPrincipals
from caas_conformance.suites.caas.fixtures import AUTH_SERVICE, GATEWAY
from caas_conformance.wire.answer import Answer

PRINCIPALS = CaasPrincipals()
GUESSES = 5
GUESSING_WINDOW_S = 15 * 60
GATEWAY_LOGIN = "/v1/client/login"
OTHER = "somebody else"
ADDRESS = "address"


async def _free_tenant(t: CaasContext) -> Party:
    """Make a tenant of the plan with the lowest limit, its credentials, and another such tenant."""
    party, other = [
        Party(await t.tenants.register(plan="free"), t.unique("user")) for _ in range(2)
    ]
    for kind in (ADMIN, USER, KEY):
        party.held[(kind, None)] = await PRINCIPALS.credential(t, party, kind, None)
    party.held[(OTHER, None)] = await PRINCIPALS.credential(t, other, ADMIN, None)
    return party


def _asks(kind: str, path: str, *, sampled: bool = True) -> Way:
    async def ask(t: CaasContext, party: Party, instance: int) -> Answer:
        client = t.instances(GATEWAY)[instance]
        return await client.get(path, headers=party.held[(kind, None)], sampled=sampled)

    return ask


async def _account(t: CaasContext) -> Party:
    """Make a tenant, and an address from which nobody signed in yet."""
    party = Party(await t.tenants.register(), "nobody")
    party.ids[("", ADDRESS)] = ops.some_address()
    return party


def _guesses(service: str, path: str, *, shout: bool = False) -> Way:
    async def guess(t: CaasContext, party: Party, instance: int) -> Answer:
        email = party.account.email
        return await t.instances(service)[instance].post(
            path,
            json={"email": email.upper() if shout else email, "password": t.password()},
            headers=ops.from_address(t, party.ids[("", ADDRESS)]),
        )

    return guess


async def _guess_elsewhere(t: CaasContext, party: Party, _: int) -> Answer:
    body = {"email": party.account.email, "password": t.password()}
    return await t.auth.post(ops.LOGIN, json=body, headers=ops.from_address(t, ops.some_address()))


QUOTAS = (
    Quota(
        number="G01",
        what="a tenant's requests",
        service=GATEWAY,
        party=_free_tenant,
        ways=(
            _asks(ADMIN, ops.GATEWAY_TENANT),
            _asks(USER, ops.GATEWAY_TENANT, sampled=False),
            _asks(KEY, ops.GATEWAY_USAGE),
            _asks(USER, ops.GATEWAY_SESSIONS, sampled=False),
        ),
        apart=_asks(OTHER, ops.GATEWAY_TENANT),
        code="rate_limited",
        spent=1,  # by the making of the key
    ),
    Quota(
        number="A01",
        what="wrong passwords",
        service=AUTH_SERVICE,
        party=_account,
        ways=(
            _guesses(AUTH_SERVICE, ops.LOGIN),
            _guesses(GATEWAY, GATEWAY_LOGIN),
            _guesses(AUTH_SERVICE, ops.LOGIN, shout=True),
        ),
        apart=_guess_elsewhere,
        code="auth.too_many_attempts",
        passes=401,
        reason="auth.credentials_invalid",
        limit=GUESSES,
        window_s=GUESSING_WINDOW_S,
        tells=False,
    ),
)
