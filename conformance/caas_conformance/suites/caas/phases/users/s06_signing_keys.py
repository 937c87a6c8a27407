"""S06, continued: the key that signs is replaced, and nobody is signed out by it."""

from datetime import UTC, datetime
from typing import Any

from caas_conformance.authoring import TIMESTAMP, Answer, Value, exactly
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import AUTH_SERVICE, GATEWAY, Tenant
from caas_conformance.suites.caas.phases.users.s06_tokens import PHASE

ROTATE_KEY = f"{ops.AUTH}/internal/signing-keys/rotate"
CREATED = 201
TAKES_EFFECT_WITHIN_S = 10.0
"""Of a rotation, one that another case began included; the platform promises about 2 s."""


@PHASE.case(
    "S06.20",
    "A new signing key takes over, and the old one's tokens stay good",
    proves="After a rotation new tokens carry the new key, and nobody is signed out anywhere.",
    requirements=["AUTH-TOK-09", "AUTH-TOK-06"],
    baseline=[23],
    tags=["jwks", "security"],
)
async def signing_key_is_rotated(t: CaasContext) -> None:
    """Red when a verifier drops the old key, learns the new one too late, or nothing changes."""
    tenant = await t.tenants.register()
    before = await tenant.session("alice")
    old = ops.token_header(before.answer).at("kid")
    rotated = await t.until(
        lambda: t.auth.post(ROTATE_KEY, headers=t.service_secret()),
        lambda answer: answer.status == CREATED,
        within_s=TAKES_EFFECT_WITHIN_S,  # another one may have to take effect first
    )
    with t.check("rotated", "the new key is named, with the time from which it signs") as check:
        check.status(rotated, CREATED)
        check.matches(rotated.body, exactly({"kid": str, "activates_at": TIMESTAMP}))
        check.differs(rotated.at("kid"), old)
    await _published(t, "before", rotated.at("kid"), old)
    after = await _signed_by_another(t, tenant, rotated, str(old.value))
    new = ops.token_header(after).at("kid")
    with t.check("signs", "what is issued from then on names another key") as check:
        check.status(after, 200)
        check.differs(new, old)
    await _published(t, "after", new, rotated.at("kid"), old)
    await _good_everywhere(t, "old", before.answer, tenant)
    await _good_everywhere(t, "new", after, tenant)
    renewed = await ops.refresh(t, before.refresh_token)
    with t.check("renewed", "the old session goes on, under a new key") as check:
        check.status(renewed, 200)
        check.equal(ops.token_claims(renewed).at("session_id"), before.session_id)
        check.differs(ops.token_header(renewed).at("kid"), old)


async def _signed_by_another(t: CaasContext, tenant: Tenant, rotated: Answer, old: str) -> Answer:
    """Open a session once the new key is to sign; the last answer, should none be signed by it."""
    (at,) = t.need(rotated, "activates_at")
    activates_at = datetime.fromisoformat(at)
    waited = await t.until(
        lambda: t.auth.get("/health"),
        lambda _: datetime.now(UTC) >= activates_at,
        within_s=TAKES_EFFECT_WITHIN_S,
    )
    t.given(waited, 200, "wait for the new key to take effect")

    async def open_session() -> Answer:
        body = {"user_external_id": t.unique("bob")}
        opened = await t.auth.post(ops.SDK_SESSION, json=body, headers=tenant.key)
        return ops.keep_secret(t, opened)

    return await t.until(
        open_session,
        lambda answer: ops.token_header(answer).at("kid").value != old,
        within_s=ops.REVOKED_WITHIN_S,
    )


async def _published(t: CaasContext, when: str, *kids: Value) -> None:
    """Check that every instance of auth publishes all of these keys."""
    for number, auth in enumerate(t.instances(AUTH_SERVICE)):
        key_set = await auth.get(ops.JWKS)
        found = key_set.at("keys").derive("kids", lambda keys: [key["kid"] for key in keys])
        with t.check(f"published-{when}-{number}", f"{when}: instance {number} has all") as check:
            check.status(key_set, 200)
            for kid in kids:
                check.contains(found, kid)


async def _good_everywhere(t: CaasContext, which: str, opened: Answer, tenant: Tenant) -> None:
    """Check that every instance of both services takes a token."""
    (token,) = t.need(opened, "access_token")
    bearer: dict[str, Any] = {"authorization": f"Bearer {token}"}
    for number, auth in enumerate(t.instances(AUTH_SERVICE)):
        answer = await auth.post(ops.VALIDATE, json={"token": token})
        with t.check(f"{which}-at-auth-{number}", f"auth {number} takes the {which} one's") as c:
            c.status(answer, 200)
            c.equal(answer.at("payload.tenant_id"), tenant.tenant_id)
    for number, gateway in enumerate(t.instances(GATEWAY)):
        answer = await gateway.get(ops.GATEWAY_TENANT, headers=bearer)
        with t.check(f"{which}-at-gateway-{number}", f"so does gateway {number}") as check:
            check.status(answer, 200)
            check.equal(answer.at("tenant_id"), tenant.tenant_id)
