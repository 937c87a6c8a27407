"""S07: a refresh token renews a session, once, and a stolen one ends it."""

import asyncio

from caas_conformance.authoring import Answer, Phase, derived
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "S07",
    "Token refresh",
    "Renewing an access token without signing in again, safely.",
    tags=("auth", "refresh"),
)

PARALLEL_REFRESHES = 20
LASTING_CLAIMS = ("user_id", "tenant_id", "email", "external_id", "session_id", "type", "iss")
INVALID = "Invalid refresh token"


@PHASE.case(
    "S07.01",
    "A refresh token buys a new pair",
    proves="A user stays signed in: a new access token and a new refresh token, both working.",
    requirements=["AUTH-REF-01"],
    baseline=[25],
)
async def refresh_renews(t: CaasContext) -> None:
    """Red when a token is not new, is not accepted, or belongs to another session."""
    session = await (await t.tenants.register()).session()
    answer = await ops.refresh(t, session.refresh_token)
    with t.check("new-pair", "both tokens are new") as check:
        check.status(answer, 200)
        check.matches(answer.body, {"access_token": ops.JWT, "refresh_token": ops.JWT})
        check.differs(answer.at("access_token"), session.access_token)
        check.differs(answer.at("refresh_token"), session.refresh_token)
        for member in ("access_token", "refresh_token"):
            renewed = ops.token_claims(answer, member).at("jti")
            check.differs(renewed, ops.token_claims(session.answer, member).at("jti"))
    access, head = t.need(answer, "access_token", "refresh_token")
    live = await ops.validate(t, access)
    with t.check("accepted", "the new access token is live, in the same session") as check:
        check.status(live, 200)
        check.matches(
            live.at("payload"), {"user_id": session.user_id, "session_id": session.session_id}
        )
    again = await ops.refresh(t, head)
    with t.check("renews-again", "the new refresh token renews in its turn") as check:
        check.status(again, 200)
        check.differs(again.at("refresh_token"), head)


@PHASE.case(
    "S07.02",
    "Claims survive the refresh",
    proves="Whoever the user was before the refresh, they are after it.",
    requirements=["AUTH-REF-02"],
    baseline=[25],
)
async def claims_survive(t: CaasContext) -> None:
    """Red as the seed was: external_id is gone from the refreshed token."""
    session = await (await t.tenants.register()).session()
    before = ops.token_claims(session.answer)
    first = await ops.refresh(t, session.refresh_token)
    (head,) = t.need(first, "refresh_token")
    second = await ops.refresh(t, head)
    for name, answer in (("first", first), ("second", second)):
        with t.check(f"kept-{name}", f"after the {name} refresh every lasting claim is kept") as c:
            c.status(answer, 200)
            for claim in LASTING_CLAIMS:
                c.equal(ops.token_claims(answer).at(claim), before.at(claim))


@PHASE.case(
    "S07.03",
    "A repeated refresh returns the same successor",
    proves="A client whose answer was lost asks again and is not thrown out.",
    requirements=["AUTH-REF-04"],
    baseline=[25],
)
async def grace_returns_the_successor(t: CaasContext) -> None:
    """Red when the repetition ends the session or starts a second branch."""
    session = await (await t.tenants.register()).session()
    first = await ops.refresh(t, session.refresh_token)
    repeated = await ops.refresh(t, session.refresh_token)
    with t.check("same-successor", "both answers hold the same refresh token") as check:
        check.status(first, 200)
        check.status(repeated, 200)
        check.equal(repeated.at("refresh_token"), first.at("refresh_token"))
    access, head = t.need(first, "access_token", "refresh_token")
    live = await ops.validate(t, access)
    head_answer = await ops.refresh(t, head)
    with t.check("alive", "the session lives on from that successor") as check:
        check.status(live, 200)
        check.equal(live.at("valid"), expected=True)
        check.status(head_answer, 200)
        check.differs(head_answer.at("refresh_token"), head)


