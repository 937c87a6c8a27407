"""X01: a user of one company reaches nothing of another."""

from typing import Any

from caas_conformance.authoring import Answer, Phase, list_of
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Tenant

PHASE = Phase(
    "X01",
    "Tenant isolation",
    "Charlie, of company B, tries to see and change what belongs to company A.",
    tags=("security", "isolation"),
)

READS = {
    "company": ("gateway", ops.GATEWAY_TENANT),
    "usage": ("gateway", ops.GATEWAY_USAGE),
    "keys": ("gateway", ops.GATEWAY_KEYS),
    "sessions": ("gateway", ops.GATEWAY_SESSIONS),
    "auth-sessions": ("auth-service", ops.SESSIONS),
    "profile": ("auth-service", ops.PROFILE),
}
ADMIN_READS = ("company", "usage", "keys", "sessions")


async def _make_key(t: CaasContext, headers: dict[str, str], name: str) -> tuple[str, str]:
    """Make a named key and return its id and its secret."""
    answer = await t.gateway.post(
        ops.GATEWAY_KEYS, json={"name": name, "scopes": ["read"]}, headers=headers
    )
    ops.keep_secret(t, answer)
    key_id, key = t.need(answer, "id", "key")
    return key_id, key


async def _victim(t: CaasContext) -> tuple[Tenant, dict[str, str], dict[str, str]]:
    """Make company A; return it, Alice's bearer and what would give it away."""
    canary = t.unique("canary")
    tenant = await t.tenants.register(company_name=f"{canary} Ltd")
    alice = await tenant.session("alice", external_id=f"{canary}-alice")
    key_id, _ = await _make_key(t, alice.bearer, f"{canary}-key")
    traces = {
        "canary": canary,
        "tenant": tenant.tenant_id,
        "client": tenant.client_id,
        "user": alice.user_id,
        "session": alice.session_id,
        "key": key_id,
    }
    return tenant, alice.bearer, traces


async def _sees_nothing(
    t: CaasContext, who: str, bearer: dict[str, str], traces: dict[str, str], names: Any
) -> None:
    for name in names:
        service, path = READS[name]
        answer = await t.service(service).get(path, headers=bearer)
        with t.check(f"{who}-{name}", f"{who}'s {name} show nothing of company A") as check:
            check.status(answer, 200)
            for trace in traces.values():
                check.lacks(answer.text, trace)


@PHASE.case(
    "X01.01",
    "Charlie reads nothing of company A",
    proves="Whatever a stranger may read holds no trace of another company.",
    requirements=["SEC-TEN-01", "GW-TEN-06"],
    baseline=[13, 27],
)
async def stranger_reads_nothing(t: CaasContext) -> None:
    """Red when any list or count forgets the tenant."""
    _, alice, traces = await _victim(t)
    other = await t.tenants.register()
    charlie = await other.session("charlie")
    company = await t.gateway.get(ops.GATEWAY_TENANT, headers=alice)
    keys = await t.gateway.get(ops.GATEWAY_KEYS, headers=alice)
    with t.check("traces-exist", "while Alice sees the traces that are looked for") as check:
        check.contains(company.text, traces["canary"])
        check.contains(company.text, traces["tenant"])
        check.contains(keys.text, traces["key"])
    await _sees_nothing(t, "charlie", charlie.bearer, traces, READS)


@PHASE.case(
    "X01.02",
    "Company B's administrator reads nothing of company A",
    proves="Being an administrator of one company is nothing in another.",
    requirements=["SEC-TEN-01"],
    baseline=[13, 27],
)
async def administrator_reads_nothing(t: CaasContext) -> None:
    """Red when the role is looked at without its tenant."""
    _, alice, traces = await _victim(t)
    admin = await (await t.tenants.register()).login()
    sessions = await t.gateway.get(ops.GATEWAY_SESSIONS, headers=alice)
    with t.check("traces-exist", "while Alice sees her session") as check:
        check.contains(sessions.text, traces["session"])
    await _sees_nothing(t, "admin", admin.bearer, traces, ADMIN_READS)


def _foreign_key(case_id: str, who: str, method: str) -> None:
    """Make the case that *who* of company B can't *method* company A's key."""

    @PHASE.case(
        case_id,
        f"{method} of company A's key by company B's {who} looks like none",
        proves="A foreign API key and one that does not exist get the same 404, word for word.",
        requirements=["SEC-TEN-01", "SEC-TEN-02"],
        baseline=[80],
        tags=["apikey", "negative"],
    )
    async def foreign_key(t: CaasContext) -> None:
        """Red when the key is found by its id alone."""
        alice = await (await t.tenants.register()).session("alice")
        key_id, key = await _make_key(t, alice.bearer, "mine")
        other = await t.tenants.register()
        bearer = (
            (await other.session("charlie")).bearer
            if who == "user"
            else (await other.login()).bearer
        )
        foreign = await t.gateway.request(method, f"{ops.GATEWAY_KEYS}/{key_id}", headers=bearer)
        missing = await t.gateway.request(
            method, f"{ops.GATEWAY_KEYS}/{ops.UNKNOWN_ID}", headers=bearer
        )
        with t.check("alike", "both are the same 404") as check:
            check.problem(missing, 404, code="not_found", statusCode=404)
            check.problem(foreign, 404, code="not_found", statusCode=404)
            check.equal(foreign.body, missing.body)
        live = await ops.validate_key(t, key)
        with t.check("unharmed", "the key works on") as check:
            check.status(live, 200)
            check.equal(live.at("valid"), expected=True)


_foreign_key("X01.03", "user", "GET")
_foreign_key("X01.04", "user", "DELETE")
_foreign_key("X01.05", "administrator", "GET")
_foreign_key("X01.06", "administrator", "DELETE")


