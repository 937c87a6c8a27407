"""S12: a company says from which addresses and web origins its key may be used."""

from caas_conformance.authoring import Answer, Phase
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Tenant

PHASE = Phase(
    "S12",
    "Whitelists",
    "IP and origin whitelists: who may use a company's key, and from where.",
    tags=("auth", "whitelist"),
)

IP = (ops.IP_WHITELIST, "ip")
ORIGIN = (ops.ORIGIN_WHITELIST, "origin")
CREATED = 201
OK = 200


async def read_list(t: CaasContext, path: str, tenant: Tenant) -> Answer:
    """Ask, as a service, for the entries of *tenant*'s list at *path*."""
    query = {"client_id": tenant.client_id}
    return await t.auth.get(path, query=query, headers=t.service_secret())


async def _add(t: CaasContext, path: str, tenant: Tenant, member: str, entry: str) -> Answer:
    body = {"client_id": tenant.client_id, member: entry}
    return await t.auth.post(path, json=body, headers=t.service_secret())


async def _remove(t: CaasContext, path: str, tenant: Tenant, member: str, entry: str) -> Answer:
    query = {"client_id": tenant.client_id, member: entry}
    return await t.auth.delete(path, query=query, headers=t.service_secret())


async def allow(t: CaasContext, path: str, tenant: Tenant, member: str, *entries: str) -> None:
    """Put *entries* on the list, or fail the case."""
    for entry in entries:
        t.given(await _add(t, path, tenant, member, entry), CREATED, f"allow {entry}")


async def _lifecycle(t: CaasContext, path: str, member: str, entries: tuple[str, str]) -> None:
    """Add two entries, read them back, remove one, and read again."""
    tenant = await t.tenants.register()
    other = await t.tenants.register()
    first, second = entries
    empty = await read_list(t, path, tenant)
    with t.check("empty-first", "a new company has no entries") as check:
        check.status(empty, 200)
        check.empty(empty.at("items"))
    for name, entry in (("first", first), ("second", second)):
        added = await _add(t, path, tenant, member, entry)
        with t.check(f"added-{name}", f"the {name} entry is added") as check:
            check.status(added, 201)
            check.matches(added.body, {"client_id": tenant.client_id, member: entry})
    t.given(await _add(t, path, tenant, member, first), CREATED, "add an entry again")
    both = await read_list(t, path, tenant)
    others = await read_list(t, path, other)
    with t.check("listed", "both are listed, once, for this company only") as check:
        check.status(both, 200)
        check.equal(both.at("items"), [first, second])
        check.empty(others.at("items"))
    removed = await _remove(t, path, tenant, member, first)
    missing = await _remove(t, path, tenant, member, first)
    rest = await read_list(t, path, tenant)
    with t.check("removed", "removing one leaves the other, and removing it again is a 404") as c:
        c.status(removed, 200)
        c.equal(removed.at(member), first)
        c.problem(missing, 404, code="auth.whitelist_entry_not_found")
        c.equal(rest.at("items"), [second])


@PHASE.case(
    "S12.01",
    "Addresses are listed, added and removed",
    proves="A company keeps its own list of addresses, and the list is what was put on it.",
    requirements=["AUTH-IP-01", "AUTH-WL-02"],
    baseline=[67, 68],
)
async def ip_lifecycle(t: CaasContext) -> None:
    """Red when an entry is acknowledged and not stored, or lands on another's list."""
    await _lifecycle(t, *IP, ("10.0.0.1/32", "2001:db8::/32"))


@PHASE.case(
    "S12.02",
    "Origins are listed, added and removed",
    proves="A company keeps its own list of web origins, and the list is what was put on it.",
    requirements=["AUTH-ORG-01", "AUTH-WL-02"],
    baseline=[69, 70],
)
async def origin_lifecycle(t: CaasContext) -> None:
    """Red when an entry is acknowledged and not stored, or lands on another's list."""
    entries = ("https://e2etest.com", "http://localhost:5173")
    await _lifecycle(t, *ORIGIN, entries)


