"""S02: a company signs up, once, and gets credentials that are shown once."""

import asyncio
from typing import Any

from caas_conformance.authoring import UUID, Phase, derived
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "S02",
    "Client registration",
    "A company becomes a tenant: account, API key and secret, protected against duplicates.",
    tags=("auth", "client"),
)

PARALLEL_REGISTRATIONS = 20
TOO_SHORT = ("invalid_input", "length >= 10")
NO_ADDRESS = ("auth.field_invalid", "not an e-mail address")
UNKNOWN_MEMBER = ("invalid_input", "unknown field")


def _form(t: CaasContext, **changes: Any) -> dict[str, Any]:
    """Return a registration that nobody has sent yet; a change to `...` leaves a member out."""
    form = {
        "company_name": t.unique("Conformance Company"),
        "email": t.email("admin"),
        "password": t.password(),
        "plan": "business",
    }
    return {k: v for k, v in (form | changes).items() if v is not ...}


@PHASE.case(
    "S02.01",
    "A company registers",
    proves="A company that signs up gets an account, a tenant, an API key and a secret.",
    requirements=["AUTH-REG-01", "AUTH-REG-02"],
    baseline=[12],
)
async def company_registers(t: CaasContext) -> None:
    """Red when a credential is missing, malformed, or does not work."""
    answer = ops.keep_secret(t, await t.auth.post(ops.REGISTER, json=_form(t)))
    with t.check("credentials", "it returns ids, a key, a secret and a message") as check:
        check.status(answer, 201)
        check.matches(
            answer.body,
            {
                "client_id": UUID,
                "tenant_id": UUID,
                "api_key": ops.API_KEY,
                "api_secret": ops.API_KEY,
                "message": str,
            },
        )
        check.differs(answer.at("api_key"), answer.at("api_secret"))
        check.differs(answer.at("client_id"), answer.at("tenant_id"))
    (key,) = t.need(answer, "api_key")
    validated = await ops.validate_key(t, key)
    with t.check("key-works", "the key is live at once, for that account and plan") as check:
        check.status(validated, 200)
        check.equal(validated.at("client.client_id"), answer.at("client_id"))
        check.equal(validated.at("client.tenant_id"), answer.at("tenant_id"))
        check.equal(validated.at("client.plan"), "business")


@PHASE.case(
    "S02.02",
    "Two companies share nothing",
    proves="A second company gets its own ids and credentials.",
    requirements=["AUTH-REG-03"],
    baseline=[13],
)
async def companies_share_nothing(t: CaasContext) -> None:
    """Red when an id or a key is derived from something two companies have in common."""
    name = t.unique("Same Name Ltd")
    first = await t.tenants.register(company_name=name)
    second = await t.tenants.register(company_name=name, plan="free")
    with t.check("different", "every id and credential differs") as check:
        for member in ("client_id", "tenant_id", "api_key", "api_secret"):
            check.differs(second.answer.at(member), first.answer.at(member))
    owner = await ops.validate_key(t, second.api_key)
    with t.check("own-tenant", "the second key belongs to the second tenant") as check:
        check.status(owner, 200)
        check.equal(owner.at("client.tenant_id"), second.tenant_id)
        check.equal(owner.at("client.plan"), "free")


@PHASE.case(
    "S02.03",
    "An e-mail address registers once",
    proves="A second sign-up with the same address is refused and harms the first in no way.",
    requirements=["AUTH-REG-04"],
    baseline=[14],
    tags=["negative"],
)
async def duplicate_refused(t: CaasContext) -> None:
    """Red when the duplicate is accepted, or replaces the password or the key."""
    tenant = await t.tenants.register()
    again = await t.auth.post(ops.REGISTER, json=_form(t, email=tenant.email))
    with t.check("refused", "the duplicate is a conflict, in the seed's words") as check:
        check.problem(again, 409, code="auth.email_taken", error="Email already registered")
        check.absent(again, "api_key", "api_secret", "client_id", "tenant_id")
    await tenant.login()
    owner = await ops.validate_key(t, tenant.api_key)
    with t.check("untouched", "the first account's key lives on") as check:
        check.status(owner, 200)
        check.equal(owner.at("client.client_id"), tenant.client_id)


@PHASE.case(
    "S02.04",
    "The letter case of an address makes no second account",
    proves="ADMIN@Example.com and admin@example.com are one account.",
    requirements=["AUTH-REG-12"],
    baseline=[14],
    tags=["negative"],
)
async def duplicate_by_case_refused(t: CaasContext) -> None:
    """Red when the unique index compares raw text."""
    tenant = await t.tenants.register()
    again = await t.auth.post(ops.REGISTER, json=_form(t, email=tenant.email.upper()))
    with t.check("refused", "the address in capitals is a conflict") as check:
        check.problem(again, 409, code="auth.email_taken", error="Email already registered")


