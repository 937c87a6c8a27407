"""X06: a creating request that is repeated under its key creates once."""

import asyncio
from typing import Any

from caas_conformance.authoring import Answer, Phase, derived
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "X06",
    "Idempotency",
    "Idempotency-Key on the POSTs that create: one effect, one answer.",
    tags=("idempotency",),
)

PARALLEL = 10
PLACES = {"auth-service": ops.REGISTER, "gateway": "/v1/client/register"}


def _form(t: CaasContext) -> dict[str, str]:
    return {
        "company_name": t.unique("Once Ltd"),
        "email": t.email("once"),
        "password": t.password(),
        "plan": "free",
    }


def _headers(t: CaasContext) -> dict[str, str]:
    return {"idempotency-key": t.unique("key")}


def _repeated(case_id: str, service: str) -> None:
    """Make the case that a repeated registration at *service* is one registration."""

    @PHASE.case(
        case_id,
        f"A repeated registration at the {service} makes one company",
        proves="A client that lost the answer repeats the request and gets the same answer.",
        requirements=["HTTP-15"],
        baseline=[12, 118],
        tags=[service],
    )
    async def repeated(t: CaasContext) -> None:
        """Red when the repetition is a conflict, or makes other credentials."""
        form, headers = _form(t), _headers(t)
        path = PLACES[service]
        first = ops.keep_secret(t, await t.service(service).post(path, json=form, headers=headers))
        again = ops.keep_secret(t, await t.service(service).post(path, json=form, headers=headers))
        with t.check("same-answer", "both answers are the same 201") as check:
            check.status(first, 201)
            check.status(again, 201)
            check.matches(first.at("api_key"), ops.API_KEY)
            check.equal(again.body, first.body)
        (key,) = t.need(first, "api_key")
        live = await ops.validate_key(t, key)
        without = await t.service(service).post(path, json=form)
        with t.check("once", "the company exists, once") as check:
            check.equal(live.at("client.tenant_id"), first.at("tenant_id"))
            check.problem(without, 409, code="auth.email_taken")


_repeated("X06.01", "auth-service")
_repeated("X06.02", "gateway")


@PHASE.case(
    "X06.03",
    "Simultaneous repetitions create once",
    proves="Requests with one key that race each other make one company and get one answer.",
    requirements=["HTTP-15"],
    baseline=[12],
    tags=["concurrency"],
)
async def repetitions_race(t: CaasContext) -> None:
    """Red when the key is looked up first and stored last."""
    form, headers = _form(t), _headers(t)
    async with t.step(f"register {PARALLEL} times at once under one key"):
        answers: list[Answer] = await asyncio.gather(
            *[t.auth.post(ops.REGISTER, json=form, headers=headers) for _ in range(PARALLEL)]
        )
    for answer in answers:
        ops.keep_secret(t, answer)
    bodies = {answer.content for answer in answers}
    with t.check("one-answer", "every answer is the same 201") as check:
        for answer in answers:
            check.status(answer, 201)
        check.matches(answers[0].at("api_key"), ops.API_KEY)
        check.equal(derived("different_bodies", len(bodies), of=answers), 1)


@PHASE.case(
    "X06.04",
    "The same key with another body is refused",
    proves="A key belongs to one request; using it for another is a mistake that is told.",
    requirements=["HTTP-16"],
    baseline=[12],
    tags=["negative"],
)
async def key_belongs_to_one_request(t: CaasContext) -> None:
    """Red when the second request gets the first one's answer, or is carried out."""
    headers = _headers(t)
    second = _form(t)
    first = await t.auth.post(ops.REGISTER, json=_form(t), headers=headers)
    reused = await t.auth.post(ops.REGISTER, json=second, headers=headers)
    with t.check("refused", "the second is a 422 without credentials") as check:
        check.status(ops.keep_secret(t, first), 201)
        check.problem(reused, 422, code="idempotency_key_reused")
        check.absent(reused, "api_key")
    alone = ops.keep_secret(t, await t.auth.post(ops.REGISTER, json=second))
    with t.check("not-done", "it was not carried out: without the key it registers") as check:
        check.status(alone, 201)
        check.matches(alone.at("api_key"), ops.API_KEY)