@PHASE.case(
    "S07.04",
    "An older refresh token ends the session",
    proves="Whoever replays a used token, thief or victim, ends the family for both.",
    requirements=["AUTH-REF-03"],
    baseline=[25, 121],
    tags=["security"],
)
async def reuse_revokes_the_family(t: CaasContext) -> None:
    """Red when the replay is merely refused and the family lives on."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    bystander = await tenant.session(external_id=session.external_id)
    first = await ops.refresh(t, session.refresh_token)
    (older,) = t.need(first, "refresh_token")
    second = await ops.refresh(t, older)
    access, head = t.need(second, "access_token", "refresh_token")
    alive = await ops.validate(t, access)
    with t.check("alive-before", "before the replay the newest access token is live") as check:
        check.status(alive, 200)
        check.equal(alive.at("valid"), expected=True)
    replay = await ops.refresh(t, session.refresh_token)
    with t.check("replay-refused", "the replayed token buys nothing") as check:
        check.problem(replay, 401, code="auth.refresh_token_invalid", error=INVALID)
        check.absent(replay, "access_token", "refresh_token")
    await _ended(t, access, head)
    other = await ops.validate(t, bystander.access_token)
    with t.check("others-live", "the user's other session is not touched") as check:
        check.status(other, 200)
        check.equal(other.at("payload.session_id"), bystander.session_id)


async def _ended(t: CaasContext, access: str, head: str) -> None:
    """Check that neither the access token nor the head of the family is good any more."""
    refused = await t.until(
        lambda: ops.validate(t, access),
        lambda answer: answer.status == 401,  # noqa: PLR2004
        within_s=ops.REVOKED_WITHIN_S,
    )
    dead = await ops.refresh(t, head)
    with t.check("family-ended", "access token and head of the family are refused") as check:
        check.problem(refused, 401, code="auth.token_refused", valid=False, error="Session invalid")
        check.problem(dead, 401, code="auth.refresh_token_invalid", error=INVALID)
        check.absent(dead, "access_token")


@PHASE.case(
    "S07.05",
    "Simultaneous refreshes leave one head",
    proves="Tabs that refresh at the same moment all stay signed in, on one family.",
    requirements=["AUTH-REF-05", "AUTH-REF-04"],
    baseline=[25],
    tags=["concurrency"],
)
async def refreshes_race(t: CaasContext) -> None:
    """Red when two branches are made, or the losers of the race end the session."""
    session = await (await t.tenants.register()).session()
    async with t.step(f"refresh {PARALLEL_REFRESHES} times at once"):
        answers: list[Answer] = await asyncio.gather(
            *[ops.refresh(t, session.refresh_token) for _ in range(PARALLEL_REFRESHES)]
        )
    heads = {str(answer.at("refresh_token").value) for answer in answers}
    with t.check("one-head", "every answer is 200 with the same refresh token") as check:
        for answer in answers:
            check.status(answer, 200)
        check.equal(derived("heads", len(heads), of=answers), 1)
    (head,) = t.need(answers[0], "refresh_token")
    renewed = await ops.refresh(t, head)
    with t.check("head-lives", "the one head renews") as check:
        check.status(renewed, 200)
        check.equal(ops.token_claims(renewed).at("session_id"), session.session_id)


@PHASE.case(
    "S07.06",
    "Access and refresh tokens are not interchangeable",
    proves="An access token renews nothing and a refresh token opens nothing.",
    requirements=["AUTH-REF-06"],
    baseline=[24, 25],
    tags=["negative", "security"],
)
async def types_are_not_mixed(t: CaasContext) -> None:
    """Red when the type claim is not looked at."""
    session = await (await t.tenants.register()).session()
    renewed = await ops.refresh(t, session.access_token)
    with t.check("access-renews-nothing", "an access token is no refresh token") as check:
        check.problem(renewed, 401, code="auth.refresh_token_invalid", error=INVALID)
        check.absent(renewed, "access_token")
    bearer = {"authorization": f"Bearer {session.refresh_token}"}
    told, used = "auth.token_refused", "invalid_token"
    uses = {
        "public-check": (await ops.validate(t, session.refresh_token), told),
        "service-check": (await ops.introspect(t, session.refresh_token), told),
        "profile": (await t.auth.get(ops.PROFILE, headers=bearer), used),
        "gateway": (await t.gateway.get(ops.GATEWAY_TENANT, headers=bearer), used),
    }
    for name, (answer, code) in uses.items():
        with t.check(f"refresh-refused-{name}", f"a refresh token is refused: {name}") as check:
            check.problem(answer, 401, code=code)
            check.absent(answer, "payload", "user_id", "tenant_id")
    good = await ops.refresh(t, session.refresh_token)
    with t.check("refresh-works", "while it does renew the session") as check:
        check.status(good, 200)
        check.equal(ops.token_claims(good).at("session_id"), session.session_id)


@PHASE.case(
    "S07.07",
    "A refresh token dies with its session",
    proves="After logout nobody comes back in with the refresh token.",
    requirements=["AUTH-REF-07"],
    baseline=[25, 120],
    tags=["negative"],
)
async def logout_ends_the_refresh_token(t: CaasContext) -> None:
    """Red when logout forgets the refresh token."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    other = await tenant.session(external_id=session.external_id)
    logout = await t.auth.post(ops.SDK_LOGOUT, headers=session.bearer)
    with t.check("logged-out", "logout succeeds") as check:
        check.status(logout, 200)
        check.equal(logout.at("message"), "Logged out successfully")
    refused = await ops.refresh(t, session.refresh_token)
    with t.check("refused", "its refresh token buys nothing") as check:
        check.problem(refused, 401, code="auth.refresh_token_invalid", error=INVALID)
        check.absent(refused, "access_token")
    alive = await ops.refresh(t, other.refresh_token)
    with t.check("other-lives", "the other session's refresh token works") as check:
        check.status(alive, 200)
        check.equal(ops.token_claims(alive).at("session_id"), other.session_id)


@PHASE.case(
    "S07.08",
    "What is no refresh token buys nothing",
    proves="Broken, changed and missing refresh tokens are refused without a new token.",
    requirements=["AUTH-REF-08"],
    baseline=[24, 25],
    tags=["negative", "validation"],
)
async def broken_refresh_tokens(t: CaasContext) -> None:
    """Red when one of them renews, or becomes a 5xx."""
    session = await (await t.tenants.register()).session()
    head, _, signature = session.refresh_token.rpartition(".")
    flipped = f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    broken = {"text": "not-a-token", "signature": t.secret(flipped), "unsigned": f"{head}."}
    for name, token in broken.items():
        answer = await ops.refresh(t, token)
        with t.check(f"refused-{name}", f"401 for a refresh token with broken {name}") as check:
            check.problem(answer, 401, code="auth.refresh_token_invalid", error=INVALID)
            check.absent(answer, "access_token")
    bodies: dict[str, object] = {
        "missing": {},
        "null": {"refresh_token": None},
        "operator": {"refresh_token": {"$ne": ""}},
    }
    for name, body in bodies.items():
        answer = await t.auth.post(ops.SDK_REFRESH, json=body)
        with t.check(f"malformed-{name}", f"400 for a {name} refresh token") as check:
            check.problem(answer, 400, code="invalid_input", errors="refresh_token")
    good = await ops.refresh(t, session.refresh_token)
    with t.check("unharmed", "after all that the real one still renews") as check:
        check.status(good, 200)
        check.equal(ops.token_claims(good).at("user_id"), session.user_id)
