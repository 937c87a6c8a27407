"""S14: users see where they are signed in, and sign out what they do not know."""

from caas_conformance.authoring import TIMESTAMP, UUID, Answer, Phase, Value, list_of
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Session, Tenant

PHASE = Phase(
    "S14",
    "Sessions",
    "The list of a user's open sessions, and ending one, the others or all of them.",
    tags=("sessions",),
)

PLACES = {"auth-service": ops.SESSIONS, "gateway": ops.GATEWAY_SESSIONS}
OK = 200
ENDED = (200, 204)
ENDED_REASON = "the seed never showed a successful deletion"


async def _devices(t: CaasContext) -> tuple[Session, Session, Session, Session]:
    """Sign Alice in on three devices and Bob, of the same company, on one."""
    tenant = await t.tenants.register()
    web = await tenant.session("alice", device="web")
    phone = await tenant.session(external_id=web.external_id, device="mobile")
    tablet = await tenant.session(external_id=web.external_id, device="tablet")
    return web, phone, tablet, await tenant.session("bob")


def _ids(answer: Answer) -> Value:
    """Return the ids of the listed sessions, sorted."""
    sessions = answer.at("sessions")
    return sessions.derive("ids", lambda found: sorted(s["session_id"] for s in found))


async def _is_live(t: CaasContext, session: Session, check_id: str, title: str) -> None:
    answer = await ops.validate(t, session.access_token)
    with t.check(check_id, title) as check:
        check.status(answer, 200)
        check.equal(answer.at("payload.session_id"), session.session_id)


def _listing(case_id: str, service: str, baseline: list[int]) -> None:
    """Make the case that *service* lists the open sessions."""
    path = PLACES[service]

    @PHASE.case(
        case_id,
        f"The {service} lists the open sessions",
        proves="A user sees every device they are signed in on, and nobody else's.",
        requirements=["AUTH-SES-01", "GW-SES-01"],
        baseline=baseline,
        tags=[service],
    )
    async def lists(t: CaasContext) -> None:
        """Red when a session is missing, is someone else's, ended, or shows its storage."""
        web, phone, tablet, _ = await _devices(t)
        answer = await t.service(service).get(path, headers=web.bearer)
        with t.check("exactly", "Alice's three sessions and no other") as check:
            check.status(answer, 200)
            wanted = sorted(s.session_id for s in (web, phone, tablet))
            check.equal(_ids(answer), wanted)
        with t.check("described", "each with device, address and times, none with storage") as c:
            c.each(
                answer.at("sessions"),
                {
                    "session_id": UUID,
                    "user_id": web.user_id,
                    "ip_address": str,
                    "is_active": True,
                    "expires_at": TIMESTAMP,
                    "created_at": TIMESTAMP,
                    "last_activity_at": TIMESTAMP,
                },
            )
            for session in answer.at("sessions").items():
                c.absent(session, "_id", "refresh_token", "family")
        await ops.log_out(t, tablet)
        after = await t.service(service).get(path, headers=web.bearer)
        with t.check("ended-left", "a session that ended leaves the list") as check:
            check.status(after, 200)
            check.equal(_ids(after), sorted([web.session_id, phone.session_id]))


def _ending_one(case_id: str, service: str, baseline: list[int]) -> None:
    """Make the case that *service* ends one session."""
    path = PLACES[service]

    @PHASE.case(
        case_id,
        f"The {service} ends one session",
        proves="A user signs one device out; that one is out at once, and no other.",
        requirements=["GW-SES-02", "AUTH-SES-02"],
        baseline=baseline,
        tags=[service],
    )
    async def ends_one(t: CaasContext) -> None:
        """Red when the token lives on, or another device is signed out too."""
        web, phone, tablet, bob = await _devices(t)
        await _is_live(t, phone, "alive-before", "the phone is signed in before")
        answer = await t.service(service).delete(f"{path}/{phone.session_id}", headers=web.bearer)
        with t.check("confirmed", "the end is confirmed") as check:
            check.status(answer, ENDED, because=ENDED_REASON)
        await ops.check_ended(t, phone.access_token)
        await _is_live(t, web, "own-lives", "the session that asked lives on")
        await _is_live(t, tablet, "tablet-lives", "so does the tablet's")
        await _is_live(t, bob, "bob-lives", "and Bob's")
        again = await t.service(service).delete(f"{path}/{phone.session_id}", headers=web.bearer)
        with t.check("gone", "the ended session is a 404 from now on") as check:
            check.problem(again, 404, code="auth.session_not_found")


