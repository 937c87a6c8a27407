"""S16: logout works, at once and everywhere, and ends no more than it should."""

from caas_conformance.authoring import Phase
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "S16",
    "Logout",
    "A user leaves: the token is refused by every service, other devices stay.",
    tags=("auth", "logout"),
)


@PHASE.case(
    "S16.01",
    "Bob logs out",
    proves="A user logs out and is told so; the token was good until then.",
    requirements=["AUTH-OUT-01"],
    baseline=[120],
)
async def bob_logs_out(t: CaasContext) -> None:
    """Red when logout is acknowledged and the session stays on the list."""
    tenant = await t.tenants.register()
    bob = await tenant.session("bob")
    phone = await tenant.session("bob", external_id=bob.external_id, device="mobile")
    before = await ops.validate(t, bob.access_token)
    answer = await t.auth.post(ops.SDK_LOGOUT, headers=bob.bearer)
    with t.check("logged-out", "200 in the seed's words, and it was live before") as check:
        check.equal(before.at("valid"), expected=True)
        check.status(answer, 200)
        check.equal(answer.at("message"), "Logged out successfully")
    listed = await t.auth.get(ops.SESSIONS, headers=phone.bearer)
    with t.check("unlisted", "the session is off the user's list") as check:
        check.status(listed, 200)
        check.contains(listed.text, phone.session_id)
        check.lacks(listed.text, bob.session_id)


@PHASE.case(
    "S16.02",
    "After logout the old token is rejected",
    proves="Bob's token no longer opens anything, at any service, within a second of logout.",
    requirements=["AUTH-OUT-02", "AUTH-SES-02"],
    baseline=[121],
    tags=["security"],
)
async def old_token_is_rejected(t: CaasContext) -> None:
    """Red when a service goes on trusting the signature alone."""
    bob = await (await t.tenants.register()).session("bob")
    company = await t.gateway.get(ops.GATEWAY_TENANT, headers=bob.bearer)
    with t.check("alive-before", "the gateway accepts the token before") as check:
        check.status(company, 200)
        check.matches(company.at("tenant_id"), str)
    await ops.log_out(t, bob)
    await ops.check_ended(t, bob.access_token)
    uses = {
        "service-check": await ops.introspect(t, bob.access_token),
        "profile": await t.auth.get(ops.PROFILE, headers=bob.bearer),
        "sessions": await t.auth.get(ops.SESSIONS, headers=bob.bearer),
        "gateway-sessions": await t.gateway.get(ops.GATEWAY_SESSIONS, headers=bob.bearer),
        "gateway-keys": await t.gateway.get(ops.GATEWAY_KEYS, headers=bob.bearer),
    }
    for name, answer in uses.items():
        code = "auth.token_refused" if name == "service-check" else "session_invalid"
        with t.check(f"refused-{name}", f"{name}: 401, for the session ended") as check:
            check.problem(answer, 401, code=code)
            check.absent(answer, "payload", "user_id", "items", "sessions")


@PHASE.case(
    "S16.03",
    "Logout at the gateway ends the session",
    proves="Leaving by the front door is leaving: auth refuses the token as well.",
    requirements=["GW-OUT-01", "AUTH-OUT-01"],
    baseline=[77],
    tags=["gateway"],
)
async def logout_at_the_gateway(t: CaasContext) -> None:
    """Red when the gateway only forgets its own state."""
    tenant = await t.tenants.register()
    bob = await tenant.session("bob")
    alice = await tenant.session("alice")
    answer = await t.gateway.post(ops.GATEWAY_LOGOUT, headers=bob.bearer)
    with t.check("logged-out", "it is confirmed") as check:
        check.status(answer, 200)
        check.equal(answer.at("message"), "Logged out successfully")
    await ops.check_ended(t, bob.access_token)
    renewed = await ops.refresh(t, bob.refresh_token)
    others = await ops.validate(t, alice.access_token)
    with t.check("for-good", "Bob can't renew, and Alice is still there") as check:
        check.problem(renewed, 401, code="auth.refresh_token_invalid")
        check.absent(renewed, "access_token")
        check.status(others, 200)
        check.equal(others.at("payload.user_id"), alice.user_id)


