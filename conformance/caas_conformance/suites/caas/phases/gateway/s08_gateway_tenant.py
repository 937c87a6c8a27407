"""S08: the front door knows the companies that registered, and each sees its own."""

from typing import Any

from caas_conformance.authoring import TIMESTAMP, Phase, Value
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "S08",
    "Gateway routes",
    "Company, usage, settings, API keys and the public auth routes, through the front door.",
    tags=("gateway",),
)

TENANT_ROUTES = {
    "company": ("GET", ops.GATEWAY_TENANT),
    "usage": ("GET", ops.GATEWAY_USAGE),
    "settings": ("PUT", ops.GATEWAY_SETTINGS),
    "keys": ("GET", ops.GATEWAY_KEYS),
    "sessions": ("GET", ops.GATEWAY_SESSIONS),
}


@PHASE.case(
    "S08.01",
    "Without a token there is no tenant",
    proves="Nobody reads a company's data at the front door without a token.",
    requirements=["GW-TEN-03", "HTTP-06"],
    baseline=[26],
    tags=["negative"],
)
async def no_token_no_tenant(t: CaasContext) -> None:
    """Red when a route answers, or answers 404 before it asks who is there."""
    session = await (await t.tenants.register()).session()
    for name, (method, path) in TENANT_ROUTES.items():
        body: dict[str, Any] = {"json": {"settings": {"locale": "en"}}} if method == "PUT" else {}
        answer = await t.gateway.request(method, path, **body)
        with t.check(f"refused-{name}", f"{method} {path} is a 401 with a challenge") as check:
            check.problem(
                answer,
                401,
                code="gateway.tenant_context_required",
                statusCode=401,
                message="Tenant context required",
            )
            check.contains(answer.header("www-authenticate"), "Bearer")
            check.absent(answer, "tenant_id", "items", "sessions")
    answer = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    with t.check("token-admits", "while a token opens the same door") as check:
        check.status(answer, 200)
        check.matches(answer.at("tenant_id"), str)


@PHASE.case(
    "S08.02",
    "Alice sees her company",
    proves="A user of a company that just registered reads that company through the gateway.",
    requirements=["GW-TEN-01"],
    baseline=[27],
    tags=["tenant"],
)
async def user_sees_company(t: CaasContext) -> None:
    """Red as the seed was: tenant not found, for every tenant there is."""
    tenant = await t.tenants.register(plan="business")
    session = await tenant.session()
    answer = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    with t.check("company", "it is the registered company") as check:
        check.status(answer, 200)
        check.matches(
            answer.body,
            {
                "tenant_id": tenant.tenant_id,
                "company_name": tenant.company_name,
                "plan": "business",
                "status": "active",
                "created_at": TIMESTAMP,
            },
        )
    with t.check("no-secrets", "and nothing of its credentials or its storage") as check:
        check.absent(answer, "_id", "password_hash", "api_key", "api_secret", "primary")
        check.lacks(answer.text, tenant.api_key)


@PHASE.case(
    "S08.03",
    "The trailing slash makes no difference",
    proves="The company is the same with and without a slash at the end of the path.",
    requirements=["GW-TEN-02"],
    baseline=[111],
    tags=["tenant"],
)
async def trailing_slash(t: CaasContext) -> None:
    """Red when one of the two is not routed, or redirects."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    plain = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    slashed = await t.gateway.get(f"{ops.GATEWAY_TENANT}/", headers=session.bearer)
    with t.check("same", "both answer with the same company") as check:
        check.status(slashed, 200)
        check.equal(slashed.at("tenant_id"), tenant.tenant_id)
        check.equal(slashed.body, plain.body)


@PHASE.case(
    "S08.04",
    "Usage counts what the company uses",
    proves="Users, open sessions and keys are counted as they are at that moment.",
    requirements=["GW-TEN-04"],
    baseline=[28, 113],
    tags=["tenant"],
)
async def usage_counts(t: CaasContext) -> None:
    """Red when a count is a constant, lags behind, or includes another tenant's."""
    tenant = await t.tenants.register()
    other = await t.tenants.register()
    await other.session("charlie")
    alice = await tenant.session("alice")
    before = await t.gateway.get(ops.GATEWAY_USAGE, headers=alice.bearer)
    with t.check("one-user", "one user with one session and one key") as check:
        check.status(before, 200)
        check.matches(
            before.body,
            {
                "tenant_id": tenant.tenant_id,
                "users": 1,
                "active_sessions": 1,
                "api_keys": 1,
                "as_of": TIMESTAMP,
            },
        )
    await tenant.session("bob")
    phone = await tenant.session(external_id=alice.external_id, device="mobile")
    created = await t.gateway.post(
        ops.GATEWAY_KEYS, json={"name": "counted", "scopes": ["read"]}, headers=alice.bearer
    )
    t.given(ops.keep_secret(t, created), 201, "make a named key")
    after = await t.gateway.get(ops.GATEWAY_USAGE, headers=alice.bearer)
    with t.check("grown", "after one more user, two more sessions and one more key") as check:
        check.status(after, 200)
        check.matches(after.body, {"users": 2, "active_sessions": 3, "api_keys": 2})
    await ops.log_out(t, phone)
    ended = await t.gateway.get(ops.GATEWAY_USAGE, headers=alice.bearer)
    with t.check("shrunk", "a session that ended is not counted") as check:
        check.status(ended, 200)
        check.matches(ended.body, {"users": 2, "active_sessions": 2})