@PHASE.case(
    "X06.05",
    "One caller's key is nothing to another",
    proves="Two companies that use the same Idempotency-Key do not get each other's answers.",
    requirements=["HTTP-15", "SEC-TEN-01"],
    baseline=[30],
    tags=["security", "isolation"],
)
async def keys_are_per_caller(t: CaasContext) -> None:
    """Red when the stored answer is found by the key alone."""
    alice = await (await t.tenants.register()).session("alice")
    charlie = await (await t.tenants.register()).session("charlie")
    shared = _headers(t)
    body = {"name": "same name", "scopes": ["read"]}
    answers: list[Answer] = []
    for bearer in (alice.bearer, charlie.bearer):
        made = await t.gateway.post(ops.GATEWAY_KEYS, json=body, headers={**bearer, **shared})
        answers.append(ops.keep_secret(t, made))
    again = ops.keep_secret(
        t, await t.gateway.post(ops.GATEWAY_KEYS, json=body, headers={**alice.bearer, **shared})
    )
    with t.check("apart", "each got a key of their own") as check:
        for answer in answers:
            check.status(answer, 201)
        check.differs(answers[1].at("key"), answers[0].at("key"))
        check.differs(answers[1].at("id"), answers[0].at("id"))
    listed = await t.gateway.get(ops.GATEWAY_KEYS, headers=alice.bearer)
    with t.check("repeated", "and Alice's repetition gives hers again, made once") as check:
        check.status(again, 201)
        check.equal(again.body, answers[0].body)
        check.equal(listed.at("items").length, 1)


@PHASE.case(
    "X06.06",
    "A repeated session request opens one session",
    proves="A lost answer to a session request does not leave a second session behind.",
    requirements=["HTTP-15"],
    baseline=[19, 115],
    tags=["sdk"],
)
async def repeated_session(t: CaasContext) -> None:
    """Red when each repetition opens another session."""
    tenant = await t.tenants.register()
    headers = {**tenant.key, **_headers(t)}
    body: dict[str, Any] = {"user_external_id": t.unique("alice")}
    first = ops.keep_secret(t, await t.auth.post(ops.SDK_SESSION, json=body, headers=headers))
    again = ops.keep_secret(t, await t.auth.post(ops.SDK_SESSION, json=body, headers=headers))
    with t.check("same", "both answers hold the same tokens") as check:
        check.status(first, 200)
        check.matches(first.at("access_token"), ops.JWT)
        check.equal(again.body, first.body)
    (token,) = t.need(first, "access_token")
    listed = await t.auth.get(ops.SESSIONS, headers={"authorization": f"Bearer {token}"})
    with t.check("one-session", "one session is open") as check:
        check.status(listed, 200)
        check.equal(listed.at("sessions").length, 1)


@PHASE.case(
    "X06.07",
    "A malformed key is a 400",
    proves="A key that is empty, too long or no text is refused before anything is done.",
    requirements=["HTTP-15", "HTTP-11"],
    baseline=[12],
    tags=["negative", "validation"],
)
async def malformed_keys(t: CaasContext) -> None:
    """Red when a bad key is ignored and the request carried out twice."""
    form = _form(t)
    keys = {"long": "k" * 300, "space": "two words", "latin": "schl\xfcssel"}
    for name, key in keys.items():
        answer = await t.auth.post(ops.REGISTER, json=form, headers={"idempotency-key": key})
        with t.check(f"refused-{name}", f"a {name} key is a 400") as check:
            check.problem(answer, 400, code="bad_idempotency_key")
            check.contains(answer.text, "Idempotency-Key")
    accepted = ops.keep_secret(t, await t.auth.post(ops.REGISTER, json=form))
    with t.check("nothing-done", "and nothing was done") as check:
        check.status(accepted, 201)
        check.matches(accepted.at("api_key"), ops.API_KEY)
