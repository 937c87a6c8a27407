"""S03: a company changes its API key without a moment in which no key works."""

import asyncio

from caas_conformance.authoring import Phase, derived
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Tenant

PHASE = Phase(
    "S03",
    "API keys",
    "Rotate, promote and revoke: the account's own keys, administered by a trusted service.",
    tags=("auth", "apikey"),
)

PARALLEL_PROMOTIONS = 5


async def _rotated(t: CaasContext, tenant: Tenant) -> str:
    """Give *tenant* a secondary key and return it."""
    answer = await ops.administer_key(t, ops.ROTATE, tenant)
    (key,) = t.need(answer, "secondary_key")
    return key


async def _lives(t: CaasContext, check_id: str, title: str, tenant: Tenant, key: str) -> None:
    """Check that *key* is accepted for *tenant*."""
    answer = await ops.validate_key(t, key)
    with t.check(check_id, title) as check:
        check.status(answer, 200)
        check.matches(answer.body, {"valid": True, "client": {"tenant_id": tenant.tenant_id}})


async def _is_dead(t: CaasContext, check_id: str, title: str, key: str) -> None:
    """Check that *key* is refused where services ask and where users log in."""
    internal = await ops.validate_key(t, key)
    session = await t.auth.post(
        ops.SDK_SESSION, json={"user_external_id": "nobody"}, headers={"x-api-key": key}
    )
    with t.check(check_id, title) as check:
        check.problem(
            internal, 401, code="auth.api_key_invalid", valid=False, error="Invalid API key"
        )
        check.problem(session, 401, code="auth.api_key_invalid")
        check.absent(session, "access_token")


@PHASE.case(
    "S03.01",
    "Rotation adds a secondary key",
    proves="A new key is made beside the old one, and both work until promotion.",
    requirements=["AUTH-KEY-01", "AUTH-KEY-02"],
    baseline=[15],
)
async def rotation_adds_a_key(t: CaasContext) -> None:
    """Red when the new key does not work yet, or the old one no longer does."""
    tenant = await t.tenants.register()
    answer = await ops.administer_key(t, ops.ROTATE, tenant)
    with t.check("secondary", "a new key of the right form, with a message") as check:
        check.status(answer, 200)
        check.matches(answer.body, {"secondary_key": ops.API_KEY, "message": str})
        check.differs(answer.at("secondary_key"), tenant.api_key)
    (secondary,) = t.need(answer, "secondary_key")
    await _lives(t, "old-works", "the old key still works", tenant, tenant.api_key)
    await _lives(t, "new-works", "the new key works already", tenant, secondary)


@PHASE.case(
    "S03.02",
    "Promotion makes the secondary key the primary one",
    proves="After promotion the new key is the company's key and the old one is dead.",
    requirements=["AUTH-KEY-03", "AUTH-KEY-04"],
    baseline=[16],
)
async def promotion_replaces_the_key(t: CaasContext) -> None:
    """Red when promotion only says so and the old key lives on."""
    tenant = await t.tenants.register()
    secondary = await _rotated(t, tenant)
    await _lives(t, "old-was-alive", "the old key works before", tenant, tenant.api_key)
    answer = await ops.administer_key(t, ops.PROMOTE, tenant)
    with t.check("promoted", "it says what it did") as check:
        check.status(answer, 200)
        check.equal(
            answer.at("message"), "Secondary key promoted to primary. Old primary key revoked."
        )
    await _is_dead(t, "old-dead", "the old key is refused everywhere", tenant.api_key)
    await _lives(t, "new-lives", "the new key works", tenant, secondary)
    session = await tenant.session(api_key=secondary)
    with t.check("new-signs-in", "users sign in with the new key") as check:
        check.equal(ops.token_claims(session.answer).at("tenant_id"), tenant.tenant_id)