def _settings(body: Value) -> Value:
    """Return the settings in an answer of the tenant routes."""
    return body.at("settings")


@PHASE.case(
    "S08.05",
    "Settings that were written are read back",
    proves="A company's locale and time zone are there at the next read.",
    requirements=["GW-TEN-05"],
    baseline=[29],
    tags=["tenant"],
)
async def settings_persist(t: CaasContext) -> None:
    """Red when the update is acknowledged and not stored."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    first = {"locale": "en", "timezone": "UTC"}
    second = {"locale": "de", "timezone": "Europe/Berlin"}
    for name, settings in (("first", first), ("second", second)):
        answer = await t.gateway.put(
            ops.GATEWAY_SETTINGS, json={"settings": settings}, headers=session.bearer
        )
        with t.check(f"written-{name}", f"the {name} update answers with the settings") as check:
            check.status(answer, 200)
            check.matches(_settings(answer.body), settings)
        company = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
        with t.check(f"read-{name}", "and the company has them") as check:
            check.status(company, 200)
            check.equal(company.at("tenant_id"), tenant.tenant_id)
            check.matches(_settings(company.body), settings)


@PHASE.case(
    "S08.06",
    "A company changes its own name",
    proves="The administrator renames the company and every user sees the new name.",
    requirements=["GW-TEN-05", "GW-TEN-06"],
    baseline=[27, 29],
    tags=["tenant"],
)
async def company_is_renamed(t: CaasContext) -> None:
    """Red when the old name is served from a cache, or another company is renamed."""
    tenant = await t.tenants.register()
    other = await t.tenants.register()
    bystander = await other.session("charlie")
    session = await tenant.session()
    admin = await tenant.login()
    name = t.unique("Renamed Company")
    before = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    renamed = await t.gateway.put(
        ops.GATEWAY_SETTINGS,
        json={"company_name": name, "settings": {"locale": "en"}},
        headers=admin.bearer,
    )
    with t.check("accepted", "the change is accepted") as check:
        check.equal(before.at("company_name"), tenant.company_name)
        check.status(renamed, 200)
        check.equal(renamed.at("tenant_id"), tenant.tenant_id)
    after = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    others = await t.gateway.get(ops.GATEWAY_TENANT, headers=bystander.bearer)
    with t.check("visible", "the next read shows it, to this company only") as check:
        check.equal(after.at("company_name"), name)
        check.equal(others.at("company_name"), other.company_name)


def _bad_settings(
    case_id: str, what: str, options: dict[str, Any], reason: dict[str, Any], baseline: list[int]
) -> None:
    """Make the case that settings sent as *options* are refused and change nothing."""

    @PHASE.case(
        case_id,
        f"{what} changes no settings",
        proves="A malformed update is a 400 and the settings stay as they were.",
        requirements=["GW-TEN-07", "HTTP-01"],
        baseline=baseline,
        tags=["tenant", "negative", "validation"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when it is stored, titled as a server error, or becomes a 5xx."""
        session = await (await t.tenants.register()).session()
        good = {"settings": {"locale": "da", "timezone": "Europe/Oslo"}}
        stored = await t.gateway.put(ops.GATEWAY_SETTINGS, json=good, headers=session.bearer)
        t.given(stored, 200, "store settings that are no defaults")
        before = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
        sent = dict(options)
        sent["headers"] = {**session.bearer, **sent.get("headers", {})}
        answer = await t.gateway.put(ops.GATEWAY_SETTINGS, **sent)
        with t.check("refused", "it is a 400, and says so") as check:
            check.problem(
                answer,
                400,
                **reason,
                statusCode=400,
                title="Bad Request",
                error="Bad Request",
                message=str,
            )
        company = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
        with t.check("unchanged", "the settings are what they were") as check:
            check.status(company, 200)
            check.matches(company.at("settings"), good["settings"])
            check.equal(company.body, before.body)


SAMPLE = {"body": b"sample", "headers": ops.JSON_HEADERS}
"""What the seed's discovery sent: a word that is no JSON."""