@PHASE.case(
    "S02.05",
    "Simultaneous registrations of one address make one tenant",
    proves="However many sign-ups of one address race, exactly one wins.",
    requirements=["AUTH-REG-05"],
    baseline=[12, 14],
    tags=["concurrency"],
)
async def registrations_race(t: CaasContext) -> None:
    """Red when the address is looked up first and inserted later, without a unique index."""
    form = _form(t)
    async with t.step(f"register {PARALLEL_REGISTRATIONS} times at once"):
        answers = await asyncio.gather(
            *[t.auth.post(ops.REGISTER, json=form) for _ in range(PARALLEL_REGISTRATIONS)]
        )
    winners = [ops.keep_secret(t, answer) for answer in answers if answer.status == 201]  # noqa: PLR2004
    lost = sum(answer.status == 409 for answer in answers)  # noqa: PLR2004
    with t.check("one-winner", "one is created, every other is a conflict") as check:
        check.equal(derived("created", len(winners), of=answers), 1)
        check.equal(derived("conflicts", lost, of=answers), PARALLEL_REGISTRATIONS - 1)
    (key,) = t.need(winners[0], "api_key")
    owner = await ops.validate_key(t, key)
    with t.check("winner-lives", "the winner's key works") as check:
        check.status(owner, 200)
        check.equal(owner.at("client.tenant_id"), winners[0].at("tenant_id"))


@PHASE.case(
    "S02.06",
    "Without a plan it is the free one",
    proves="The plan may be left out, as the seed's third registration did.",
    requirements=["AUTH-REG-09"],
    baseline=[14],
)
async def plan_defaults_to_free(t: CaasContext) -> None:
    """Red when the plan is required or defaults to a paid one."""
    answer = ops.keep_secret(t, await t.auth.post(ops.REGISTER, json=_form(t, plan=...)))
    with t.check("created", "it registers") as check:
        check.status(answer, 201)
        check.matches(answer.body, {"client_id": UUID, "api_key": ops.API_KEY})
    (key,) = t.need(answer, "api_key")
    owner = await ops.validate_key(t, key)
    with t.check("free", "plan and rate limit tier are free") as check:
        check.matches(owner.body, {"client": {"plan": "free", "rate_limit_tier": "free"}})