def _ending_others(case_id: str, service: str, baseline: list[int]) -> None:
    """Make the case that *service* ends the others."""
    path = PLACES[service]

    @PHASE.case(
        case_id,
        f"The {service} ends the other sessions",
        proves="A user signs every other device out and stays signed in.",
        requirements=["GW-SES-03", "AUTH-SES-04"],
        baseline=baseline,
        tags=[service],
    )
    async def ends_others(t: CaasContext) -> None:
        """Red when the current session ends too, or a colleague's does."""
        web, phone, tablet, bob = await _devices(t)
        answer = await t.service(service).delete(f"{path}/others", headers=web.bearer)
        with t.check("confirmed", "the end is confirmed") as check:
            check.status(answer, ENDED, because=ENDED_REASON)
        await ops.check_ended(t, phone.access_token, "phone-ended")
        await ops.check_ended(t, tablet.access_token, "tablet-ended")
        await _is_live(t, web, "own-lives", "the session that asked lives on")
        await _is_live(t, bob, "bob-lives", "and Bob's")
        listed = await t.service(service).get(path, headers=web.bearer)
        with t.check("one-left", "one session is listed") as check:
            check.status(listed, 200)
            check.equal(_ids(listed), [web.session_id])


def _ending_all(case_id: str, service: str, baseline: list[int]) -> None:
    """Make the case that *service* ends all of them."""
    path = PLACES[service]

    @PHASE.case(
        case_id,
        f"The {service} ends all sessions",
        proves="A user signs out everywhere, here included, and a colleague stays.",
        requirements=["GW-SES-04", "AUTH-SES-04"],
        baseline=baseline,
        tags=[service],
    )
    async def ends_all(t: CaasContext) -> None:
        """Red when the current session lives on, or a colleague's ends."""
        web, phone, _, bob = await _devices(t)
        answer = await t.service(service).delete(f"{path}/all", headers=web.bearer)
        with t.check("confirmed", "the end is confirmed") as check:
            check.status(answer, ENDED, because=ENDED_REASON)
        await ops.check_ended(t, web.access_token, "own-ended")
        await ops.check_ended(t, phone.access_token, "phone-ended")
        await _is_live(t, bob, "bob-lives", "Bob's session lives on")


def _foreign(case_id: str, service: str, baseline: list[int]) -> None:
    """Make the case that *service* gives no foreign session away."""
    path = PLACES[service]

    @PHASE.case(
        case_id,
        f"At the {service} a foreign session looks like none",
        proves="A session of a colleague, of another company and of nobody get the same 404.",
        requirements=["AUTH-SES-03", "SEC-TEN-02"],
        baseline=baseline,
        tags=[service, "security", "negative"],
    )
    async def foreign_is_404(t: CaasContext) -> None:
        """Red when a foreign session is read or ended, or the words give it away."""
        web, _, _, bob = await _devices(t)
        stranger = await (await t.tenants.register()).session("charlie")
        targets = {"colleague": bob.session_id, "stranger": stranger.session_id}
        for method in ("GET", "DELETE"):
            missing = await t.service(service).request(
                method, f"{path}/{ops.UNKNOWN_ID}", headers=web.bearer
            )
            with t.check(f"missing-{method.lower()}", f"{method} of none is a 404") as check:
                check.problem(missing, 404, code="auth.session_not_found")
            for name, session_id in targets.items():
                answer = await t.service(service).request(
                    method, f"{path}/{session_id}", headers=web.bearer
                )
                with t.check(f"{name}-{method.lower()}", f"{method} of a {name}'s too") as check:
                    check.problem(answer, 404, code="auth.session_not_found")
                    check.equal(answer.body, missing.body)
        sample = await t.service(service).delete(f"{path}/sample-id", headers=web.bearer)
        with t.check("sample", "an id that is none is a 404 as well") as check:
            check.problem(sample, 404, code="auth.session_not_found")
        await _is_live(t, bob, "bob-lives", "the colleague is still signed in")
        await _is_live(t, stranger, "stranger-lives", "so is the stranger")