for _row in (
    ("S08.07", "A word that is no JSON", SAMPLE, {"code": "malformed_json"}, [112]),
    ("S08.08", "A list instead of settings", {"json": {"settings": ["en"]}},
     ops.breaks("settings", "got `array`"), [29, 112]),
    ("S08.09", "A number as locale", {"json": {"settings": {"locale": 5}}},
     ops.breaks("settings.locale", "got `int`"), [29]),
    ("S08.10", "An operator object", {"json": {"settings": {"locale": {"$set": "x"}}}},
     ops.breaks("settings.locale", "got `object`"), [29]),
    ("S08.11", "A chosen plan", {"json": {"settings": {"locale": "fr"}, "plan": "enterprise"}},
     ops.breaks("plan", "unknown field"), [29]),
):  # fmt: skip
    _bad_settings(*_row)


@PHASE.case(
    "S08.12",
    "An administrator may keep settings to itself",
    proves="When members may not administer, a user reads the company and changes nothing.",
    requirements=["GW-TEN-05", "GW-KEY-03"],
    baseline=[29],
    tags=["tenant", "security"],
)
async def members_may_be_kept_out(t: CaasContext) -> None:
    """Red when the tenant's own rule is stored and not applied."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    admin = await tenant.login()
    rule = await t.gateway.put(
        ops.GATEWAY_SETTINGS,
        json={"settings": {"members_can_administer": False, "locale": "da"}},
        headers=admin.bearer,
    )
    with t.check("rule-stored", "the administrator sets the rule") as check:
        check.status(rule, 200)
        check.equal(_settings(rule.body).at("members_can_administer"), expected=False)
    body = {"settings": {"locale": "fr"}}
    settings = await t.gateway.put(ops.GATEWAY_SETTINGS, json=body, headers=session.bearer)
    key = await t.gateway.post(
        ops.GATEWAY_KEYS, json={"name": "mine", "scopes": ["read"]}, headers=session.bearer
    )
    with t.check("members-refused", "a user changes no settings and makes no keys") as check:
        check.problem(settings, 403, code="gateway.administration_reserved", statusCode=403)
        check.problem(key, 403, code="gateway.administration_reserved", statusCode=403)
        check.absent(key, "key")
    company = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    allowed = await t.gateway.put(ops.GATEWAY_SETTINGS, json=body, headers=admin.bearer)
    with t.check("others-work", "the user still reads, the administrator still writes") as check:
        check.status(company, 200)
        check.equal(_settings(company.body).at("locale"), "da")
        check.status(allowed, 200)
        check.equal(_settings(allowed.body).at("locale"), "fr")


@PHASE.case(
    "S08.13",
    "Keeping members out binds the keys they made before",
    proves="A member's key, and a key made with it, lose what their maker loses; others don't.",
    requirements=["GW-KEY-08"],
    baseline=[29, 30],
    tags=["tenant", "apikey", "security"],
)
async def members_keys_are_bound(t: CaasContext) -> None:
    """Red when a key's rights are those of the moment it was made."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    admin = await tenant.login()

    async def make_key(maker: dict[str, str]) -> dict[str, str]:
        scopes = ["tenant:read", "tenant:write", "apikey:write"]
        made = await t.gateway.post(
            ops.GATEWAY_KEYS, json={"name": "program", "scopes": scopes}, headers=maker
        )
        (key,) = t.need(ops.keep_secret(t, made), "key")
        return {"x-api-key": key}

    members = await make_key(session.bearer)
    bound = {"members": members, "its-own": await make_key(members)}
    keys = {**bound, "administrators": await make_key(admin.bearer)}
    change = {"settings": {"locale": "fr"}}
    for name, key in keys.items():
        answer = await t.gateway.put(ops.GATEWAY_SETTINGS, json=change, headers=key)
        with t.check(f"before-{name}", f"before, the {name} key changes settings") as check:
            check.status(answer, 200)
            check.equal(_settings(answer.body).at("locale"), "fr")
    rule = await t.gateway.put(
        ops.GATEWAY_SETTINGS,
        json={"settings": {"members_can_administer": False}},
        headers=admin.bearer,
    )
    t.given(rule, 200, "keep members out of administration")
    change = {"settings": {"locale": "it"}}
    for name, key in bound.items():
        settings = await t.gateway.put(ops.GATEWAY_SETTINGS, json=change, headers=key)
        made = await t.gateway.post(
            ops.GATEWAY_KEYS, json={"name": "more", "scopes": ["read"]}, headers=key
        )
        with t.check(f"bound-{name}", f"after, the {name} key changes and makes nothing") as check:
            check.problem(settings, 403, code="gateway.administration_reserved", statusCode=403)
            check.problem(made, 403, code="gateway.administration_reserved", statusCode=403)
            check.absent(made, "key")
    company = await t.gateway.get(ops.GATEWAY_TENANT, headers=members)
    with t.check("unchanged", "it still reads the company, which is what it was") as check:
        check.status(company, 200)
        check.equal(company.at("settings.locale"), "fr")
    answer = await t.gateway.put(ops.GATEWAY_SETTINGS, json=change, headers=keys["administrators"])
    with t.check("administrators-work", "the administrator's key goes on") as check:
        check.status(answer, 200)
        check.equal(_settings(answer.body).at("locale"), "it")