@PHASE.case(
    "S03.03",
    "Promotion without a secondary key is a conflict",
    proves="Promoting nothing is refused and the primary key stays.",
    requirements=["AUTH-KEY-05"],
    baseline=[16],
    tags=["negative"],
)
async def promotion_needs_a_secondary(t: CaasContext) -> None:
    """Red when it answers 200, or removes the only key."""
    tenant = await t.tenants.register()
    answer = await ops.administer_key(t, ops.PROMOTE, tenant)
    with t.check("conflict", "there is nothing to promote") as check:
        check.problem(answer, 409, code="auth.no_secondary_key")
        check.absent(answer, "secondary_key")
    await _lives(t, "primary-stays", "the primary key works on", tenant, tenant.api_key)


@PHASE.case(
    "S03.04",
    "A second rotation replaces the first secondary key",
    proves="There is at most one secondary key, and the primary one is not touched by rotation.",
    requirements=["AUTH-KEY-09"],
    baseline=[15],
)
async def second_rotation(t: CaasContext) -> None:
    """Red when forgotten secondary keys stay alive."""
    tenant = await t.tenants.register()
    first = await _rotated(t, tenant)
    await _lives(t, "first-was-alive", "the first secondary works", tenant, first)
    second = await _rotated(t, tenant)
    await _is_dead(t, "first-dead", "the first secondary is refused", first)
    await _lives(t, "second-lives", "the second secondary works", tenant, second)
    await _lives(t, "primary-lives", "the primary works", tenant, tenant.api_key)


@PHASE.case(
    "S03.05",
    "A revoked secondary key is refused",
    proves="Revocation kills the key it names and no other.",
    requirements=["AUTH-KEY-06"],
    baseline=[15, 18],
)
async def revoked_key_is_refused(t: CaasContext) -> None:
    """Red when a revoked key is only hidden."""
    tenant = await t.tenants.register()
    secondary = await _rotated(t, tenant)
    await _lives(t, "was-alive", "the secondary works before", tenant, secondary)
    answer = await ops.administer_key(t, ops.REVOKE, tenant, key="secondary")
    with t.check("revoked", "it says what it did") as check:
        check.status(answer, 200)
        check.matches(answer.at("message"), str)
    await _is_dead(t, "dead", "the revoked key is refused everywhere", secondary)
    await _lives(t, "primary-lives", "the primary key works on", tenant, tenant.api_key)


@PHASE.case(
    "S03.06",
    "One company's rotation leaves another's keys alone",
    proves="Key administration touches the account it names and nothing else.",
    requirements=["AUTH-KEY-10"],
    baseline=[15, 16],
    tags=["security"],
)
async def rotation_is_per_account(t: CaasContext) -> None:
    """Red when an update is not bound to the account."""
    tenant = await t.tenants.register()
    other = await t.tenants.register(plan="free")
    other_secondary = await _rotated(t, other)
    await _rotated(t, tenant)
    t.given(await ops.administer_key(t, ops.PROMOTE, tenant), 200, "promote one account's key")
    await _is_dead(t, "own-dead", "the promoted account's old key is dead", tenant.api_key)
    await _lives(t, "other-primary", "the other's primary lives", other, other.api_key)
    await _lives(t, "other-secondary", "the other's secondary lives", other, other_secondary)


@PHASE.case(
    "S03.07",
    "Simultaneous promotions succeed once",
    proves="A double click on promote does not promote an empty place.",
    requirements=["AUTH-KEY-03", "AUTH-KEY-05"],
    baseline=[16],
    tags=["concurrency"],
)
async def promotions_race(t: CaasContext) -> None:
    """Red when the read and the write of a promotion are two steps."""
    tenant = await t.tenants.register()
    secondary = await _rotated(t, tenant)
    async with t.step(f"promote {PARALLEL_PROMOTIONS} times at once"):
        answers = await asyncio.gather(
            *[ops.administer_key(t, ops.PROMOTE, tenant) for _ in range(PARALLEL_PROMOTIONS)]
        )
    with t.check("once", "one promotes, every other finds nothing to promote") as check:
        statuses = derived("statuses", sorted(a.status or 0 for a in answers), of=answers)
        check.equal(statuses, [200] + [409] * (PARALLEL_PROMOTIONS - 1))
    await _lives(t, "new-lives", "the promoted key works", tenant, secondary)