_listing("S14.01", "auth-service", [73])
_ending_one("S14.02", "auth-service", [73])
_ending_others("S14.03", "auth-service", [73])
_ending_all("S14.04", "auth-service", [73])
_foreign("S14.05", "auth-service", [73])
_listing("S14.11", "gateway", [32, 81])
_ending_one("S14.12", "gateway", [82])
_ending_others("S14.13", "gateway", [83])
_ending_all("S14.14", "gateway", [84])
_foreign("S14.15", "gateway", [82])


@PHASE.case(
    "S14.06",
    "One session can be looked at",
    proves="A user reads one of the own sessions by its id.",
    requirements=["AUTH-SES-01"],
    baseline=[73],
    tags=["auth-service"],
)
async def reads_one(t: CaasContext) -> None:
    """Red when the session is another one, or shows how it is stored."""
    web, phone, _, _ = await _devices(t)
    answer = await t.auth.get(f"{ops.SESSIONS}/{phone.session_id}", headers=web.bearer)
    with t.check("it", "it is the phone's session") as check:
        check.status(answer, 200)
        check.matches(
            answer.body,
            {"session_id": phone.session_id, "user_id": web.user_id, "created_at": TIMESTAMP},
        )
        check.absent(answer, "_id", "refresh_token", "family", "head")


@PHASE.case(
    "S14.07",
    "The list says which session is the current one",
    proves="A user who looks at the list knows which entry is the device in hand.",
    requirements=["GW-SES-01"],
    baseline=[32, 73],
)
async def current_is_marked(t: CaasContext) -> None:
    """Red when none is marked, or all are."""
    web, phone, _, _ = await _devices(t)
    for name, session in (("web", web), ("phone", phone)):
        for service, path in PLACES.items():
            answer = await t.service(service).get(path, headers=session.bearer)
            current = answer.at("sessions").derive(
                "current", lambda found: [s["session_id"] for s in found if s.get("is_current")]
            )
            with t.check(f"marked-{name}-{service}", f"{service}: the {name} session") as check:
                check.status(answer, 200)
                check.matches(answer.at("sessions"), list_of(dict, at_least=3, at_most=3))
                check.equal(current, [session.session_id])


async def _narrow(t: CaasContext, tenant: Tenant, user: Session, *scopes: str) -> Session:
    """Open a session for *user* with a key that may open sessions and holds *scopes*."""
    admin = await tenant.login()
    made = await t.gateway.post(
        ops.GATEWAY_KEYS,
        json={"name": "kiosk", "scopes": ["sdk:session:create", *scopes]},
        headers=admin.bearer,
    )
    (key,) = t.need(ops.keep_secret(t, made), "key")
    return await tenant.session(external_id=user.external_id, device="kiosk", api_key=key)


@PHASE.case(
    "S14.08",
    "A narrow session reaches nothing of the user but itself",
    proves="A key that may open sessions is no way to sign a user out, watch or rename them.",
    requirements=["AUTH-SES-05", "GW-KEY-03"],
    baseline=[71, 72, 73, 82, 83, 84],
    tags=["security", "negative", "profile"],
)
async def narrow_session_is_alone(t: CaasContext) -> None:
    """Red when a route of the user asks for a good token and for nothing else."""
    tenant = await t.tenants.register()
    alice = await tenant.session("alice")
    narrow = await _narrow(t, tenant, alice, "message:read")
    for service, path in PLACES.items():
        for method, target in (
            ("GET", path),
            ("GET", f"{path}/{alice.session_id}"),
            ("DELETE", f"{path}/{alice.session_id}"),
            ("DELETE", f"{path}/{ops.UNKNOWN_ID}"),
            ("DELETE", f"{path}/others"),
            ("DELETE", f"{path}/all"),
        ):
            answer = await t.service(service).request(method, target, headers=narrow.bearer)
            what = target.rpartition("/")[2]
            name = {alice.session_id: "alices", ops.UNKNOWN_ID: "unknown"}.get(what, what)
            with t.check(
                f"refused-{service}-{method.lower()}-{name}", f"{service}: {method} {name}"
            ) as check:
                check.problem(answer, 403, code="auth.permission_missing")
                check.lacks(answer.text, alice.session_id)
    for method, body in (("GET", None), ("PUT", {"name": "Mallory"})):
        answer = await t.auth.request(method, ops.PROFILE, json=body, headers=narrow.bearer)
        with t.check(f"refused-profile-{method.lower()}", f"{method} of the profile") as check:
            check.problem(answer, 403, code="auth.permission_missing")
            check.lacks(answer.text, alice.email)
    await _is_live(t, alice, "alice-lives", "Alice is still signed in")
    profile = await t.auth.get(ops.PROFILE, headers=alice.bearer)
    with t.check("not-renamed", "under the name she had") as check:
        check.status(profile, 200)
        check.lacks(profile.text, "Mallory")