async def _is_own(t: CaasContext, check_id: str, answer: Answer, tenant: Tenant, a: Tenant) -> None:
    with t.check(check_id, "the answer is company B's own") as check:
        check.status(answer, 200)
        check.equal(answer.at("tenant_id"), tenant.tenant_id)
        check.lacks(answer.text, a.tenant_id)
        check.lacks(answer.text, a.company_name)


@PHASE.case(
    "X01.07",
    "A tenant named in a header, a cookie or the query is not believed",
    proves="The company is the token's, whatever else a request says about it.",
    requirements=["SEC-TEN-01", "SEC-HDR-01"],
    baseline=[27, 28],
)
async def tenant_is_the_tokens(t: CaasContext) -> None:
    """Red when the gateway takes the tenant from what the client sends beside the token."""
    a = await t.tenants.register()
    b = await t.tenants.register()
    charlie = await b.session("charlie")
    forged = {
        "x-tenant-id": a.tenant_id,
        "x-caas-tenant-id": a.tenant_id,
        "x-client-id": a.client_id,
        "tenant-id": a.tenant_id,
        "cookie": f"tenant_id={a.tenant_id}; tenantId={a.tenant_id}",
        "x-forwarded-host": f"{a.tenant_id}.example.com",
    }
    for name, value in forged.items():
        for path in (ops.GATEWAY_TENANT, ops.GATEWAY_USAGE):
            answer = await t.gateway.get(path, headers={**charlie.bearer, name: value})
            await _is_own(t, f"header-{name}-{path.rpartition('/')[2]}", answer, b, a)
    answer = await t.gateway.put(
        ops.GATEWAY_SETTINGS,
        json={"settings": {"locale": "fr"}},
        headers={**charlie.bearer, "x-tenant-id": a.tenant_id},
    )
    await _is_own(t, "written-own", answer, b, a)


@PHASE.case(
    "X01.08",
    "Company B's settings leave company A's alone",
    proves="A change of one company's settings is a change of that company alone.",
    requirements=["GW-TEN-06"],
    baseline=[29],
)
async def settings_are_per_tenant(t: CaasContext) -> None:
    """Red when settings are stored without their tenant."""
    alice = await (await t.tenants.register()).session("alice")
    charlie = await (await t.tenants.register()).session("charlie")
    for bearer, locale in ((alice.bearer, "de"), (charlie.bearer, "fr")):
        changed = await t.gateway.put(
            ops.GATEWAY_SETTINGS, json={"settings": {"locale": locale}}, headers=bearer
        )
        t.given(changed, 200, "change the locale")
    a = await t.gateway.get(ops.GATEWAY_TENANT, headers=alice.bearer)
    b = await t.gateway.get(ops.GATEWAY_TENANT, headers=charlie.bearer)
    with t.check("apart", "each has its own locale") as check:
        check.equal(a.at("settings.locale"), "de")
        check.equal(b.at("settings.locale"), "fr")


@PHASE.case(
    "X01.09",
    "A page cursor of company A opens nothing for company B",
    proves="A cursor is a place in one's own list, not a way into another's.",
    requirements=["SEC-TEN-01", "GW-KEY-07"],
    baseline=[31],
    tags=["paging"],
)
async def cursor_is_per_tenant(t: CaasContext) -> None:
    """Red when the cursor carries the tenant."""
    alice = await (await t.tenants.register()).session("alice")
    charlie = await (await t.tenants.register()).session("charlie")
    for name in ("a-first", "a-second"):
        await _make_key(t, alice.bearer, name)
    await _make_key(t, charlie.bearer, "b-only")
    page = await t.gateway.get(ops.GATEWAY_KEYS, query={"limit": "1"}, headers=alice.bearer)
    (cursor,) = t.need(page, "next_cursor")
    own = await t.gateway.get(ops.GATEWAY_KEYS, query={"cursor": cursor}, headers=alice.bearer)
    with t.check("cursor-works", "for Alice the cursor leads to her second key") as check:
        check.matches(own.at("items"), list_of({"name": "a-second"}, at_least=1, at_most=1))
    answer = await t.gateway.get(ops.GATEWAY_KEYS, query={"cursor": cursor}, headers=charlie.bearer)
    plain = await t.gateway.get(ops.GATEWAY_KEYS, headers=charlie.bearer)
    with t.check("nothing-foreign", "for Charlie it leads to nothing of hers") as check:
        check.lacks(answer.text, "a-second")
        check.lacks(answer.text, "a-first")
        check.matches(plain.at("items"), list_of({"name": "b-only"}, at_least=1, at_most=1))


@PHASE.case(
    "X01.10",
    "A key of company A does nothing in company B",
    proves="Sessions that A's key opens are A's, also when B's names are used.",
    requirements=["SEC-TEN-01", "AUTH-SDK-02"],
    baseline=[19, 20],
    tags=["sdk"],
)
async def key_opens_own_tenant_only(t: CaasContext) -> None:
    """Red when a user is found by name before the tenant is known."""
    a = await t.tenants.register()
    b = await t.tenants.register()
    bob = await b.session("bob")
    impostor = await a.session("bob", external_id=bob.external_id)
    with t.check("own-user", "the same name is another user, of company A") as check:
        check.equal(ops.token_claims(impostor.answer).at("tenant_id"), a.tenant_id)
        check.differs(impostor.answer.at("user.user_id"), bob.user_id)
    usage = await t.gateway.get(ops.GATEWAY_USAGE, headers=bob.bearer)
    with t.check("uncounted", "company B still has one user with one session") as check:
        check.status(usage, 200)
        check.matches(usage.body, {"tenant_id": b.tenant_id, "users": 1, "active_sessions": 1})
