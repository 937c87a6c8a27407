"""S04: services ask auth whom a credential belongs to, and nobody else may ask."""

from typing import Any

from caas_conformance.authoring import UUID, Phase, exactly, optional
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "S04",
    "Internal validation",
    "The routes by which other services check an API key or a token.",
    tags=("auth", "internal"),
)


@PHASE.case(
    "S04.01",
    "A live key names its account",
    proves="A service learns whose key it was given, what it may do and how fast.",
    requirements=["AUTH-INT-01", "AUTH-INT-03", "AUTH-INT-07"],
    baseline=[17],
)
async def live_key_names_its_account(t: CaasContext) -> None:
    """Red when a member is missing, wrong or too many, such as a stored hash."""
    tenant = await t.tenants.register(plan="business")
    answer = await ops.validate_key(t, tenant.api_key)
    with t.check("account", "client, tenant, plan and tier are the registered ones") as check:
        check.status(answer, 200)
        check.matches(
            answer.body,
            exactly(
                {
                    "valid": True,
                    "client": exactly(
                        {
                            "client_id": tenant.client_id,
                            "tenant_id": tenant.tenant_id,
                            "plan": "business",
                            "permissions": [str],
                            "rate_limit_tier": "business",
                        }
                    ),
                }
            ),
        )
    with t.check("permissions", "the permissions are the seed's") as check:
        permissions = answer.at("client.permissions")
        check.equal(permissions.derive("sorted", sorted), sorted(ops.ACCOUNT_PERMISSIONS))


@PHASE.case(
    "S04.02",
    "The tier follows the plan",
    proves="A free and an enterprise account are told apart by plan and rate limit tier.",
    requirements=["AUTH-INT-01", "AUTH-REG-08"],
    baseline=[13, 17],
)
async def tier_follows_plan(t: CaasContext) -> None:
    """Red when the tier is a constant."""
    for plan in ("free", "business", "enterprise"):
        tenant = await t.tenants.register(plan=plan)
        answer = await ops.validate_key(t, tenant.api_key)
        with t.check(f"tier-{plan}", f"a {plan} account has the {plan} tier") as check:
            check.status(answer, 200)
            check.matches(answer.at("client"), {"plan": plan, "rate_limit_tier": plan})