def _address_rule(case_id: str, entry: str, allowed: list[str], refused: list[str]) -> None:
    """Make the case that with *entry* listed, only *allowed* addresses may use the key."""

    @PHASE.case(
        case_id,
        f"{entry} admits what it names",
        proves=f"With {entry} on its list a company's key works from there and nowhere else.",
        requirements=["AUTH-IP-02", "AUTH-IP-03", "AUTH-IP-04"],
        baseline=[67, 68],
        tags=["ip"],
    )
    async def rule(t: CaasContext) -> None:
        """Red when an address is compared as text, or a block by its first address."""
        tenant = await t.tenants.register()
        before = await ops.validate_key(t, tenant.api_key, ip=refused[0])
        with t.check("open-before", "without entries every address is admitted") as check:
            check.status(before, 200)
            check.equal(before.at("valid"), expected=True)
        await allow(t, ops.IP_WHITELIST, tenant, "ip", entry)
        for number, ip in enumerate(allowed):
            answer = await ops.validate_key(t, tenant.api_key, ip=ip)
            with t.check(f"admitted-{number}", f"{ip} is admitted") as check:
                check.status(answer, 200)
                check.equal(answer.at("client.tenant_id"), tenant.tenant_id)
        for number, ip in enumerate(refused):
            answer = await ops.validate_key(t, tenant.api_key, ip=ip)
            with t.check(f"refused-{number}", f"{ip} is refused") as check:
                check.problem(
                    answer,
                    403,
                    code="auth.address_not_allowed",
                    valid=False,
                    error="IP address not allowed",
                )
                check.absent(answer, "client")


for _rule in (
    ("S12.03", "10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1"],
     ["10.0.0.2", "10.0.0.10", "110.0.0.1", "::1"]),
    ("S12.04", "192.0.2.0/28", ["192.0.2.0", "192.0.2.15", "::ffff:192.0.2.7"],
     ["192.0.2.16", "192.0.1.255", "192.0.20.1"]),
    ("S12.05", "2001:db8::7", ["2001:db8::7", "2001:0db8:0:0:0:0:0:7"],
     ["2001:db8::8", "192.0.2.7"]),
    ("S12.06", "2001:db8:abcd::/48", ["2001:db8:abcd::1", "2001:db8:abcd:ffff::1"],
     ["2001:db8:abce::1", "::ffff:192.0.2.1"]),
    ("S12.07", "::ffff:198.51.100.9", ["198.51.100.9", "::ffff:198.51.100.9"],
     ["198.51.100.10", "::ffff:198.51.100.90"]),
):  # fmt: skip
    _address_rule(*_rule)


ORIGIN_RULE = "https://app.example.com"
ADMITTED_ORIGINS = (ORIGIN_RULE, "https://app.example.com:443", "https://APP.example.com")
REFUSED_ORIGINS = {
    "suffix": "https://evil-app.example.com",
    "prefix": "https://app.example.com.evil.test",
    "subdomain": "https://x.app.example.com",
    "parent": "https://example.com",
    "scheme": "http://app.example.com",
    "port": "https://app.example.com:8443",
    "null": "null",
    "user": "https://app.example.com@evil.test",
    "path": "https://app.example.com/path",
    "star": "*",
    "empty": "",
}


@PHASE.case(
    "S12.08",
    "Only the listed origin may use the key",
    proves="With an origin listed, no other origin passes: no suffix, prefix, scheme or port.",
    requirements=["AUTH-ORG-02", "AUTH-ORG-03"],
    baseline=[69, 70],
    tags=["origin", "security"],
)
async def origin_rule(t: CaasContext) -> None:
    """Red when origins are compared by their ends, or as patterns."""
    tenant = await t.tenants.register()
    before = await ops.validate_key(t, tenant.api_key, origin=REFUSED_ORIGINS["suffix"])
    with t.check("open-before", "without entries every origin is admitted") as check:
        check.status(before, 200)
        check.equal(before.at("valid"), expected=True)
    await allow(t, ops.ORIGIN_WHITELIST, tenant, "origin", ORIGIN_RULE)
    for number, origin in enumerate(ADMITTED_ORIGINS):
        answer = await ops.validate_key(t, tenant.api_key, origin=origin)
        with t.check(f"admitted-{number}", f"{origin} is admitted") as check:
            check.status(answer, 200)
            check.equal(answer.at("client.tenant_id"), tenant.tenant_id)
    for name, origin in REFUSED_ORIGINS.items():
        answer = await ops.validate_key(t, tenant.api_key, origin=origin)
        with t.check(f"refused-{name}", f"{origin or 'an empty origin'} is refused") as check:
            check.problem(
                answer, 403, code="auth.origin_not_allowed", valid=False, error="Origin not allowed"
            )
            check.absent(answer, "client")
    missing = await ops.validate_key(t, tenant.api_key)
    with t.check("refused-missing", "leaving the origin out is no way round") as check:
        check.problem(missing, 403, code="auth.origin_not_allowed", valid=False)


@PHASE.case(
    "S12.09",
    "What is no address is not stored",
    proves="A company can't put something on its list that would admit nobody or everybody.",
    requirements=["AUTH-IP-05"],
    baseline=[68],
    tags=["ip", "negative", "validation"],
)
async def bad_addresses_refused(t: CaasContext) -> None:
    """Red when text is stored as it comes."""
    entries = {
        "octet": "10.0.0.256",
        "short": "10.0.0",
        "prefix": "10.0.0.0/33",
        "host-bits": "10.0.0.1/8",
        "name": "localhost",
        "star": "10.0.0.*",
        "zone": "fe80::1%eth0",
        "empty": "",
    }
    await _refuse_entries(t, *IP, entries, "10.9.8.7")


