"""S08, public auth routes: signing up and signing in through the front door, and its limits."""

import asyncio
import itertools
import secrets

from caas_conformance.authoring import UUID, Answer, Value, derived, pattern
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.phases.gateway.s08_gateway_tenant import PHASE

WHOLE_NUMBER = pattern(r"\d{1,7}", "a whole number")
WINDOW_MAX_S = 3600
BATCH = 50
FREE_LIMIT_TESTED_MAX = 400


@PHASE.case(
    "S08.40",
    "A company registers at the front door",
    proves="Sign-up works through the gateway as it does at the auth service.",
    requirements=["GW-SDK-03", "AUTH-REG-01"],
    baseline=[118],
    tags=["client"],
)
async def registers_at_the_gateway(t: CaasContext) -> None:
    """Red as the seed was: 404 because the caller's tenant is looked up on a public route."""
    form = {
        "company_name": t.unique("Front Door Ltd"),
        "email": t.email("admin"),
        "password": t.password(),
        "plan": "free",
    }
    answer = ops.keep_secret(t, await t.gateway.post("/v1/client/register", json=form))
    with t.check("registered", "ids, key and secret") as check:
        check.status(answer, 201)
        check.matches(
            answer.body,
            {
                "client_id": UUID,
                "tenant_id": UUID,
                "api_key": ops.API_KEY,
                "api_secret": ops.API_KEY,
            },
        )
    (key,) = t.need(answer, "api_key")
    owner = await ops.validate_key(t, key)
    again = await t.gateway.post("/v1/client/register", json=form)
    with t.check("real", "the key is live and the address is taken") as check:
        check.equal(owner.at("client.tenant_id"), answer.at("tenant_id"))
        check.problem(again, 409, code="auth.email_taken")
        check.contains(again.text, "Email already registered")


@PHASE.case(
    "S08.41",
    "A user enters at the front door",
    proves="An SDK session is opened through the gateway and its token works there at once.",
    requirements=["GW-SDK-03", "AUTH-SDK-01"],
    baseline=[115],
    tags=["sdk"],
)
async def enters_at_the_gateway(t: CaasContext) -> None:
    """Red when the key header is not passed on, or the tenant is looked up before the token."""
    tenant = await t.tenants.register()
    external = t.unique("alice")
    body = {"user_external_id": external, "device_info": {"device_type": "web"}}
    answer = ops.keep_secret(
        t, await t.gateway.post("/v1/sdk/session", json=body, headers=tenant.key)
    )
    with t.check("entered", "tokens of that user and tenant") as check:
        check.status(answer, 200)
        check.matches(answer.body, {"access_token": ops.JWT, "refresh_token": ops.JWT})
        check.matches(
            ops.token_claims(answer), {"tenant_id": tenant.tenant_id, "external_id": external}
        )
    (token,) = t.need(answer, "access_token")
    company = await t.gateway.get(ops.GATEWAY_TENANT, headers={"authorization": f"Bearer {token}"})
    refused = await t.gateway.post("/v1/sdk/session", json=body)
    with t.check("works", "the token opens the company, and no key opens nothing") as check:
        check.status(company, 200)
        check.equal(company.at("tenant_id"), tenant.tenant_id)
        check.problem(refused, 401, code="auth.api_key_missing")
        check.contains(refused.text, "API key is required in x-api-key header")


@PHASE.case(
    "S08.42",
    "A session is renewed at the front door",
    proves="A refresh through the gateway renews the session.",
    requirements=["GW-SDK-03", "AUTH-REF-01"],
    baseline=[116],
    tags=["sdk", "refresh"],
)
async def refreshes_at_the_gateway(t: CaasContext) -> None:
    """Red when the gateway asks for a tenant or a token on the refresh route."""
    session = await (await t.tenants.register()).session()
    answer = ops.keep_secret(
        t, await t.gateway.post("/v1/sdk/refresh", json={"refresh_token": session.refresh_token})
    )
    with t.check("renewed", "a new pair of the same session") as check:
        check.status(answer, 200)
        check.differs(answer.at("access_token"), session.access_token)
        check.equal(ops.token_claims(answer).at("session_id"), session.session_id)
    broken = await t.gateway.post("/v1/sdk/refresh", json={"refresh_token": "not-a-token"})
    with t.check("broken-refused", "a broken refresh token is a 401") as check:
        check.problem(broken, 401, code="auth.refresh_token_invalid")
        check.absent(broken, "access_token")


@PHASE.case(
    "S08.43",
    "A user leaves at the front door",
    proves="SDK logout through the gateway ends the session for every service.",
    requirements=["GW-SDK-03", "GW-OUT-01"],
    baseline=[117],
    tags=["sdk", "logout"],
)
async def leaves_at_the_gateway(t: CaasContext) -> None:
    """Red when the gateway acknowledges and the token lives on."""
    session = await (await t.tenants.register()).session()
    before = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    answer = await t.gateway.post("/v1/sdk/logout", headers=session.bearer)
    with t.check("left", "logout is confirmed") as check:
        check.status(before, 200)
        check.status(answer, 200)
        check.equal(answer.at("message"), "Logged out successfully")
    await ops.check_ended(t, session.access_token)


