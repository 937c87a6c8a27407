"""S05: a company's users get sessions, opened with the company's API key."""

import asyncio
from typing import Any

from caas_conformance.authoring import UUID, Phase, derived, pattern
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "S05",
    "SDK sessions",
    "End users enter with their company's key and get tokens that name them and their tenant.",
    tags=("auth", "sdk"),
)

PARALLEL_SESSIONS = 10


def _request(t: CaasContext, user: str, device: str) -> dict[str, Any]:
    external = t.unique(user)
    return {
        "user_external_id": external,
        "user_data": {"name": user.title(), "email": f"{external}@users.example.com"},
        "device_info": {"device_type": device},
    }


async def _enters(t: CaasContext, user: str, device: str) -> None:
    tenant = await t.tenants.register()
    request = _request(t, user, device)
    answer = ops.keep_secret(
        t, await t.auth.post(ops.SDK_SESSION, json=request, headers=tenant.key)
    )
    with t.check("tokens", "an access and a refresh token, the user, socket addresses") as check:
        check.status(answer, 200)
        check.matches(
            answer.body,
            {
                "access_token": ops.JWT,
                "refresh_token": ops.JWT,
                "user": {"user_id": UUID},
                "socket_urls": [pattern(r"wss?://[^\s/]+.*", "a ws or wss address")],
            },
        )
        check.differs(answer.at("access_token"), answer.at("refresh_token"))
    with t.check("whose", "the token is that user's, in that tenant") as check:
        check.matches(
            ops.token_claims(answer),
            {
                "tenant_id": tenant.tenant_id,
                "external_id": request["user_external_id"],
                "email": request["user_data"]["email"],
                "type": "access",
            },
        )
        check.equal(ops.token_claims(answer).at("user_id"), answer.at("user.user_id"))
    (token,) = t.need(answer, "access_token")
    live = await ops.introspect(t, token)
    with t.check("accepted", "services accept the token") as check:
        check.status(live, 200)
        check.equal(live.at("payload.user_id"), answer.at("user.user_id"))


@PHASE.case(
    "S05.01",
    "Alice enters from the web",
    proves="A user of a company gets a session that names user and company.",
    requirements=["AUTH-SDK-01", "AUTH-SDK-02", "AUTH-SDK-06"],
    baseline=[19],
)
async def alice_enters(t: CaasContext) -> None:
    """Red when a token is missing, names someone else, or is not accepted."""
    await _enters(t, "alice", "web")


@PHASE.case(
    "S05.02",
    "Bob enters from a phone",
    proves="A second user on another kind of device gets a session in the same way.",
    requirements=["AUTH-SDK-01", "AUTH-SDK-02"],
    baseline=[20],
)
async def bob_enters(t: CaasContext) -> None:
    """Red when the device type changes the answer."""
    await _enters(t, "bob", "mobile")


@PHASE.case(
    "S05.03",
    "Two users of one company are two users",
    proves="Alice and Bob share their tenant and nothing else.",
    requirements=["AUTH-SDK-02", "AUTH-TOK-08"],
    baseline=[19, 20],
)
async def users_are_told_apart(t: CaasContext) -> None:
    """Red when ids are derived from the tenant alone."""
    tenant = await t.tenants.register()
    alice = ops.token_claims((await tenant.session("alice")).answer)
    bob = ops.token_claims((await tenant.session("bob")).answer)
    with t.check("apart", "user, session and token ids differ, the tenant does not") as check:
        for claim in ("user_id", "session_id", "jti", "external_id"):
            check.differs(bob.at(claim), alice.at(claim))
        check.equal(bob.at("tenant_id"), alice.at("tenant_id"))


@PHASE.case(
    "S05.04",
    "Without an API key nobody enters",
    proves="A session request without a key is refused and says what is missing.",
    requirements=["AUTH-SDK-03"],
    baseline=[21],
    tags=["negative"],
)
async def no_key_no_session(t: CaasContext) -> None:
    """Red when a token is handed out, or the reason is not the seed's."""
    tenant = await t.tenants.register()
    answer = await t.auth.post(ops.SDK_SESSION, json={"user_external_id": "should-fail"})
    with t.check("refused", "401 in the seed's words, without a token") as check:
        check.problem(
            answer,
            401,
            code="auth.api_key_missing",
            error="API key is required in x-api-key header",
        )
        check.absent(answer, "access_token", "refresh_token")
    session = await tenant.session()
    with t.check("key-admits", "with a key the same route admits") as check:
        check.equal(ops.token_claims(session.answer).at("tenant_id"), tenant.tenant_id)


@PHASE.case(
    "S05.05",
    "A wrong API key admits nobody",
    proves="Made-up, foreign-looking and secret-like keys are refused alike.",
    requirements=["AUTH-SDK-03"],
    baseline=[18, 21],
    tags=["negative"],
)
async def wrong_key_no_session(t: CaasContext) -> None:
    """Red when any of them is taken for a key."""
    tenant = await t.tenants.register()
    keys = {
        "made-up": "caas_invalid_key_12345",
        "never-issued": "caas_prod_" + "f" * 64,
        "cut": tenant.api_key[:-1],
        "capitals": tenant.api_key.upper(),
        "client-id": tenant.client_id,
    }
    for name, key in keys.items():
        answer = await t.auth.post(
            ops.SDK_SESSION,
            json={"user_external_id": "should-fail"},
            headers={"x-api-key": t.secret(key)},
        )
        with t.check(f"refused-{name}", f"a {name} key gets 401") as check:
            check.problem(answer, 401, code="auth.api_key_invalid", error="Invalid API key")
            check.absent(answer, "access_token")
    await tenant.session()