@PHASE.case(
    "S12.10",
    "What is no origin is not stored",
    proves="A company can't list a pattern, a path or null as an origin.",
    requirements=["AUTH-ORG-04"],
    baseline=[70],
    tags=["origin", "negative", "validation"],
)
async def bad_origins_refused(t: CaasContext) -> None:
    """Red when text is stored as it comes."""
    entries = {
        "star": "*",
        "wildcard": "https://*.example.com",
        "null": "null",
        "path": "https://example.com/path",
        "bare": "example.com",
        "scheme": "ftp://example.com",
        "user": "https://user@example.com",
        "port": "https://example.com:99999",
        "empty": "",
    }
    await _refuse_entries(t, *ORIGIN, entries, "https://good.example.com")


async def _refuse_entries(
    t: CaasContext, path: str, member: str, entries: dict[str, str], good: str
) -> None:
    """Try to add each of *entries*, then a good one, and see that only that is there."""
    tenant = await t.tenants.register()
    for name, entry in entries.items():
        answer = await _add(t, path, tenant, member, entry)
        with t.check(f"refused-{name}", f"{entry or 'an empty entry'} is a 400") as check:
            check.problem(answer, 400, code="auth.field_invalid", errors=member)
    await allow(t, path, tenant, member, good)
    answer = await read_list(t, path, tenant)
    with t.check("only-the-good", "the list holds the good entry alone") as check:
        check.status(answer, 200)
        check.equal(answer.at("items").length, 1)
        check.contains(answer.text, good)


@PHASE.case(
    "S12.11",
    "Whitelists bind users' sessions",
    proves="A key that may not be used from somewhere opens no session from there.",
    requirements=["AUTH-WL-03", "AUTH-IP-02", "AUTH-ORG-02"],
    baseline=[67, 69],
    tags=["sdk"],
)
async def whitelists_bind_sessions(t: CaasContext) -> None:
    """Red when only the internal check looks at the lists."""
    tenant = await t.tenants.register()
    other = await t.tenants.register()
    await tenant.session()
    await allow(t, ops.IP_WHITELIST, tenant, "ip", "203.0.113.5")
    body = {"user_external_id": t.unique("alice")}
    refused = await t.auth.post(ops.SDK_SESSION, json=body, headers=tenant.key)
    with t.check("address-refused", "from another address there is no session") as check:
        check.problem(refused, 403, code="auth.address_not_allowed", error="IP address not allowed")
        check.absent(refused, "access_token")
    admitted = await t.auth.post(
        ops.SDK_SESSION,
        json=body,
        headers={**tenant.key, **ops.from_address(t, "203.0.113.5")},
    )
    with t.check("address-admitted", "from the listed address there is one") as check:
        check.status(ops.keep_secret(t, admitted), 200)
        check.equal(ops.token_claims(admitted).at("tenant_id"), tenant.tenant_id)
    await allow(t, ops.ORIGIN_WHITELIST, other, "origin", ORIGIN_RULE)
    for name, origin, status in (
        ("listed", ORIGIN_RULE, OK),
        ("foreign", "https://evil-app.example.com", 403),
    ):
        answer = ops.keep_secret(
            t,
            await t.auth.post(ops.SDK_SESSION, json=body, headers={**other.key, "origin": origin}),
        )
        with t.check(f"origin-{name}", f"the {name} origin gets {status}") as check:
            if status == OK:
                check.status(answer, OK)
                check.matches(answer.body, {"access_token": ops.JWT})
            else:
                check.problem(answer, status, code="auth.origin_not_allowed")
                check.absent(answer, "access_token")


@PHASE.case(
    "S12.12",
    "One company's list binds no other",
    proves="A company that locks its key to one address locks nobody else's.",
    requirements=["AUTH-WL-02"],
    baseline=[68, 70],
    tags=["security"],
)
async def lists_are_per_company(t: CaasContext) -> None:
    """Red when the lists are shared, or looked up by something two companies share."""
    tenant = await t.tenants.register()
    other = await t.tenants.register()
    await allow(t, ops.IP_WHITELIST, tenant, "ip", "203.0.113.5")
    own = await ops.validate_key(t, tenant.api_key, ip="203.0.113.6")
    others = await ops.validate_key(t, other.api_key, ip="203.0.113.6")
    with t.check("bound", "the list binds its company and not the other") as check:
        check.problem(own, 403, code="auth.address_not_allowed", valid=False)
        check.status(others, 200)
        check.equal(others.at("client.tenant_id"), other.tenant_id)
