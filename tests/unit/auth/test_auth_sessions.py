"""Sessions: refresh families, endings, and what is told when Redis is away."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from caas.auth.domain.sessions import (
    FAMILY_MAX_AGE_S,
    REUSE_GRACE_MS,
    SESSIONS_PER_USER_MAX,
    Device,
)
from caas.auth.domain.users import UserData
from caas.auth.errors import (
    FieldInvalidError,
    RefreshTokenInvalidError,
    SessionNotFoundError,
    TokenRefusedError,
)
from caas.auth.service.services import AuthServices
from caas.auth.service.sessions.sdk import Caller, Opened
from caas.contracts.auth.identity import ACCESS_TTL_S, REFRESH_TTL_S, SessionsRevoked
from caas.kernel.errors import UnavailableError
from caas.kernel.ids import SessionId, TenantId, UserId, new_id
from caas.runtime.identity.tokens import InvalidTokenError, SessionInvalidError
from caas.testing.auth.use_cases import FakeAuth

pytestmark = pytest.mark.anyio

Open = Callable[..., Awaitable[Opened]]
Register = Callable[..., Awaitable[Any]]


@pytest.fixture
async def alice(register: Register, open_session: Open) -> Opened:
    """Return a session of Alice."""
    made = await register()
    return await open_session(made.api_key)


def _whose(opened: Opened) -> tuple[TenantId, UserId, SessionId]:
    session = opened.tokens.session
    return session.tenant_id, UserId(session.holder_id), session.id


async def test_session_says_whose_it_is(auth: AuthServices, alice: Opened) -> None:
    """The claims are the seed's, with the seed's lifetimes."""
    access = await auth.verifier.verify(alice.tokens.access_token)
    refresh = await auth.verifier.authenticate(alice.tokens.refresh_token)

    assert (access.user_id, access.tenant_id) == (alice.user.id, alice.user.tenant_id)
    assert (access.external_id, access.email) == ("alice", "alice@users.example.com")
    assert (access.type, access.exp - access.iat) == ("access", ACCESS_TTL_S)
    assert (refresh.type, refresh.exp - refresh.iat) == ("refresh", REFRESH_TTL_S)
    assert access.session_id == refresh.session_id
    assert access.jti != refresh.jti


@pytest.mark.parametrize(
    ("ttl_s", "access_s", "refresh_s"),
    [
        (1, 1, 1),
        (ACCESS_TTL_S, ACCESS_TTL_S, ACCESS_TTL_S),
        (ACCESS_TTL_S + 1, ACCESS_TTL_S, ACCESS_TTL_S + 1),
        (REFRESH_TTL_S, ACCESS_TTL_S, REFRESH_TTL_S),
        (None, ACCESS_TTL_S, REFRESH_TTL_S),
    ],
)
async def test_session_lives_as_short_as_its_opener_asked(
    auth: AuthServices,
    fake: FakeAuth,
    register: Register,
    open_session: Open,
    ttl_s: int | None,
    access_s: int,
    refresh_s: int,
) -> None:
    """Both tokens do, never longer than by default, before and after a refresh; then it is over."""
    made = await register()
    opened = await open_session(made.api_key, ttl_s=ttl_s)
    renewed = await auth.sdk_sessions.refresh(opened.tokens.refresh_token)

    for pair in (opened.tokens, renewed):
        access = await auth.verifier.verify(pair.access_token)
        refresh = await auth.verifier.authenticate(pair.refresh_token)
        assert (access.exp - access.iat, refresh.exp - refresh.iat) == (access_s, refresh_s)
    fake.clock.advance(refresh_s)
    with pytest.raises(RefreshTokenInvalidError):
        await auth.sdk_sessions.refresh(renewed.refresh_token)
    with pytest.raises(InvalidTokenError):
        await auth.verifier.verify(renewed.access_token)


async def test_user_is_one_per_external_id_and_tenant(
    register: Register, open_session: Open
) -> None:
    """A second tenant's alice is somebody else."""
    made, other = await register(), await register("admin@other.example.com")

    first = await open_session(made.api_key)
    again = await open_session(made.api_key)
    foreign = await open_session(other.api_key)

    assert first.user.id == again.user.id != foreign.user.id


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (UserData(email="nobody", place="user_data."), "user_data.email"),
        (UserData(username=" ", place="user_data."), "user_data.name"),
        (UserData(username="x" * 101, place="user_data."), "user_data.name"),
        (UserData(username="a\x00b", place="user_data."), "user_data.name"),
        (UserData(metadata={"$where": "1"}), "metadata"),
        (UserData(metadata={"a.b": 1}), "metadata"),
        (UserData(metadata={"n": 2**70}), "metadata.n"),
        (UserData(metadata={f"k{n}": n for n in range(51)}), "metadata"),
    ],
)
async def test_user_data_is_checked_by_name(
    auth: AuthServices, register: Register, data: UserData, path: str
) -> None:
    """Nothing is stored that could not be read back as it was."""
    made = await register()
    opener = await auth.sdk_sessions.opener_of(made.api_key, Caller("198.51.100.7"))
    with pytest.raises(FieldInvalidError) as refused:
        await auth.sdk_sessions.open_for(
            opener,
            external_id="x",
            data=data,
            device=Device(),
            caller=Caller("198.51.100.7"),
        )

    assert refused.value.errors[0][0] == path