@PHASE.case(
    "S08.44",
    "Limited routes show their limit in one unit",
    proves="Each limited answer says how many requests are left and in how many seconds more.",
    requirements=["GW-RATE-01", "GW-RATE-02"],
    baseline=[27],
    tags=["rate"],
)
async def limits_are_shown(t: CaasContext) -> None:
    """Red when a header is missing, the reset is a date, or nothing is counted."""
    session = await (await t.tenants.register(plan="enterprise")).session()
    answers = [await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer) for _ in range(3)]
    with t.check("headers", "limit, remaining and reset are whole numbers") as check:
        for answer in answers:
            check.status(answer, 200)
            for name in ("limit", "remaining", "reset"):
                check.header(answer, f"x-ratelimit-{name}", WHOLE_NUMBER)
            check.between(_number(answer, "reset"), 0, WINDOW_MAX_S)
    with t.check("counted", "the remainder falls by one a request") as check:
        for before, after in itertools.pairwise(answers):
            spent = _int(before, "remaining") - _int(after, "remaining")
            check.equal(derived("requests_counted", spent, of=[before, after]), 1)


@PHASE.case(
    "S08.45",
    "The limit follows the plan",
    proves="A free company may ask less often than a business, and that less than an enterprise.",
    requirements=["GW-RATE-02"],
    baseline=[12, 13],
    tags=["rate"],
)
async def limit_follows_plan(t: CaasContext) -> None:
    """Red when every plan has the same limit."""
    answers = []
    for plan in ("free", "business", "enterprise"):
        session = await (await t.tenants.register(plan=plan)).session()
        answers.append(await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer))
    with t.check("ordered", "free < business < enterprise") as check:
        for answer in answers:
            check.status(answer, 200)
        limits = [_int(answer, "limit") for answer in answers]
        check.unique(derived("limits", limits, of=answers))
        rising = derived("limits_rise", limits == sorted(limits), of=answers)
        check.equal(rising, expected=True)


@PHASE.case(
    "S08.46",
    "Over the limit there is 429, for that company alone",
    proves="A company that asks too often is slowed down, and no other company notices.",
    requirements=["GW-RATE-03"],
    baseline=[27],
    tags=["rate", "negative"],
    timeout_s=60.0,
)
async def over_the_limit(t: CaasContext) -> None:
    """Red when the limit is only displayed, is far from exact, or is shared by companies."""
    session = await (await t.tenants.register(plan="free")).session()
    other = await (await t.tenants.register(plan="free")).session("charlie")
    first = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
    limit = _int(first, "limit")
    with t.check("limit-known", "the free plan's limit is shown") as check:
        check.status(first, 200)
        check.between(_number(first, "limit"), 1, 1_000_000)
    if limit > FREE_LIMIT_TESTED_MAX:
        t.skip(f"{limit} requests a window are too many to record; set a lower free limit")
    answers: list[Answer] = [first]
    async with t.step("ask more often than allowed"):
        while len(answers) < limit + BATCH:
            answers += await asyncio.gather(
                *[t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer) for _ in range(BATCH)]
            )
    refused = [answer for answer in answers if answer.status == 429]  # noqa: PLR2004
    admitted = sum(answer.status == 200 for answer in answers)  # noqa: PLR2004
    with t.check("exact", "as many are admitted as the limit says, the rest are 429") as check:
        check.equal(derived("admitted", admitted, of=answers), limit)
        check.equal(derived("refused", len(refused), of=answers), len(answers) - limit)
    with t.check("says-when", "429 is a problem that says when to come back") as check:
        check.problem(refused[-1], 429, code="rate_limited", statusCode=429)
        check.header(refused[-1], "retry-after", pattern(r"[1-9]\d{0,3}", "seconds"))
        check.header(refused[-1], "x-ratelimit-remaining", "0")
    bystander = await t.gateway.get(ops.GATEWAY_TENANT, headers=other.bearer)
    with t.check("others-unaffected", "another free company is served") as check:
        check.status(bystander, 200)
        check.between(_number(bystander, "remaining"), 1, limit)


@PHASE.case(
    "S08.47",
    "An IPv6 network is one caller",
    proves="Another address of the same /64 is no fresh start for who guesses or floods.",
    requirements=["GW-RATE-04"],
    baseline=[26],
    tags=["rate", "security"],
)
async def network_is_one_caller(t: CaasContext) -> None:
    """Red when each of a host's 2^64 addresses has a limit of its own."""
    network = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
    addresses = {
        "first": f"{network}::1",
        "neighbour": f"{network}:ffff::2",
        "same-again": f"{network}::1",
    }
    answers = {
        name: await t.gateway.get(ops.GATEWAY_TENANT, headers=ops.from_address(t, address))
        for name, address in addresses.items()
    }
    spent = [_int(answer, "remaining") for answer in answers.values()]
    with t.check("one-count", "three requests of two addresses spend three") as check:
        for answer in answers.values():
            check.problem(answer, 401, code="gateway.tenant_context_required")
        falls = derived("remaining", [spent[0] - left for left in spent], of=[*answers.values()])
        check.equal(falls, [0, 1, 2])
    other = await t.gateway.get(
        ops.GATEWAY_TENANT, headers=ops.from_address(t, f"2001:db9:{network[9:]}::1")
    )
    with t.check("others-unaffected", "another network has its own limit") as check:
        check.problem(other, 401, code="gateway.tenant_context_required")
        check.equal(_number(other, "remaining"), spent[0])


def _number(answer: Answer, name: str) -> Value:
    return answer.header(f"x-ratelimit-{name}").derive("number", int)


def _int(answer: Answer, name: str) -> int:
    value = _number(answer, name).value
    return value if isinstance(value, int) else -1
