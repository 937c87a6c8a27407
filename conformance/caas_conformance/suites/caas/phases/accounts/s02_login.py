"""S02, login: the tenant's administrator proves who they are."""

from caas_conformance.authoring import derived, pattern
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.phases.accounts.s02_registration import PHASE

WRONG_PASSWORDS_MAX = 20
GATEWAY_LOGIN = "/v1/client/login"
WHOLE_SECONDS = pattern(r"[1-9]\d{0,4}", "whole seconds, 1 or more")


@PHASE.case(
    "S02.30",
    "The administrator logs in",
    proves="E-mail and password buy a token with the role of the tenant's administrator.",
    requirements=["AUTH-LOG-01"],
    baseline=[12, 27],
    tags=["login"],
)
async def administrator_logs_in(t: CaasContext) -> None:
    """Red when the token names another tenant, has no role, or is not accepted."""
    tenant = await t.tenants.register()
    login = await tenant.login()
    with t.check("role", "the token is the tenant administrator's") as check:
        check.matches(
            ops.token_claims(login.answer),
            {"tenant_id": tenant.tenant_id, "role": "tenant_admin", "type": "client"},
        )
    company = await t.gateway.get(ops.GATEWAY_TENANT, headers=login.bearer)
    with t.check("accepted", "the gateway accepts it for that tenant") as check:
        check.status(company, 200)
        check.equal(company.at("tenant_id"), tenant.tenant_id)


@PHASE.case(
    "S02.31",
    "A wrong password and an unknown address get the same words",
    proves="Nobody can find out by logging in who has an account.",
    requirements=["AUTH-LOG-02"],
    baseline=[14],
    tags=["login", "negative", "security"],
)
async def wrong_credentials_look_alike(t: CaasContext) -> None:
    """Red when the answers differ in status, type or words."""
    tenant = await t.tenants.register()
    origin = ops.from_address(t, ops.some_address())
    wrong = await t.auth.post(
        ops.LOGIN, json={"email": tenant.email, "password": t.password()}, headers=origin
    )
    unknown = await t.auth.post(
        ops.LOGIN, json={"email": t.email("nobody"), "password": t.password()}, headers=origin
    )
    with t.check("refused", "both are 401 without a token") as check:
        check.problem(wrong, 401, code="auth.credentials_invalid")
        check.problem(unknown, 401, code="auth.credentials_invalid")
        check.absent(wrong, "access_token")
    with t.check("alike", "type, title, detail and error are the same") as check:
        for member in ("type", "title", "detail", "error"):
            check.equal(unknown.at(member), wrong.at(member))
    await tenant.login()


@PHASE.case(
    "S02.32",
    "Guessing passwords is slowed down",
    proves="Wrong passwords end in 429, and the owner still gets in from elsewhere.",
    requirements=["AUTH-LOG-03", "AUTH-LOG-04"],
    baseline=[12],
    tags=["login", "negative", "security"],
)
async def guessing_is_limited(t: CaasContext) -> None:
    """Red when guesses are free, or when they lock the account for everyone."""
    tenant = await t.tenants.register()
    stranger = ops.from_address(t, ops.some_address())
    answers = []
    async with t.step("guess until refused"):
        for _ in range(WRONG_PASSWORDS_MAX):
            body = {"email": tenant.email, "password": t.password()}
            answers.append(await t.auth.post(ops.LOGIN, json=body, headers=stranger))
            if answers[-1].status != 401:  # noqa: PLR2004
                break
    with t.check("limited", "first 401, then 429 that says when to come back") as check:
        check.problem(answers[0], 401, code="auth.credentials_invalid")
        check.problem(answers[-1], 429, code="auth.too_many_attempts")
        check.header(answers[-1], "retry-after", WHOLE_SECONDS)
        guesses = derived("guesses_allowed", len(answers) - 1, of=answers)
        check.between(guesses, 1, WRONG_PASSWORDS_MAX - 1)
    right = {"email": tenant.email, "password": tenant.password}
    blocked = await t.auth.post(ops.LOGIN, json=right, headers=stranger)
    with t.check("limit-holds", "even the right password is refused to the guesser") as check:
        check.problem(blocked, 429, code="auth.too_many_attempts")
        check.absent(blocked, "access_token")
    owner = await t.auth.post(
        ops.LOGIN, json=right, headers=ops.from_address(t, ops.some_address())
    )
    with t.check("owner-gets-in", "the owner logs in from another address") as check:
        check.status(owner, 200)
        check.equal(ops.token_claims(owner).at("tenant_id"), tenant.tenant_id)


@PHASE.case(
    "S02.33",
    "The administrator logs in at the front door",
    proves="The gateway passes a login on: its token is the administrator's, as auth's is.",
    requirements=["AUTH-LOG-01", "AUTH-LOG-02"],
    baseline=[12],
    tags=["login", "gateway"],
)
async def administrator_logs_in_at_the_gateway(t: CaasContext) -> None:
    """Red when the gateway has no login, or lets a wrong password pass."""
    tenant = await t.tenants.register()
    body = {"email": tenant.email, "password": tenant.password}
    answer = ops.keep_secret(t, await t.gateway.post(GATEWAY_LOGIN, json=body))
    wrong = await t.gateway.post(GATEWAY_LOGIN, json=body | {"password": t.password()})
    with t.check("role", "the token is the tenant administrator's") as check:
        check.status(answer, 200)
        check.matches(
            ops.token_claims(answer),
            {"tenant_id": tenant.tenant_id, "role": "tenant_admin", "type": "client"},
        )
    with t.check("wrong-password", "a wrong password buys nothing") as check:
        check.problem(wrong, 401, code="auth.credentials_invalid")
        check.absent(wrong, "access_token")