@PHASE.case(
    "S03.08",
    "The administrator changes the company's own key",
    proves="An administrator rotates and promotes the own key, and no other company's.",
    requirements=["AUTH-KEY-01", "AUTH-KEY-10", "SEC-TEN-01"],
    baseline=[15, 16],
    tags=["security"],
)
async def administrator_changes_own_key(t: CaasContext) -> None:
    """Red when an administrator can name another company's account."""
    tenant = await t.tenants.register()
    other = await t.tenants.register()
    admin = await tenant.login()
    own = ops.keep_secret(t, await t.auth.post(ops.ROTATE, json={}, headers=admin.bearer))
    with t.check("own", "the own key is rotated") as check:
        check.status(own, 200)
        check.matches(own.at("secondary_key"), ops.API_KEY)
    for name, path in (("rotate", ops.ROTATE), ("promote", ops.PROMOTE)):
        foreign = await t.auth.post(path, json={"client_id": other.client_id}, headers=admin.bearer)
        missing = await t.auth.post(path, json={"client_id": ops.UNKNOWN_ID}, headers=admin.bearer)
        with t.check(f"foreign-{name}", f"{name}: another company looks like none") as check:
            check.problem(missing, 404, code="auth.client_not_found")
            check.problem(foreign, 404, code="auth.client_not_found")
            check.equal(foreign.body, missing.body)
    await _lives(t, "other-lives", "the other company's key works on", other, other.api_key)
    promote = await ops.administer_key(t, ops.PROMOTE, other)
    with t.check("other-unrotated", "and has no secondary key") as check:
        check.problem(promote, 409, code="auth.no_secondary_key")


def _administration(case_id: str, path: str, verb: str, baseline: list[int]) -> None:
    """Make the cases that *path* is for trusted services and for accounts that exist."""

    @PHASE.case(
        case_id,
        f"Nobody may {verb} keys without the service secret",
        proves=f"A caller that is no service can't {verb} a company's key.",
        requirements=["AUTH-KEY-07", "AUTH-INT-04"],
        baseline=baseline,
        tags=["negative", "security"],
    )
    async def needs_secret(t: CaasContext) -> None:
        """Red when the secret is not compared, or compared after the deed."""
        tenant = await t.tenants.register()
        body = {"client_id": tenant.client_id}
        wrong = {"x-service-secret": t.secret(t.unique("wrong"))}
        for name, headers in (("missing", None), ("wrong", wrong), ("api-key", tenant.key)):
            answer = await t.auth.post(path, json=body, headers=headers)
            with t.check(f"refused-{name}", f"401 with {name} service secret") as check:
                check.problem(
                    answer, 401, code="service_authentication_failed", error=ops.NO_SERVICE
                )
        await _lives(t, "unchanged", "the company's key works on", tenant, tenant.api_key)
        promote = await ops.administer_key(t, ops.PROMOTE, tenant)
        with t.check("no-secondary", "no secondary key was made") as check:
            check.problem(promote, 409, code="auth.no_secondary_key")

    number = int(case_id[-2:]) + 1

    @PHASE.case(
        f"S03.{number}",
        f"An unknown account has no key to {verb}",
        proves=f"A request to {verb} the key of an account that does not exist is a 404.",
        requirements=["AUTH-KEY-08"],
        baseline=baseline,
        tags=["negative"],
    )
    async def unknown_account(t: CaasContext) -> None:
        """Red when a key is made for nobody, or the answer is a 5xx."""
        tenant = await t.tenants.register()
        await _rotated(t, tenant)
        members = {"key": "secondary"} if verb == "revoke" else {}
        body = {"client_id": ops.UNKNOWN_ID, **members}
        answer = await t.auth.post(path, json=body, headers=t.service_secret())
        with t.check("not-found", "there is no such account") as check:
            check.problem(answer, 404, code="auth.client_not_found")
            check.absent(answer, "secondary_key")
        known = await ops.administer_key(t, path, tenant, **members)
        with t.check("known", f"while an account that exists can {verb} its key") as check:
            check.status(known, 200)
            check.matches(known.at("message"), str)


_administration("S03.10", ops.ROTATE, "rotate", [15])
_administration("S03.12", ops.PROMOTE, "promote", [16])
_administration("S03.14", ops.REVOKE, "revoke", [15, 16])