@PHASE.case(
    "S16.04",
    "Logout leaves other devices alone",
    proves="Signing out on the phone does not sign out the laptop.",
    requirements=["AUTH-OUT-03"],
    baseline=[120, 121],
)
async def other_devices_stay(t: CaasContext) -> None:
    """Red when logout ends the user instead of the session."""
    tenant = await t.tenants.register()
    laptop = await tenant.session("bob", device="web")
    phone = await tenant.session("bob", external_id=laptop.external_id, device="mobile")
    await ops.log_out(t, phone)
    await ops.check_ended(t, phone.access_token)
    live = await ops.validate(t, laptop.access_token)
    renewed = await ops.refresh(t, laptop.refresh_token)
    with t.check("laptop-lives", "the laptop's session is live and renews") as check:
        check.status(live, 200)
        check.equal(live.at("payload.session_id"), laptop.session_id)
        check.status(renewed, 200)
        check.equal(ops.token_claims(renewed).at("session_id"), laptop.session_id)


@PHASE.case(
    "S16.05",
    "Every access token of the session dies",
    proves="A token from before a refresh is as dead after logout as the newest one.",
    requirements=["AUTH-OUT-01", "AUTH-OUT-02"],
    baseline=[121],
    tags=["security"],
)
async def every_token_of_the_session_dies(t: CaasContext) -> None:
    """Red when only the token that asked is forgotten."""
    bob = await (await t.tenants.register()).session("bob")
    renewed = await ops.refresh(t, bob.refresh_token)
    (newest,) = t.need(renewed, "access_token")
    first = await ops.validate(t, bob.access_token)
    with t.check("alive-before", "the first access token is live until logout") as check:
        check.status(first, 200)
        check.equal(first.at("payload.session_id"), bob.session_id)
    bearer = {"authorization": f"Bearer {newest}"}
    t.given(await t.auth.post(ops.SDK_LOGOUT, headers=bearer), 200, "log out")
    await ops.check_ended(t, newest, "newest-ended")
    await ops.check_ended(t, bob.access_token, "first-ended")


@PHASE.case(
    "S16.06",
    "Logout needs a live token",
    proves="Nobody logs out without being logged in: no token, broken token, second logout.",
    requirements=["AUTH-OUT-04", "HTTP-06"],
    baseline=[77, 120],
    tags=["negative"],
)
async def logout_needs_a_token(t: CaasContext) -> None:
    """Red when it answers 200 to anyone."""
    tenant = await t.tenants.register()
    bob = await tenant.session("bob")
    other = await tenant.session("alice")
    await ops.log_out(t, bob)
    credentials: dict[str, tuple[dict[str, str], str]] = {
        "none": ({}, ""),
        "broken": ({"authorization": "Bearer not-a-token"}, "invalid_token"),
        "key": (tenant.key, ""),
        "again": (bob.bearer, "session_invalid"),
        "refresh": ({"authorization": f"Bearer {other.refresh_token}"}, "invalid_token"),
    }
    places = {
        "auth": (t.auth, ops.SDK_LOGOUT, "auth.credential_missing"),
        "gateway": (t.gateway, ops.GATEWAY_LOGOUT, "gateway.tenant_context_required"),
    }
    for name, (headers, reason) in credentials.items():
        for place, (client, path, missing) in places.items():
            answer = await client.post(path, headers=headers)
            with t.check(f"refused-{name}-{place}", f"{place}: {name} token is a 401") as check:
                check.problem(answer, 401, code=reason or missing)
                check.contains(answer.header("www-authenticate"), "Bearer")
    live = await ops.validate(t, other.access_token)
    with t.check("other-lives", "nobody was logged out by that") as check:
        check.status(live, 200)
        check.equal(live.at("payload.user_id"), other.user_id)


@PHASE.case(
    "S16.07",
    "A body that is no JSON logs nobody out",
    proves="The seed's sample body at the gateway's logout is the caller's mistake.",
    requirements=["HTTP-01", "HTTP-10"],
    baseline=[77],
    tags=["gateway", "negative", "validation"],
)
async def sample_body_at_logout(t: CaasContext) -> None:
    """Red as the seed was: a 400 under the title of a server error."""
    bob = await (await t.tenants.register()).session("bob")
    answer = await t.gateway.post(
        ops.GATEWAY_LOGOUT, body=b"sample", headers={**bob.bearer, **ops.JSON_HEADERS}
    )
    with t.check("refused", "400 under the right title") as check:
        check.problem(
            answer, 400, code="malformed_json", statusCode=400, title="Bad Request", message=str
        )
    live = await ops.validate(t, bob.access_token)
    with t.check("still-in", "Bob is still signed in") as check:
        check.status(live, 200)
        check.equal(live.at("payload.user_id"), bob.user_id)