def _refused_value(
    case_id: str, member: str, value: Any, what: str, requirement: str, code: str, rule: str
) -> None:
    """Make the case that *value* in *member* is refused by name, for breaking *rule*."""

    @PHASE.case(
        case_id,
        f"{what} is refused",
        proves=f"Nobody registers with {what[0].lower()}{what[1:]}; the answer names the member.",
        requirements=[requirement],
        baseline=[12],
        tags=["negative", "validation"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when the rule is not applied, or another one answers for it."""
        form = _form(t)
        answer = await t.auth.post(ops.REGISTER, json=form | {member: value})
        with t.check("refused", "it is a 400 that names the member and its rule") as check:
            check.problem(answer, 400, code=code, errors={member: rule})
            check.absent(answer, "api_key", "client_id")
        accepted = ops.keep_secret(t, await t.auth.post(ops.REGISTER, json=form))
        with t.check("nothing-stored", "the same form with a good value registers") as check:
            check.status(accepted, 201)
            check.matches(accepted.body, {"client_id": UUID})


for _row in (
    ("S02.10", "password", "Ab1!", "A short password", "AUTH-REG-06", *TOO_SHORT),
    ("S02.11", "password", "Password123!", "A common password", "AUTH-REG-06",
     "auth.field_invalid", "too common"),
    ("S02.12", "password", "1234567890", "A password of digits in a row", "AUTH-REG-06",
     "auth.field_invalid", "use three of"),
    ("S02.13", "password", "", "An empty password", "AUTH-REG-06", *TOO_SHORT),
    ("S02.14", "email", "no-at-sign.example.com", "An address without @", "AUTH-REG-07",
     *NO_ADDRESS),
    ("S02.15", "email", "admin@", "An address without a domain", "AUTH-REG-07", *NO_ADDRESS),
    ("S02.16", "email", "a b@example.com", "An address with a space", "AUTH-REG-07", *NO_ADDRESS),
    ("S02.17", "email", "a@b@example.com", "An address with two @", "AUTH-REG-07", *NO_ADDRESS),
    ("S02.18", "plan", "platinum", "A plan that does not exist", "AUTH-REG-08",
     "invalid_input", "enum"),
    ("S02.19", "company_name", "", "An empty company name", "AUTH-REG-07",
     "invalid_input", "length >= 1"),
    ("S02.20", "email", {"$ne": ""}, "An operator object as address", "AUTH-SDK-09",
     "invalid_input", "got `object`"),
    ("S02.21", "company_name", 42, "A number as company name", "AUTH-REG-10",
     "invalid_input", "got `int`"),
    ("S02.22", "tenant_id", "11111111-1111-4111-8111-111111111111", "A chosen tenant id",
     "AUTH-REG-10", *UNKNOWN_MEMBER),
    ("S02.23", "role", "superuser", "A chosen role", "AUTH-REG-10", *UNKNOWN_MEMBER),
):  # fmt: skip
    _refused_value(*_row)


@PHASE.case(
    "S02.24",
    "Every member that is needed is asked for",
    proves="A registration without company, address or password is refused by that name.",
    requirements=["AUTH-REG-07", "AUTH-REG-06"],
    baseline=[12],
    tags=["negative", "validation"],
)
async def members_required(t: CaasContext) -> None:
    """Red when a missing member becomes an empty one."""
    for member in ("company_name", "email", "password"):
        answer = await t.auth.post(ops.REGISTER, json=_form(t, **{member: ...}))
        with t.check(f"without-{member.replace('_', '-')}", f"no {member}, no account") as check:
            check.problem(answer, 400, code="invalid_input", errors={member: "missing"})
            check.absent(answer, "api_key")


@PHASE.case(
    "S02.25",
    "Keys are shown once",
    proves="After registration no answer about the account holds its key, secret or password.",
    requirements=["AUTH-REG-11", "AUTH-INT-07"],
    baseline=[12, 17],
    tags=["security"],
)
async def keys_shown_once(t: CaasContext) -> None:
    """Red when a stored key is readable, or its hash is handed out."""
    tenant = await t.tenants.register()
    login = await tenant.login()
    internal = f"{ops.AUTH}/internal/tenants/{tenant.tenant_id}"
    answers = {
        "login": login.answer,
        "validation": await ops.validate_key(t, tenant.api_key),
        "tenant": await t.auth.get(internal, headers=t.service_secret()),
        "company": await t.gateway.get(ops.GATEWAY_TENANT, headers=login.bearer),
    }
    for name, answer in answers.items():
        with t.check(f"hidden-in-{name}", f"the {name} answer holds no credential") as check:
            check.status(answer, 200)
            for secret in (tenant.api_key, tenant.api_secret, tenant.password):
                check.lacks(answer.text, secret)
            for word in ("argon2", "password_hash", "key_hash"):
                check.lacks(answer.text, word)


@PHASE.case(
    "S02.26",
    "Addresses that are kept for tests are good",
    proves="Companies and users with addresses below .test and .example can be made and sign in.",
    requirements=["AUTH-REG-13"],
    baseline=[12],
)
async def addresses_for_tests(t: CaasContext) -> None:
    """Red when an address that mail can't reach is refused on a platform that sends none."""
    for domain in ("acme.test", "acme.example"):
        name = domain.partition(".")[2]
        form = _form(t, email=f"{t.unique('admin')}@{domain}")
        made = await t.auth.post(ops.REGISTER, json=form)
        with t.check(f"registered-{name}", f"an account at {domain}") as check:
            check.status(made, 201)
        key, _ = map(t.secret, t.need(made, "api_key", "api_secret"))
        who = {"email": form["email"], "password": form["password"]}
        login = await t.auth.post(ops.LOGIN, json=who)
        with t.check(f"signed-in-{name}", "its owner signs in with it") as check:
            check.status(login, 200)
        t.secret(*t.need(login, "access_token"))
        user = f"{t.unique('user')}@{domain}"
        opened = await t.auth.post(
            ops.SDK_SESSION,
            json={"user_external_id": user, "user_data": {"email": user}},
            headers={"x-api-key": key},
        )
        with t.check(f"user-{name}", f"a user at {domain} opens a session") as check:
            check.status(opened, 200)
        token, _ = map(t.secret, t.need(opened, "access_token", "refresh_token"))
        profile = await t.auth.get(ops.PROFILE, headers={"authorization": f"Bearer {token}"})
        with t.check(f"kept-{name}", "the address is kept as given") as check:
            check.status(profile, 200)
            check.equal(profile.at("email"), user)
