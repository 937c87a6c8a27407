"""S13: users read and change their own profile, and nothing else of themselves."""

from typing import Any

from caas_conformance.authoring import TIMESTAMP, Phase
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Session

PHASE = Phase(
    "S13",
    "Profile",
    "What users see and change of themselves.",
    tags=("auth", "profile"),
)


@PHASE.case(
    "S13.01",
    "Alice reads her profile",
    proves="A user sees who they are to the platform, and nothing of how it is stored.",
    requirements=["AUTH-PRO-01", "AUTH-PRO-04"],
    baseline=[71],
)
async def user_reads_profile(t: CaasContext) -> None:
    """Red when the profile is another's, or the stored document is returned as it is."""
    tenant = await t.tenants.register()
    session = await tenant.session("alice")
    answer = await t.auth.get(ops.PROFILE, headers=session.bearer)
    with t.check("own", "it is Alice's, with the seed's members") as check:
        check.status(answer, 200)
        check.matches(
            answer.body,
            {
                "user_id": session.user_id,
                "tenant_id": tenant.tenant_id,
                "email": session.email,
                "username": "Alice",
                "mfa_enabled": False,
                "status": "active",
                "created_at": TIMESTAMP,
                "updated_at": TIMESTAMP,
            },
        )
    with t.check("no-storage", "no storage id") as check:
        check.absent(answer, *ops.STORAGE_MEMBERS)


@PHASE.case(
    "S13.02",
    "A changed profile is there at the next read",
    proves="Name and preferences that a user sets are what the user reads afterwards.",
    requirements=["AUTH-PRO-02", "AUTH-PRO-04"],
    baseline=[72],
)
async def change_persists(t: CaasContext) -> None:
    """Red when the change is echoed and not stored."""
    session = await (await t.tenants.register()).session("alice")
    before = await t.auth.get(ops.PROFILE, headers=session.bearer)
    change = {"name": "Alice Updated", "preferences": {"theme": "dark"}}
    updated = await t.auth.put(ops.PROFILE, json=change, headers=session.bearer)
    with t.check("answered", "the answer is the changed profile") as check:
        check.status(updated, 200)
        check.matches(updated.body, {"user_id": session.user_id, **change})
        check.absent(updated, *ops.STORAGE_MEMBERS)
    after = await t.auth.get(ops.PROFILE, headers=session.bearer)
    with t.check("stored", "the next read has it, with a later time of change") as check:
        check.status(after, 200)
        check.matches(after.body, change)
        check.equal(after.at("created_at"), before.at("created_at"))
        check.equal(after.at("email"), before.at("email"))
        check.differs(after.at("updated_at"), before.at("updated_at"))


async def _change(t: CaasContext, session: Session, **members: Any) -> None:
    """Change the profile of *session*'s user, or fail the case."""
    answer = await t.auth.put(ops.PROFILE, json=members, headers=session.bearer)
    t.given(answer, 200, "change the profile")


@PHASE.case(
    "S13.03",
    "A change of one thing leaves the rest",
    proves="Whoever changes only the name keeps the preferences, and the other way round.",
    requirements=["AUTH-PRO-02"],
    baseline=[72],
)
async def partial_change(t: CaasContext) -> None:
    """Red when what is left out is erased."""
    session = await (await t.tenants.register()).session("alice")
    await _change(t, session, name="First", preferences={"theme": "dark"})
    await _change(t, session, name="Second")
    named = await t.auth.get(ops.PROFILE, headers=session.bearer)
    with t.check("preferences-kept", "after a change of name the preferences are there") as check:
        check.status(named, 200)
        check.matches(named.body, {"name": "Second", "preferences": {"theme": "dark"}})
    await _change(t, session, preferences={"theme": "light"})
    themed = await t.auth.get(ops.PROFILE, headers=session.bearer)
    with t.check("name-kept", "after a change of preferences the name is there") as check:
        check.status(themed, 200)
        check.matches(themed.body, {"name": "Second", "preferences": {"theme": "light"}})


@PHASE.case(
    "S13.04",
    "The name outlives the session",
    proves="A name that a user chose is still there after signing in again.",
    requirements=["AUTH-PRO-02", "AUTH-SDK-04"],
    baseline=[72],
)
async def name_outlives_session(t: CaasContext) -> None:
    """Red when the next session's data overwrites what the user chose."""
    tenant = await t.tenants.register()
    session = await tenant.session("alice")
    await _change(t, session, name="Chosen")
    later = await tenant.session("alice", external_id=session.external_id)
    profile = await t.auth.get(ops.PROFILE, headers=later.bearer)
    with t.check("kept", "the chosen name is there in the next session") as check:
        check.status(profile, 200)
        check.matches(profile.body, {"user_id": session.user_id, "name": "Chosen"})