@PHASE.case(
    "S14.09",
    "Every session sees, refreshes and ends itself",
    proves="Whatever a session may not do, it may look at itself, go on and leave.",
    requirements=["AUTH-SES-05", "AUTH-OUT-01"],
    baseline=[25, 73, 77, 120],
    tags=["security"],
)
async def narrow_session_has_itself(t: CaasContext) -> None:
    """Red when the permissions of a narrow key lock its sessions in."""
    tenant = await t.tenants.register()
    alice = await tenant.session("alice")
    for service, path in PLACES.items():
        narrow = await _narrow(t, tenant, alice)
        own = f"{path}/{narrow.session_id}"
        seen = await t.service(service).get(own, headers=narrow.bearer)
        with t.check(f"seen-{service}", f"{service}: it sees itself") as check:
            check.status(seen, 200)
            check.equal(seen.at("session_id"), narrow.session_id)
        ended = await t.service(service).delete(own, headers=narrow.bearer)
        with t.check(f"confirmed-{service}", f"{service}: it ends itself") as check:
            check.status(ended, ENDED, because=ENDED_REASON)
        await ops.check_ended(t, narrow.access_token, f"ended-{service}")
    narrow = await _narrow(t, tenant, alice)
    refreshed = await ops.refresh(t, narrow.refresh_token)
    (token,) = t.need(refreshed, "access_token")
    out = await t.auth.post(ops.SDK_LOGOUT, headers={"authorization": f"Bearer {token}"})
    with t.check("left", "it refreshes and logs out") as check:
        check.status(refreshed, 200)
        check.status(out, 200)
    await ops.check_ended(t, token, "ended-by-logout")
    await _is_live(t, alice, "alice-lives", "Alice is still signed in")


@PHASE.case(
    "S14.10",
    "The user's permissions open what they say",
    proves="user:read shows profile and sessions, user:write changes and ends, neither both.",
    requirements=["AUTH-SES-05"],
    baseline=[71, 72, 73],
    tags=["security"],
)
async def user_permissions(t: CaasContext) -> None:
    """Red when one of the two is enough for everything, or not enough for its own."""
    tenant = await t.tenants.register()
    alice = await tenant.session("alice")
    allowed = {"user:read": (OK, 403), "user:write": (403, OK)}
    for scope, (reads, writes) in allowed.items():
        narrow = await _narrow(t, tenant, alice, scope)
        name = scope.replace(":", "-")
        for what, answer, status in (
            ("profile", await t.auth.get(ops.PROFILE, headers=narrow.bearer), reads),
            ("sessions", await t.auth.get(ops.SESSIONS, headers=narrow.bearer), reads),
            (
                "change",
                await t.auth.put(ops.PROFILE, json={"name": "A"}, headers=narrow.bearer),
                writes,
            ),
            (
                "end",
                await t.gateway.delete(f"{ops.GATEWAY_SESSIONS}/others", headers=narrow.bearer),
                writes,
            ),
        ):
            with t.check(f"{name}-{what}", f"{scope}: {what} is {status}") as check:
                if status == OK:
                    check.status(answer, OK)
                else:
                    check.problem(answer, status, code="auth.permission_missing")