async def test_refresh_keeps_every_claim_that_is_no_time_or_id(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """The seed lost external_id here (case 25)."""
    before = await auth.verifier.verify(alice.tokens.access_token)
    fake.clock.advance(100)

    pair = await auth.sdk_sessions.refresh(alice.tokens.refresh_token)

    after = await auth.verifier.verify(pair.access_token)
    changed = {
        name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)
    }
    assert changed == {"jti", "iat", "exp"}


async def test_previous_token_returns_the_same_successor_within_the_grace(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """Byte for byte, so that it does not matter which answer a client keeps."""
    first = await auth.sdk_sessions.refresh(alice.tokens.refresh_token)
    fake.clock.advance(REUSE_GRACE_MS / 1000)

    again = await auth.sdk_sessions.refresh(alice.tokens.refresh_token)

    assert (again.access_token, again.refresh_token) == (first.access_token, first.refresh_token)


async def test_previous_token_after_the_grace_ends_the_session(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """A late repetition can't be told from a thief."""
    pair = await auth.sdk_sessions.refresh(alice.tokens.refresh_token)
    fake.clock.advance(REUSE_GRACE_MS / 1000 + 0.001)

    with pytest.raises(RefreshTokenInvalidError):
        await auth.sdk_sessions.refresh(alice.tokens.refresh_token)

    with pytest.raises(RefreshTokenInvalidError):
        await auth.sdk_sessions.refresh(pair.refresh_token)
    with pytest.raises(SessionInvalidError):
        await auth.verifier.verify(pair.access_token)


async def test_older_token_ends_the_session_even_within_the_grace(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """The grace is for the immediately previous one only."""
    pair = await auth.sdk_sessions.refresh(alice.tokens.refresh_token)
    await auth.sdk_sessions.refresh(pair.refresh_token)

    with pytest.raises(RefreshTokenInvalidError):
        await auth.sdk_sessions.refresh(alice.tokens.refresh_token)

    session = fake.sessions.sessions[alice.tokens.session.id]
    assert session.revoked_reason == "refresh token reused"


async def test_reuse_ends_one_family_only(
    auth: AuthServices, register: Register, open_session: Open
) -> None:
    """The user's other device stays signed in."""
    made = await register()
    stolen, other = await open_session(made.api_key), await open_session(made.api_key)
    pair = await auth.sdk_sessions.refresh(stolen.tokens.refresh_token)
    await auth.sdk_sessions.refresh(pair.refresh_token)
    with pytest.raises(RefreshTokenInvalidError):
        await auth.sdk_sessions.refresh(stolen.tokens.refresh_token)

    await auth.verifier.verify(other.tokens.access_token)
    await auth.sdk_sessions.refresh(other.tokens.refresh_token)


async def test_repetition_works_across_a_key_rotation(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """The successor is made again with the key that signed it first."""
    first = await auth.sdk_sessions.refresh(alice.tokens.refresh_token)
    fresh = await auth.signing_keys.rotate()
    fake.clock.advance(5)
    assert await auth.signing_keys.current_kid() == fresh.kid

    again = await auth.sdk_sessions.refresh(alice.tokens.refresh_token)

    assert again.refresh_token == first.refresh_token


async def test_family_does_not_live_for_ever(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """Refreshing slides the end of a session, up to a limit."""
    token = alice.tokens.refresh_token
    expiries = []
    for _ in range(FAMILY_MAX_AGE_S // (24 * 3600)):
        expiries.append((await auth.verifier.authenticate(token)).exp)
        last = token
        token = (await auth.sdk_sessions.refresh(last)).refresh_token
        fake.clock.advance(24 * 3600)

    with pytest.raises(RefreshTokenInvalidError):
        await auth.sdk_sessions.refresh(token)

    opened_s = alice.tokens.session.created_at_ms // 1000
    assert max(expiries) == opened_s + FAMILY_MAX_AGE_S


async def test_access_token_renews_nothing(auth: AuthServices, alice: Opened) -> None:
    """Nor does a text that is no token."""
    for token in (alice.tokens.access_token, "not-a-token", "", alice.tokens.refresh_token + "x"):
        with pytest.raises(RefreshTokenInvalidError, match=r"^Invalid refresh token$"):
            await auth.sdk_sessions.refresh(token)


async def test_ended_session_is_refused_everywhere(auth: AuthServices, alice: Opened) -> None:
    """Access, refresh and check; the words are the seed's (case 121)."""
    tenant_id, _, session_id = _whose(alice)
    await auth.checks.claims_and_session_of(alice.tokens.access_token)

    assert await auth.endings.end(tenant_id, session_id, reason="logout") is True

    with pytest.raises(TokenRefusedError, match=r"^Session invalid$"):
        await auth.checks.claims_of(alice.tokens.access_token)
    with pytest.raises(RefreshTokenInvalidError):
        await auth.sdk_sessions.refresh(alice.tokens.refresh_token)
    assert await auth.endings.end(tenant_id, session_id, reason="logout") is False


async def test_stored_end_refuses_even_before_it_is_heard(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """The public check asks the store as well."""
    session = alice.tokens.session
    fake.sessions.sessions[session.id] = replace(session, revoked_at_ms=1)

    with pytest.raises(TokenRefusedError, match=r"^Session invalid$"):
        await auth.checks.claims_and_session_of(alice.tokens.access_token)


async def test_end_that_could_not_be_announced_is_no_success_and_can_be_repeated(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """A 200 that other instances never heard of would be a lie."""
    tenant_id, _, session_id = _whose(alice)
    fake.announcer.away = True
    with pytest.raises(UnavailableError):
        await auth.endings.end(tenant_id, session_id, reason="logout")
    fake.announcer.away = False

    assert await auth.endings.end(tenant_id, session_id, reason="logout") is True

    assert fake.announcer.events == [
        SessionsRevoked(tenant_id=tenant_id, session_ids=(session_id,), reason="logout")
    ]


async def test_relay_announces_what_was_left_behind(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """A process that died between storing and announcing loses nothing."""
    tenant_id, _, session_id = _whose(alice)
    await fake.sessions.revoke(tenant_id, session_id, "logout", fake.clock.now_ms())

    assert await auth.endings.relay() == 1
    assert await auth.endings.relay() == 0
    assert await auth.endings.relay(everything=True) == 1
    assert fake.announcer.is_revoked(session_id)


async def test_ending_all_but_one_and_all(
    auth: AuthServices, register: Register, open_session: Open
) -> None:
    """Exactly the holder's own sessions end; another user's don't."""
    made = await register()
    mine = [await open_session(made.api_key) for _ in range(3)]
    bob = await open_session(made.api_key, "bob")
    tenant_id, alice_id, current = _whose(mine[0])

    assert await auth.endings.end_all(tenant_id, alice_id, spare=current, reason="others") == 2
    await auth.verifier.verify(mine[0].tokens.access_token)
    for other in mine[1:]:
        with pytest.raises(SessionInvalidError):
            await auth.verifier.verify(other.tokens.access_token)
    assert await auth.endings.end_all(tenant_id, alice_id, spare=None, reason="all") == 1
    with pytest.raises(SessionInvalidError):
        await auth.verifier.verify(mine[0].tokens.access_token)
    await auth.verifier.verify(bob.tokens.access_token)


async def test_foreign_session_is_as_missing_as_one_that_never_was(
    auth: AuthServices, register: Register, open_session: Open
) -> None:
    """Same error, same words, for another user of the tenant and for another tenant."""
    made, other = await register(), await register("admin@other.example.com")
    alice, bob = await open_session(made.api_key), await open_session(made.api_key, "bob")
    foreign = await open_session(other.api_key)
    tenant_id, alice_id, _ = _whose(alice)
    words = set()
    for session_id in (bob.tokens.session.id, foreign.tokens.session.id, SessionId(new_id())):
        with pytest.raises(SessionNotFoundError) as refused:
            await auth.endings.end_own(tenant_id, alice_id, session_id)
        words.add(str(refused.value))

    assert len(words) == 1
    await auth.verifier.verify(bob.tokens.access_token)
    await auth.verifier.verify(foreign.tokens.access_token)


async def test_user_has_a_bounded_number_of_sessions(
    auth: AuthServices, register: Register, open_session: Open, fake: FakeAuth
) -> None:
    """The one that was idle longest goes."""
    made = await register()
    opened = []
    for _ in range(SESSIONS_PER_USER_MAX + 1):
        fake.clock.advance(1)
        opened.append(await open_session(made.api_key))

    with pytest.raises(SessionInvalidError):
        await auth.verifier.verify(opened[0].tokens.access_token)
    await auth.verifier.verify(opened[1].tokens.access_token)
    claims = await auth.verifier.verify(opened[-1].tokens.access_token)
    listed = await auth.checks.own_sessions(claims, after=None, limit=1000)
    assert len(listed) == SESSIONS_PER_USER_MAX


async def test_sessions_are_paged_newest_first(
    auth: AuthServices, register: Register, open_session: Open, fake: FakeAuth
) -> None:
    """Every open session once, in pages of the size asked for."""
    made = await register()
    opened = []
    for _ in range(7):
        fake.clock.advance(1)
        opened.append(await open_session(made.api_key))
    claims = await auth.verifier.verify(opened[-1].tokens.access_token)
    seen: list[SessionId] = []
    after = None
    while page := await auth.checks.own_sessions(claims, after=after, limit=3):
        assert len(page) <= 3
        seen += [session.id for session in page]
        after = page[-1].id

    assert seen == [one.tokens.session.id for one in reversed(opened)]


async def test_expired_session_is_not_open(
    auth: AuthServices, alice: Opened, fake: FakeAuth
) -> None:
    """Seven days without a refresh end it without anyone doing anything."""
    fake.clock.advance(REFRESH_TTL_S)

    with pytest.raises(InvalidTokenError):
        await auth.verifier.verify(alice.tokens.access_token)
    with pytest.raises(RefreshTokenInvalidError):
        await auth.sdk_sessions.refresh(alice.tokens.refresh_token)
    assert await fake.sessions.count_open(alice.user.tenant_id, fake.clock.now_ms()) == 0


async def test_profile_is_the_tokens_own(
    auth: AuthServices, alice: Opened, register: Register, open_session: Open
) -> None:
    """What one user writes is in no other profile; the tenant's name for the user stays."""
    other = await register("admin@other.example.com")
    foreign = await open_session(other.api_key)
    claims = await auth.verifier.verify(alice.tokens.access_token)
    await auth.profiles.update(claims, name=" Alice B. ", preferences={"theme": "dark"})

    mine = await auth.profiles.find(claims)
    theirs = await auth.profiles.find(await auth.verifier.verify(foreign.tokens.access_token))

    assert (mine.name, mine.username, mine.preferences) == ("Alice B.", "Alice", {"theme": "dark"})
    assert (theirs.name, theirs.preferences) == (None, {})
    with pytest.raises(FieldInvalidError):
        await auth.profiles.update(claims, name=None, preferences=None)
