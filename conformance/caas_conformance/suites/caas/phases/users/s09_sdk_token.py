"""S09: an app exchanges its id and secret for a user's token at the gateway."""

from typing import Any

from caas_conformance.authoring import UUID, Answer, Phase
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Tenant

PHASE = Phase(
    "S09",
    "Gateway SDK token",
    "App id and app secret, the registered client's, buy a user's token at the front door.",
    tags=("gateway", "sdk"),
)


async def _ask(t: CaasContext, tenant: Tenant, **changes: Any) -> Answer:
    """Ask for a token of *tenant*'s app; a change to `...` leaves the member out."""
    body = {
        "app_id": tenant.client_id,
        "app_secret": tenant.api_secret,
        "user_external_id": t.unique("sdk"),
    } | changes
    sent = {name: value for name, value in body.items() if value is not ...}
    return ops.keep_secret(t, await t.gateway.post(ops.GATEWAY_SDK_TOKEN, json=sent))


@PHASE.case(
    "S09.01",
    "App id and secret buy a token",
    proves="A registered app gets a token for its user, and the token opens the company.",
    requirements=["GW-SDK-01"],
    baseline=[33],
)
async def app_gets_a_token(t: CaasContext) -> None:
    """Red as the seed was: 401 for every app there is."""
    tenant = await t.tenants.register()
    external = t.unique("sdk")
    answer = await _ask(t, tenant, user_external_id=external)
    with t.check("token", "tokens of that user in that tenant") as check:
        check.status(answer, 200)
        check.matches(answer.body, {"access_token": ops.JWT, "refresh_token": ops.JWT})
        check.matches(
            ops.token_claims(answer),
            {
                "tenant_id": tenant.tenant_id,
                "external_id": external,
                "user_id": UUID,
                "type": "access",
            },
        )
    (token,) = t.need(answer, "access_token")
    company = await t.gateway.get(ops.GATEWAY_TENANT, headers={"authorization": f"Bearer {token}"})
    with t.check("opens", "the token opens the company") as check:
        check.status(company, 200)
        check.equal(company.at("company_name"), tenant.company_name)


@PHASE.case(
    "S09.02",
    "A wrong secret buys nothing",
    proves="Whoever does not know the app's secret gets no token.",
    requirements=["GW-SDK-02"],
    baseline=[34],
    tags=["negative"],
)
async def wrong_secret(t: CaasContext) -> None:
    """Red when the secret is not compared, or the answer is a proxy's own error."""
    tenant = await t.tenants.register()
    answer = await _ask(t, tenant, app_secret="wrong-secret")  # noqa: S106 - the seed's
    with t.check("refused", "it is a 401 without a token, and not the upstream's words") as check:
        check.problem(answer, 401, code="unauthenticated", statusCode=401, message=str)
        check.absent(answer, "access_token", "refresh_token")
        check.lacks(answer.text, "Request failed")
    good = await _ask(t, tenant)
    with t.check("right-secret", "while the right secret buys one") as check:
        check.status(good, 200)
        check.equal(ops.token_claims(good).at("tenant_id"), tenant.tenant_id)


@PHASE.case(
    "S09.03",
    "Unknown app, wrong secret and another app's secret look alike",
    proves="Nobody can find out by asking which apps exist.",
    requirements=["GW-SDK-02", "SEC-TEN-02"],
    baseline=[33, 34],
    tags=["negative", "security"],
)
async def refusals_look_alike(t: CaasContext) -> None:
    """Red when the answers differ in status, type or words."""
    tenant = await t.tenants.register()
    other = await t.tenants.register()
    wrong = await _ask(t, tenant, app_secret=t.secret("caas_prod_" + "0" * 64))
    refusals = {
        "unknown-app": await _ask(t, tenant, app_id=ops.UNKNOWN_ID),
        "seed-app": await _ask(t, tenant, app_id="default-tenant"),
        "foreign-secret": await _ask(t, tenant, app_secret=other.api_secret),
        "key-as-secret": await _ask(t, tenant, app_secret=tenant.api_key),
        "tenant-as-app": await _ask(t, tenant, app_id=tenant.tenant_id),
    }
    with t.check("wrong-secret", "a wrong secret is a 401") as check:
        check.problem(wrong, 401, code="unauthenticated", statusCode=401)
    for name, answer in refusals.items():
        with t.check(f"same-{name}", f"{name} gets the same answer") as check:
            check.problem(answer, 401, code="unauthenticated", statusCode=401)
            check.equal(answer.body, wrong.body)


def _malformed(case_id: str, what: str, changes: dict[str, Any], member: str) -> None:
    """Make the case that a request with *changes* is a 400 that names *member*."""

    @PHASE.case(
        case_id,
        f"{what} buys nothing",
        proves="A malformed request for a token is a 400 by the name of what is wrong.",
        requirements=["HTTP-10", "AUTH-SDK-09"],
        baseline=[76],
        tags=["negative", "validation"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when a token is sold, or the answer is a 5xx."""
        answer = await _ask(t, await t.tenants.register(), **changes)
        with t.check("refused", "400 that names the member") as check:
            check.problem(
                answer,
                400,
                code="invalid_input",
                errors=member,
                statusCode=400,
                title="Bad Request",
            )
            check.absent(answer, "access_token")


for _row in (
    ("S09.04", "No app id", {"app_id": ...}, "app_id"),
    ("S09.05", "No app secret", {"app_secret": ...}, "app_secret"),
    ("S09.06", "An operator object as secret", {"app_secret": {"$ne": ""}}, "app_secret"),
    ("S09.07", "A chosen tenant", {"tenant_id": ops.UNKNOWN_ID}, "tenant_id"),
):
    _malformed(*_row)


@PHASE.case(
    "S09.08",
    "A word that is no JSON is a 400",
    proves="The seed's sample body is refused as the caller's mistake, under the right title.",
    requirements=["HTTP-01", "HTTP-10"],
    baseline=[76],
    tags=["negative", "validation"],
)
async def no_json(t: CaasContext) -> None:
    """Red as the seed was: status 400 under the title of a server error."""
    answer = await t.gateway.post(ops.GATEWAY_SDK_TOKEN, body=b"sample", headers=ops.JSON_HEADERS)
    with t.check("refused", "400, titled so, with a reason") as check:
        check.problem(
            answer,
            400,
            code="malformed_json",
            statusCode=400,
            title="Bad Request",
            error="Bad Request",
            message=str,
        )
        check.contains(answer.at("message"), "JSON")