def _dead_key(case_id: str, name: str, key: str) -> None:
    """Make the case that *key*, which nobody was given, is refused."""

    @PHASE.case(
        case_id,
        f"{name} is no API key",
        proves="A key that was never handed out opens nothing and tells nothing.",
        requirements=["AUTH-INT-02"],
        baseline=[18],
        tags=["negative"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when the key is accepted, answered with a 5xx, or its account is named."""
        tenant = await t.tenants.register()
        live = await ops.validate_key(t, tenant.api_key)
        answer = await ops.validate_key(t, key.replace("<live>", tenant.api_key))
        with t.check("refused", "401 with valid false, in the seed's words") as check:
            check.problem(
                answer, 401, code="auth.api_key_invalid", valid=False, error="Invalid API key"
            )
            check.absent(answer, "client")
        with t.check("live-accepted", "while a live key is accepted") as check:
            check.status(live, 200)
            check.equal(live.at("valid"), expected=True)


for _row in (
    ("S04.03", "A made-up text", "caas_invalid_key_12345"),
    ("S04.04", "A well-formed key that was never issued", "caas_prod_" + "0123456789abcdef" * 4),
    ("S04.05", "A live key with one more character", "<live>0"),
    ("S04.06", "A live key with a space before it", " <live>"),
    ("S04.07", "A pattern", "caas_prod_.*"),
):
    _dead_key(*_row)


def _malformed(case_id: str, path: str, what: str, body: Any, reason: dict[str, Any]) -> None:
    """Make the case that *body* at *path* is a 400 for *reason*."""

    @PHASE.case(
        case_id,
        f"{what} is a 400",
        proves="A malformed question of a service is refused by the name of what is wrong.",
        requirements=["HTTP-11", "AUTH-SDK-09"],
        baseline=[18, 24],
        tags=["negative", "validation"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when the shape reaches the database, or the answer is a 5xx."""
        tenant = await t.tenants.register()
        session = await tenant.session()
        answer = await t.auth.post(path, json=body, headers=t.service_secret())
        with t.check("refused", "it is a 400 that names the member") as check:
            check.problem(answer, 400, **reason)
            check.absent(answer, "client", "payload")
        key = await ops.validate_key(t, tenant.api_key)
        token = await ops.introspect(t, session.access_token)
        with t.check("good-answered", "while well-formed questions are answered") as check:
            check.equal(key.at("valid"), expected=True)
            check.equal(token.at("valid"), expected=True)


for _shape in (
    ("S04.10", ops.VALIDATE_KEY, "A key check without a key", {"ip_address": "127.0.0.1"},
     ops.breaks("api_key", "missing")),
    ("S04.11", ops.VALIDATE_KEY, "An operator object as key",
     {"api_key": {"$ne": ""}, "ip_address": "127.0.0.1"},
     ops.breaks("api_key", "got `object`")),
    ("S04.12", ops.VALIDATE_KEY, "An address that is none",
     {"api_key": "caas_prod_" + "a" * 64, "ip_address": "999.1.1.1"},
     ops.breaks("ip_address", "not an IP address") | {"code": "auth.field_invalid"}),
    ("S04.13", ops.INTROSPECT, "A token check without a token", {},
     ops.breaks("token", "missing")),
    ("S04.14", ops.INTROSPECT, "An operator object as token", {"token": {"$gt": ""}},
     ops.breaks("token", "got `object`")),
):  # fmt: skip
    _malformed(*_shape)


@PHASE.case(
    "S04.20",
    "A live token names its user",
    proves="A service learns whose token it was given, from which session, and until when.",
    requirements=["AUTH-INT-05", "AUTH-INT-07"],
    baseline=[22],
)
async def live_token_names_its_user(t: CaasContext) -> None:
    """Red when a member is missing, wrong, or too many."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    answer = await ops.introspect(t, session.access_token)
    with t.check("user", "the payload is the user's, and nothing else is said") as check:
        check.status(answer, 200)
        check.matches(answer.body, exactly({"valid": True, "payload": dict}))
        check.matches(
            answer.at("payload"),
            {
                "user_id": session.user_id,
                "tenant_id": tenant.tenant_id,
                "external_id": session.external_id,
                "email": session.email,
                "session_id": session.session_id,
                "permissions": [str],
                "exp": int,
            },
        )
        check.absent(answer, "payload._id", "payload.refresh_token", "payload.api_key")
    with t.check("expiry", "it expires when the token says") as check:
        check.equal(answer.at("payload.exp"), ops.token_claims(session.answer).at("exp"))


def _dead_token(case_id: str, name: str, token: str) -> None:
    """Make the case that *token* is refused by the internal check."""

    @PHASE.case(
        case_id,
        f"{name} is no token",
        proves="A service that was given a broken token is told so.",
        requirements=["AUTH-INT-06"],
        baseline=[24],
        tags=["negative"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when it is accepted, answered with a 5xx, or explained to an attacker."""
        session = await (await t.tenants.register()).session()
        answer = await ops.introspect(t, token.replace("<live>", session.access_token))
        with t.check("refused", "401 with valid false") as check:
            check.problem(
                answer, 401, code="auth.token_refused", valid=False, error="Invalid token"
            )
            check.absent(answer, "payload")
        live = await ops.introspect(t, session.access_token)
        with t.check("live-accepted", "while a live token is accepted") as check:
            check.status(live, 200)
            check.equal(live.at("valid"), expected=True)


for _token in (
    ("S04.21", "The seed's broken token", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.invalid.payload"),
    ("S04.22", "A live token with a fourth part", "<live>.e30"),
    ("S04.23", "A live token with white space", "<live> "),
    ("S04.24", "A text", "not-a-token"),
):
    _dead_token(*_token)


def _needs_service_secret(case_id: str, what: str, path: str, baseline: list[int]) -> None:
    """Make the case that *path* is for services only."""

    @PHASE.case(
        case_id,
        f"{what} is for services only",
        proves="Without the service secret nobody may ask, not even with a live credential.",
        requirements=["AUTH-INT-04"],
        baseline=baseline,
        tags=["negative", "security"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when the secret is not compared, or after the body was judged."""
        tenant = await t.tenants.register()
        session = await tenant.session()
        good = {"api_key": tenant.api_key, "ip_address": "127.0.0.1"}
        body = good if path == ops.VALIDATE_KEY else {"token": session.access_token}
        secret = t.service_secret()["x-service-secret"]
        credentials: dict[str, dict[str, str]] = {
            "none": {},
            "empty": {"x-service-secret": ""},
            "wrong": {"x-service-secret": t.secret(t.unique("wrong-secret"))},
            "cut": {"x-service-secret": t.secret(secret[:-1])},
            "longer": {"x-service-secret": t.secret(f"{secret}0")},
            "user": session.bearer,
            "key": tenant.key,
        }
        for name, headers in credentials.items():
            for kind, sent in (("good", body), ("bad", {})):
                answer = await t.auth.post(path, json=sent, headers=headers)
                with t.check(f"refused-{name}-{kind}", f"401: {name} secret, {kind} body") as check:
                    check.problem(
                        answer, 401, code="service_authentication_failed", error=ops.NO_SERVICE
                    )
                    check.absent(answer, "client", "payload")
        answer = await t.auth.post(path, json=body, headers=t.service_secret())
        with t.check("service-accepted", "while a service is answered") as check:
            check.status(answer, 200)
            check.equal(answer.at("valid"), expected=True)


_needs_service_secret("S04.30", "The key check", ops.VALIDATE_KEY, [17])
_needs_service_secret("S04.31", "The token check", ops.INTROSPECT, [22])


@PHASE.case(
    "S04.32",
    "A service reads a tenant's account",
    proves="Other services learn of a tenant from auth: name, plan, status, and no secrets.",
    requirements=["AUTH-INT-07", "GW-TEN-01"],
    baseline=[27],
)
async def tenant_record(t: CaasContext) -> None:
    """Red when the record is another's, holds a hash, or a missing one is not a 404."""
    tenant = await t.tenants.register(plan="enterprise")
    answer = await t.auth.get(
        f"{ops.AUTH}/internal/tenants/{tenant.tenant_id}", headers=t.service_secret()
    )
    with t.check("record", "it is the registered company") as check:
        check.status(answer, 200)
        check.matches(
            answer.body,
            {
                "tenant_id": tenant.tenant_id,
                "client_id": tenant.client_id,
                "company_name": tenant.company_name,
                "plan": "enterprise",
                "status": "active",
                "email": optional(str),
            },
        )
        check.absent(answer, "_id", "password_hash", "api_key", "secret_digest", "primary")
        check.matches(answer.at("tenant_id"), UUID)
    missing = await t.auth.get(
        f"{ops.AUTH}/internal/tenants/{ops.UNKNOWN_ID}", headers=t.service_secret()
    )
    with t.check("missing", "a tenant that does not exist is a 404") as check:
        check.problem(missing, 404, code="auth.tenant_not_found")
        check.absent(missing, "company_name")