@PHASE.case(
    "S13.05",
    "One user's change is nobody else's",
    proves="A change shows in the own profile alone, not in a colleague's or a stranger's.",
    requirements=["AUTH-PRO-05"],
    baseline=[71, 72],
    tags=["security"],
)
async def change_is_own(t: CaasContext) -> None:
    """Red when the update is not bound to the user, or is bound to the external id alone."""
    tenant = await t.tenants.register()
    alice = await tenant.session("alice")
    colleague = await tenant.session("bob")
    stranger = await (await t.tenants.register()).session(external_id=alice.external_id)
    changed = await t.auth.put(ops.PROFILE, json={"name": "Only Mine"}, headers=alice.bearer)
    with t.check("changed", "Alice's profile is changed") as check:
        check.status(changed, 200)
        check.equal(changed.at("name"), "Only Mine")
    for name, session in (("colleague", colleague), ("stranger", stranger)):
        answer = await t.auth.get(ops.PROFILE, headers=session.bearer)
        with t.check(f"untouched-{name}", f"the {name}'s profile is not") as check:
            check.status(answer, 200)
            check.equal(answer.at("user_id"), session.user_id)
            check.lacks(answer.text, "Only Mine")


def _refused(case_id: str, what: str, body: Any, reason: dict[str, Any]) -> None:
    """Make the case that a change with *body* is a 400 for *reason* and changes nothing."""

    @PHASE.case(
        case_id,
        f"{what} is refused",
        proves="Users change their name and preferences, and nothing else about themselves.",
        requirements=["AUTH-PRO-03"],
        baseline=[72],
        tags=["negative", "validation"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when it is stored, silently dropped, or becomes a 5xx."""
        session = await (await t.tenants.register()).session("alice")
        await _change(t, session, name="Chosen", preferences={"theme": "dark"})
        before = await t.auth.get(ops.PROFILE, headers=session.bearer)
        answer = await t.auth.put(ops.PROFILE, json=body, headers=session.bearer)
        after = await t.auth.get(ops.PROFILE, headers=session.bearer)
        with t.check("refused", "it is a 400 that says what is wrong") as check:
            check.problem(answer, 400, **reason)
        with t.check("unchanged", "the profile is what it was") as check:
            check.status(after, 200)
            check.matches(after.body, {"name": "Chosen", "preferences": {"theme": "dark"}})
            check.equal(after.body, before.body)


UNKNOWN = "unknown field"
MALFORMED: tuple[tuple[str, str, Any, dict[str, Any]], ...] = (
    ("S13.06", "A role", {"name": "X", "role": "tenant_admin"}, ops.breaks("role", UNKNOWN)),
    ("S13.07", "A chosen user id", {"name": "X", "user_id": ops.UNKNOWN_ID},
     ops.breaks("user_id", UNKNOWN)),
    ("S13.08", "Another tenant", {"name": "X", "tenant_id": ops.UNKNOWN_ID},
     ops.breaks("tenant_id", UNKNOWN)),
    ("S13.09", "A status", {"name": "X", "status": "admin"}, ops.breaks("status", UNKNOWN)),
    ("S13.10", "An operator object as name", {"name": {"$set": "X"}},
     ops.breaks("name", "got `object`")),
    ("S13.11", "An empty name", {"name": ""}, ops.breaks("name", "length >= 1")),
    ("S13.12", "A change of nothing", {}, ops.breaks("body", "at least one of name, preferences")),
    ("S13.13", "An operator among the preferences", {"preferences": {"$where": "1"}},
     ops.breaks("preferences", "keys are letters") | {"code": "auth.field_invalid"}),
    ("S13.14", "A name of 10,000 characters", {"name": "x" * 10_000},
     ops.breaks("name", "length <= ")),
)  # fmt: skip
for _row in MALFORMED:
    _refused(*_row)


@PHASE.case(
    "S13.15",
    "The profile needs a live token",
    proves="Without a token, or with one that ended, there is no profile to read or change.",
    requirements=["AUTH-PRO-06", "HTTP-06"],
    baseline=[71, 72],
    tags=["negative", "security"],
)
async def profile_needs_token(t: CaasContext) -> None:
    """Red when a profile is served without a token or after logout."""
    tenant = await t.tenants.register()
    session = await tenant.session("alice")
    ended = await tenant.session("bob")
    await ops.log_out(t, ended)
    missing = "auth.credential_missing"
    credentials = {
        "none": ({}, missing),
        "key": (tenant.key, missing),
        "ended": (ended.bearer, "session_invalid"),
    }
    requests: tuple[tuple[str, dict[str, Any]], ...] = (
        ("GET", {}),
        ("PUT", {"json": {"name": "Intruder"}}),
    )
    for name, (headers, code) in credentials.items():
        for method, body in requests:
            answer = await t.auth.request(method, ops.PROFILE, headers=headers, **body)
            with t.check(f"refused-{name}-{method.lower()}", f"{method}: {name}") as check:
                check.problem(answer, 401, code=code)
                check.contains(answer.header("www-authenticate"), "Bearer")
                check.absent(answer, "user_id", "email")
    profile = await t.auth.get(ops.PROFILE, headers=session.bearer)
    with t.check("own-works", "while a live token reads its own") as check:
        check.status(profile, 200)
        check.equal(profile.at("user_id"), session.user_id)
