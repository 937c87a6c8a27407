"""S12, continued: whose the lists are."""

from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.phases.accounts.s12_whitelists import (
    IP,
    ORIGIN,
    PHASE,
    allow,
    read_list,
)


def _service_only(
    case_id: str, path: str, member: str, kept: str, entry: str, baseline: list[int]
) -> None:
    """Make the case that *path* is for services only."""

    @PHASE.case(
        case_id,
        f"The {member} list is not for users",
        proves="Users and key holders neither read nor change their company's list.",
        requirements=["AUTH-WL-01", "AUTH-INT-04"],
        baseline=baseline,
        tags=["negative", "security"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when reading is free, or a change is made before the secret is compared."""
        tenant = await t.tenants.register()
        session = await tenant.session()
        await allow(t, path, tenant, member, kept)
        query = {"client_id": tenant.client_id}
        body = {**query, member: entry}
        for name, headers in (("nobody", {}), ("user", session.bearer), ("key", tenant.key)):
            answers = (
                await t.auth.get(path, query=query, headers=headers),
                await t.auth.post(path, json=body, headers=headers),
                await t.auth.delete(path, query=body, headers=headers),
            )
            wanted = {"code": "service_authentication_failed", "error": ops.NO_SERVICE}
            if name == "user":  # a user's token might be an administrator's, and is not
                wanted = {"code": "invalid_token"}
            with t.check(f"refused-{name}", f"{name} gets 401 for every method") as check:
                for answer in answers:
                    check.problem(answer, 401, **wanted)
                    check.absent(answer, "items")
        listed = await read_list(t, path, tenant)
        with t.check("unchanged", "the list is what it was") as check:
            check.status(listed, 200)
            check.equal(listed.at("items"), [kept])


_service_only("S12.13", *IP, "127.0.0.0/8", "10.0.0.1", [67, 68])
_service_only("S12.14", *ORIGIN, "https://kept.example.com", "https://e2etest.com", [69, 70])


@PHASE.case(
    "S12.15",
    "The administrator keeps the company's own list",
    proves="An administrator reads and changes the own list, and no other company's.",
    requirements=["AUTH-WL-01", "AUTH-IP-01", "SEC-TEN-01"],
    baseline=[67, 68],
    tags=["security"],
)
async def administrator_keeps_ownread_list(t: CaasContext) -> None:
    """Red when an administrator can name another company, or can't reach the own list."""
    tenant = await t.tenants.register()
    other = await t.tenants.register()
    await allow(t, ops.IP_WHITELIST, other, "ip", "127.0.0.0/8")
    admin = await tenant.login()
    own = await t.auth.post(ops.IP_WHITELIST, json={"ip": "10.1.0.0/16"}, headers=admin.bearer)
    listed = await t.auth.get(ops.IP_WHITELIST, headers=admin.bearer)
    with t.check("own", "the own list is changed and read") as check:
        check.status(own, 201)
        check.equal(own.at("client_id"), tenant.client_id)
        check.equal(listed.at("items"), ["10.1.0.0/16"])
    body = {"client_id": other.client_id, "ip": "10.1.0.0/16"}
    missing = await t.auth.post(
        ops.IP_WHITELIST, json={**body, "client_id": ops.UNKNOWN_ID}, headers=admin.bearer
    )
    foreign = await t.auth.post(ops.IP_WHITELIST, json=body, headers=admin.bearer)
    read = await t.auth.get(
        ops.IP_WHITELIST, query={"client_id": other.client_id}, headers=admin.bearer
    )
    with t.check("foreign", "another company looks like none") as check:
        check.problem(missing, 404, code="auth.client_not_found")
        check.problem(foreign, 404, code="auth.client_not_found")
        check.equal(foreign.body, missing.body)
        check.problem(read, 404, code="auth.client_not_found")
        check.absent(read, "items")
    untouched = await read_list(t, ops.IP_WHITELIST, other)
    with t.check("untouched", "the other company's list is what it was") as check:
        check.status(untouched, 200)
        check.equal(untouched.at("items"), ["127.0.0.0/8"])