@PHASE.case(
    "S05.06",
    "The same external id is the same user",
    proves="A user who comes back is recognised, and the company's newer data is taken.",
    requirements=["AUTH-SDK-04", "AUTH-SDK-07"],
    baseline=[19],
)
async def user_is_recognised(t: CaasContext) -> None:
    """Red when every session makes a new user, or the two sessions are one."""
    tenant = await t.tenants.register()
    first = await tenant.session("alice", device="web")
    email = t.email("alice-new")
    second = await tenant.session(
        external_id=first.external_id,
        device="mobile",
        user_data={"name": "Alice Renamed", "email": email},
    )
    with t.check("same-user", "one user, two sessions") as check:
        check.equal(second.answer.at("user.user_id"), first.user_id)
        check.differs(ops.token_claims(second.answer).at("session_id"), first.session_id)
        check.equal(ops.token_claims(second.answer).at("email"), email)
    profile = await t.auth.get(ops.PROFILE, headers=second.bearer)
    with t.check("updated", "the profile has the newer data") as check:
        check.status(profile, 200)
        check.matches(profile.body, {"user_id": first.user_id, "email": email})


@PHASE.case(
    "S05.07",
    "The same external id at another company is another user",
    proves="Two companies may both call a user alice; they never share one.",
    requirements=["AUTH-SDK-05"],
    baseline=[19, 20],
    tags=["security"],
)
async def external_ids_are_per_tenant(t: CaasContext) -> None:
    """Red when users are looked up without their tenant."""
    name = t.unique("alice")
    first = await (await t.tenants.register()).session(external_id=name)
    other = await t.tenants.register()
    second = await other.session(external_id=name)
    with t.check("two-users", "same name, different users and tenants") as check:
        check.differs(second.answer.at("user.user_id"), first.user_id)
        check.equal(ops.token_claims(second.answer).at("tenant_id"), other.tenant_id)
        check.equal(ops.token_claims(second.answer).at("external_id"), name)


@PHASE.case(
    "S05.08",
    "Simultaneous first sessions make one user",
    proves="A user who opens the app in several tabs at once is still one user.",
    requirements=["AUTH-SDK-04"],
    baseline=[19],
    tags=["concurrency"],
)
async def first_sessions_race(t: CaasContext) -> None:
    """Red when the user is looked up first and inserted later, without a unique index."""
    tenant = await t.tenants.register()
    body = _request(t, "alice", "web")
    async with t.step(f"open {PARALLEL_SESSIONS} sessions at once"):
        answers = await asyncio.gather(
            *[
                t.auth.post(ops.SDK_SESSION, json=body, headers=tenant.key)
                for _ in range(PARALLEL_SESSIONS)
            ]
        )
    for answer in answers:
        ops.keep_secret(t, answer)
    users = {str(answer.at("user.user_id").value) for answer in answers}
    sessions = {str(ops.token_claims(answer).at("session_id").value) for answer in answers}
    with t.check("one-user", "every session is open, all of the one user") as check:
        for answer in answers:
            check.status(answer, 200)
        check.uuid(answers[0].at("user.user_id"))
        check.equal(derived("users", len(users), of=answers), 1)
        check.equal(derived("sessions", len(sessions), of=answers), PARALLEL_SESSIONS)


def _refused_body(case_id: str, what: str, body: Any, member: str) -> None:
    """Make the case that a session request with *body* is a 400 that names *member*."""

    @PHASE.case(
        case_id,
        f"{what} is a 400",
        proves="A malformed session request is refused by the name of what is wrong.",
        requirements=["AUTH-SDK-08", "AUTH-SDK-09"],
        baseline=[19, 21],
        tags=["negative", "validation"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when the shape is taken, reaches the database, or becomes a 5xx."""
        tenant = await t.tenants.register()
        answer = await t.auth.post(ops.SDK_SESSION, json=body, headers=tenant.key)
        with t.check("refused", "400 that names the member, and no token") as check:
            check.problem(answer, 400, code="invalid_input", errors=member)
            check.absent(answer, "access_token")


MALFORMED: tuple[tuple[str, str, Any, str], ...] = (
    ("S05.10", "No external id", {"user_data": {"name": "X"}}, "user_external_id"),
    ("S05.11", "An empty external id", {"user_external_id": ""}, "user_external_id"),
    ("S05.12", "An operator object as external id", {"user_external_id": {"$ne": ""}},
     "user_external_id"),
    ("S05.13", "A number as external id", {"user_external_id": 7}, "user_external_id"),
    ("S05.14", "A chosen tenant", {"user_external_id": "x", "tenant_id": ops.UNKNOWN_ID},
     "tenant_id"),
    ("S05.15", "A chosen role in the user's data",
     {"user_external_id": "x", "user_data": {"name": "X", "role": "tenant_admin"}},
     "user_data.role"),
    ("S05.16", "A list as body", [], "body"),
)  # fmt: skip
for _row in MALFORMED:
    _refused_body(*_row)
