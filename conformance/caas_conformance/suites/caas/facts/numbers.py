"""What the platform counts, and where it tells when something was last used."""

from caas_conformance.laws.parties import Party
from caas_conformance.laws.wide.facts import LastSeen, Tally
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.facts.principals import ADMIN, KEYS_PATH, PERMISSIONS, make_key
from caas_conformance.suites.caas.fixtures import Session
from caas_conformance.wire.answer import Answer

USERS, SESSIONS, KEYS = "users", "active_sessions", "api_keys"
KEY_ID, KEY, SESSION_ID, TOKEN = "key id", "key", "session id", "token"


async def _known_user(_: CaasContext, party: Party) -> None:
    await _open(party, party.user)


async def _new_user(t: CaasContext, party: Party) -> None:
    await _open(party, t.unique("user"))


async def _open(party: Party, user: str) -> Session:
    session: Session = await party.account.session(external_id=user)
    party.ids[("", SESSION_ID)] = session.session_id
    party.ids[("", TOKEN)] = session.refresh_token
    party.held[("last", None)] = session.bearer
    return session


async def _make_key(t: CaasContext, party: Party) -> None:
    answer = await make_key(t, party, PERMISSIONS)
    party.ids[("", KEY_ID)], party.ids[("", KEY)] = t.need(answer, "id", "key")


async def _refused_key(t: CaasContext, party: Party) -> None:
    await t.gateway.post(
        KEYS_PATH, json={"name": "law", "scopes": ["root"]}, headers=party.held[(ADMIN, None)]
    )


async def _delete_key(t: CaasContext, party: Party) -> None:
    path = f"{KEYS_PATH}/{party.ids[('', KEY_ID)]}"
    await t.gateway.delete(path, headers=party.held[(ADMIN, None)])


async def _end_session(t: CaasContext, party: Party) -> None:
    await t.auth.post(ops.SDK_LOGOUT, headers=party.held[("last", None)])


async def _logged_in(party: Party) -> None:
    party.held[(ADMIN, None)] = (await party.account.login()).bearer


_STEPS = {
    "a-new-user": (_new_user, {USERS: 1, SESSIONS: 1}),
    "another-session-of-a-user": (_known_user, {USERS: 1, SESSIONS: 1}),
    "a-third-session-of-the-same": (_known_user, {SESSIONS: 1}),
    "an-ended-session": (_end_session, {SESSIONS: -1}),
    "a-session-ended-again": (_end_session, {}),
    "a-key": (_make_key, {KEYS: 1}),
    "a-key-that-was-refused": (_refused_key, {}),
    "a-deleted-key": (_delete_key, {KEYS: -1}),
    "a-key-deleted-again": (_delete_key, {}),
}

TALLIES = tuple(
    Tally(shown_by=number, members=(USERS, SESSIONS, KEYS), steps=_STEPS)
    for number in ("G02", "A30")
)


async def _key(t: CaasContext, party: Party) -> None:
    await _logged_in(party)
    await _make_key(t, party)


async def _use_key(t: CaasContext, party: Party) -> None:
    await t.gateway.get(ops.GATEWAY_TENANT, headers={"x-api-key": party.ids[("", KEY)]})


async def _show_key(t: CaasContext, party: Party) -> Answer:
    path = f"{KEYS_PATH}/{party.ids[('', KEY_ID)]}"
    return await t.gateway.get(path, headers=party.held[(ADMIN, None)])


async def _session(_: CaasContext, party: Party) -> None:
    await _open(party, party.user)


async def _renew(t: CaasContext, party: Party) -> None:
    renewed = await ops.refresh(t, party.ids[("", TOKEN)])
    (token,) = t.need(renewed, "access_token")
    party.held[("last", None)] = {"authorization": f"Bearer {token}"}


async def _show_session(t: CaasContext, party: Party) -> Answer:
    path = f"{ops.GATEWAY_SESSIONS}/{party.ids[('', SESSION_ID)]}"
    return await t.gateway.get(path, headers=party.held[("last", None)])


LAST_SEEN = (
    LastSeen(number="G06", what="a named key", make=_key, use=_use_key, show=_show_key,
             member="last_used_at"),
    LastSeen(number="G09", what="a session", make=_session, use=_renew, show=_show_session,
             member="last_activity_at"),
)  # fmt: skip
