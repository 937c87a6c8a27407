"""One suite over the fake stores and over MongoDB: what a fake promises, the database keeps."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from caas.auth.domain.clients import Client
from caas.auth.domain.keys import NamedKey, StoredKey
from caas.auth.domain.sessions import Device, Family, Issue, Session, expiry_of
from caas.auth.domain.signing import SigningKey
from caas.auth.domain.users import UserData
from caas.auth.errors import EmailTakenError
from caas.auth.ports import (
    ClientStore,
    KeyUseStore,
    NamedKeyStore,
    SessionStore,
    SigningKeyStore,
    UserStore,
)
from caas.auth.store.clients import MongoClientStore
from caas.auth.store.documents import open_collections
from caas.auth.store.keys import MongoKeyUseStore, MongoNamedKeyStore
from caas.auth.store.sessions import MongoSessionStore
from caas.auth.store.signing_keys import MongoSigningKeyStore
from caas.auth.store.users import MongoUserStore
from caas.contracts.auth.api import Preference
from caas.kernel.ids import ApiKeyId, ClientId, SessionId, TenantId, UserId, new_id
from caas.runtime.data.mongo import open_mongo
from caas.testing.auth.stores import (
    MemoryClientStore,
    MemoryKeyUseStore,
    MemoryNamedKeyStore,
    MemorySessionStore,
    MemorySigningKeyStore,
    MemoryUserStore,
)

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

NOW_MS = 4_000_000_000_000  # far ahead, so that MongoDB purges nothing as expired in mid-test
TENANT = TenantId("11111111-1111-4111-8111-111111111111")
OTHER = TenantId("22222222-2222-4222-8222-222222222222")
ALICE = UserId("33333333-3333-4333-8333-333333333333")


@dataclass(frozen=True, slots=True)
class Stores:
    """Every store of one kind."""

    clients: ClientStore
    named_keys: NamedKeyStore
    uses: KeyUseStore
    users: UserStore
    sessions: SessionStore
    signing_keys: SigningKeyStore


@pytest.fixture(params=["memory", "mongodb"])
async def stores(
    request: pytest.FixtureRequest, mongodb_url: str, database: str
) -> AsyncIterator[Stores]:
    """Return empty stores of both kinds, one after the other."""
    if request.param == "memory":
        yield Stores(
            MemoryClientStore(),
            MemoryNamedKeyStore(),
            MemoryKeyUseStore(),
            MemoryUserStore(),
            MemorySessionStore(),
            MemorySigningKeyStore(),
        )
        return
    client = open_mongo(mongodb_url, app_name="contract")
    await open_collections(client[database])
    await open_collections(client[database])  # again: what is there stays
    yield Stores(
        MongoClientStore(),
        MongoNamedKeyStore(),
        MongoKeyUseStore(),
        MongoUserStore(),
        MongoSessionStore(),
        MongoSigningKeyStore(),
    )
    await client.drop_database(database)
    await client.close()


def _key(digest: str = "a" * 64, at_ms: int = NOW_MS) -> StoredKey:
    return StoredKey(ApiKeyId(new_id()), digest, "caas_prod_aaaaaaaa", at_ms)


def _client(email_key: str = "admin@example.com", digest: str = "a" * 64) -> Client:
    return Client(
        id=ClientId(new_id()),
        tenant_id=TenantId(new_id()),
        company_name="Acme",
        email=email_key,
        email_key=email_key,
        password_hash="$argon2id$",
        plan="business",
        status="active",
        secret_digest="b" * 64,
        primary=_key(digest),
        secondary=None,
        ip_whitelist=(),
        origin_whitelist=(),
        created_at_ms=NOW_MS,
        updated_at_ms=NOW_MS,
    )


def _session(holder: UserId = ALICE, tenant: TenantId = TENANT, at_ms: int = NOW_MS) -> Session:
    issue = Issue(new_id(), new_id(), "kid", at_ms // 1000)
    return Session(
        id=SessionId(new_id()),
        kind="user",
        tenant_id=tenant,
        client_id=ClientId(new_id()),
        holder_id=holder,
        external_id="alice",
        email=None,
        permissions=("message:read",),
        ip_address="198.51.100.7",
        user_agent="test",
        device=Device(device_type="web"),
        family=Family(0, issue),
        created_at_ms=at_ms,
        last_activity_at_ms=at_ms,
        expires_at_ms=expiry_of(at_ms, issue, None),
    )


async def test_client_is_found_by_everything_that_names_it(stores: Stores) -> None:
    """And reads back as it was written."""
    client = _client()
    await stores.clients.add(client)

    for found in (
        await stores.clients.by_id(client.id),
        await stores.clients.by_tenant(client.tenant_id),
        await stores.clients.by_email_key(client.email_key),
        await stores.clients.by_key_digest("a" * 64),
    ):
        assert found == client
    for missing in (
        await stores.clients.by_id(ClientId(new_id())),
        await stores.clients.by_tenant(TENANT),
        await stores.clients.by_email_key("other@example.com"),
        await stores.clients.by_key_digest("b" * 64),
    ):
        assert missing is None


async def test_address_registers_once_however_many_try(stores: Stores) -> None:
    """The store decides, not a look-up before it."""
    attempts = [_client(digest=f"{n:064x}") for n in range(20)]
    outcomes = await asyncio.gather(
        *(stores.clients.add(one) for one in attempts), return_exceptions=True
    )

    assert [o for o in outcomes if o is None] == [None]
    assert sum(isinstance(o, EmailTakenError) for o in outcomes) == 19


async def test_promotion_is_one_step_and_happens_once(stores: Stores) -> None:
    """Parallel promotions move one key once."""
    client = _client()
    await stores.clients.add(client)
    fresh = _key("c" * 64, NOW_MS + 1)
    before = await stores.clients.set_secondary(client.id, fresh)
    assert before == client

    moved = await asyncio.gather(
        *(stores.clients.promote(client.id, NOW_MS + 2) for _ in range(10))
    )

    assert sum(one is not None for one in moved) == 1
    now = await stores.clients.by_id(client.id)
    assert now == replace(client, primary=fresh, secondary=None, updated_at_ms=NOW_MS + 2)
    assert await stores.clients.by_key_digest("a" * 64) is None
    assert await stores.clients.promote(ClientId(new_id()), NOW_MS) is None


async def test_key_is_dropped_from_its_place_by_id(stores: Stores) -> None:
    """A key that was replaced meanwhile is not dropped in its stead."""
    client = _client()
    await stores.clients.add(client)
    assert client.primary is not None

    stale = ApiKeyId(new_id())
    assert not await stores.clients.drop_key(client.id, "primary", stale, NOW_MS)
    assert await stores.clients.drop_key(client.id, "primary", client.primary.id, NOW_MS)
    assert not await stores.clients.drop_key(client.id, "primary", client.primary.id, NOW_MS)
    dropped = await stores.clients.by_id(client.id)
    assert dropped is not None
    assert dropped.primary is None


async def test_clients_without_keys_do_not_collide(stores: Stores) -> None:
    """The unique index on digests is about keys that exist."""
    for number in range(3):
        client = _client(f"{number}@example.com", f"{number:064x}")
        await stores.clients.add(client)
        assert client.primary is not None
        await stores.clients.drop_key(client.id, "primary", client.primary.id, NOW_MS)


async def test_whitelist_is_a_bounded_set(stores: Stores) -> None:
    """An entry that is there already fits even when the list is full."""
    client = _client()
    await stores.clients.add(client)

    async def add(entry: str) -> bool:
        return await stores.clients.list_entry(client.id, "ip_whitelist", entry, entries_max=2)

    assert [await add("a"), await add("b"), await add("a"), await add("c")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert await stores.clients.unlist_entry(client.id, "ip_whitelist", "a")
    assert not await stores.clients.unlist_entry(client.id, "ip_whitelist", "a")
    now = await stores.clients.by_id(client.id)
    assert now is not None
    assert (now.ip_whitelist, now.origin_whitelist) == (("b",), ())


async def test_rename_changes_name_and_date_only(stores: Stores) -> None:
    """And nothing of a tenant that does not exist."""
    client = _client()
    await stores.clients.add(client)

    renamed = await stores.clients.rename(client.tenant_id, "New", NOW_MS + 5)

    assert renamed == replace(client, company_name="New", updated_at_ms=NOW_MS + 5)
    assert await stores.clients.rename(TENANT, "New", NOW_MS) is None


async def test_named_keys_are_paged_per_tenant(stores: Stores) -> None:
    """Every key once, oldest first, and none of another tenant."""
    made = []
    for number in range(5):
        key = NamedKey(
            _key(f"{number:064x}", NOW_MS + number // 2),
            TENANT,
            ClientId("c"),
            f"k{number}",
            ("a",),
            "u",
            by_member=number % 2 == 0,
        )
        await stores.named_keys.add(key)
        made.append(key)
    foreign = NamedKey(_key("f" * 64), OTHER, ClientId("d"), "foreign", (), "u")
    await stores.named_keys.add(foreign)
    seen: list[NamedKey] = []
    after = None
    while page := await stores.named_keys.page(TENANT, after=after, limit=2):
        seen += page
        after = page[-1].key.id

    assert seen == sorted(made, key=lambda k: (k.key.created_at_ms, k.key.id))
    assert await stores.named_keys.count(TENANT) == 5
    assert await stores.named_keys.find(TENANT, foreign.key.id) is None
    assert await stores.named_keys.by_digest("f" * 64) == foreign
    assert await stores.named_keys.page(TENANT, after=foreign.key.id, limit=5) == []
    assert not await stores.named_keys.remove(TENANT, foreign.key.id)
    assert await stores.named_keys.remove(TENANT, made[0].key.id)
    assert await stores.named_keys.by_digest(f"{0:064x}") is None


async def test_last_use_never_moves_back(stores: Stores) -> None:
    """Batches of several instances arrive in any order."""
    await stores.uses.record({"k1": 20, "k2": 5})
    await stores.uses.record({"k1": 10, "k2": 6})
    await stores.uses.record({})

    assert await stores.uses.last_uses_ms(["k1", "k2", "k3"]) == {"k1": 20, "k2": 6}


async def test_user_is_one_per_tenant_and_external_id(stores: Stores) -> None:
    """However many first sessions open at once."""
    data = UserData(email="alice@example.com", username="Alice")
    users = await asyncio.gather(
        *(stores.users.upsert(TENANT, "alice", data, NOW_MS) for _ in range(20))
    )
    foreign = await stores.users.upsert(OTHER, "alice", data, NOW_MS)

    assert len({user.id for user in users}) == 1
    assert foreign.id != users[0].id
    assert (await stores.users.count(TENANT), await stores.users.count(OTHER)) == (1, 1)
    assert await stores.users.find(OTHER, users[0].id) is None


async def test_upsert_changes_what_is_said_and_leaves_the_rest(stores: Stores) -> None:
    """What the user chose stays; saying the same again changes no date."""
    first = await stores.users.upsert(
        TENANT, "alice", UserData("a@example.com", "Alice", {"tier": 1}), NOW_MS
    )
    await stores.users.update_profile(
        TENANT, first.id, name="Al", preferences={"theme": "dark"}, now_ms=NOW_MS + 1
    )
    same = await stores.users.upsert(TENANT, "alice", UserData("a@example.com"), NOW_MS + 2)
    renamed = await stores.users.upsert(TENANT, "alice", UserData(username="Alicia"), NOW_MS + 3)

    assert (same.updated_at_ms, renamed.updated_at_ms) == (NOW_MS + 1, NOW_MS + 3)
    assert (renamed.username, renamed.name, renamed.email) == ("Alicia", "Al", "a@example.com")
    assert (renamed.preferences, renamed.metadata) == ({"theme": "dark"}, {"tier": 1})
    assert renamed == await stores.users.find(TENANT, first.id)
    assert renamed.created_at_ms == NOW_MS
    missing = UserId(new_id())
    changed = await stores.users.update_profile(
        TENANT, missing, name="x", preferences=None, now_ms=NOW_MS
    )
    assert changed is None


@pytest.mark.parametrize(("before", "after"), [(True, 1), (1, 1.0), (0, False)])
async def test_upsert_tells_values_apart_that_python_does_not(
    stores: Stores, before: Preference, after: Preference
) -> None:
    """JSON has true, 1 and 1.0; the tenant gets back what it said last."""
    await stores.users.upsert(TENANT, "alice", UserData(metadata={"flag": before}), NOW_MS)
    user = await stores.users.upsert(TENANT, "alice", UserData(metadata={"flag": after}), NOW_MS)

    assert repr(user.metadata["flag"]) == repr(after)


async def test_session_reads_back_and_is_its_tenants_alone(stores: Stores) -> None:
    """Another tenant finds nothing by the same id."""
    session = _session()
    await stores.sessions.add(session)

    assert await stores.sessions.find(TENANT, session.id) == session
    assert await stores.sessions.find(OTHER, session.id) is None


async def test_one_of_many_rotations_wins(stores: Stores) -> None:
    """The head moves once; the loser learns that it lost."""
    session = _session()
    assert session.family is not None
    await stores.sessions.add(session)
    head = session.family.head.refresh_jti
    successors = [Issue(new_id(), new_id(), "kid", NOW_MS // 1000 + 60) for _ in range(20)]
    moved = await asyncio.gather(
        *(stores.sessions.rotate(session, head, one, NOW_MS + 60_000) for one in successors)
    )

    [winner] = [one for one in moved if one is not None]
    assert winner.family is not None
    assert winner == await stores.sessions.find(TENANT, session.id)
    assert (winner.family.generation, winner.family.previous_jti) == (1, head)
    assert winner.family.rotated_at_ms == winner.last_activity_at_ms == NOW_MS + 60_000
    assert winner.expires_at_ms == session.expires_at_ms + 60_000


async def test_ended_or_expired_session_does_not_rotate(stores: Stores) -> None:
    """Nor one that another tenant names."""
    session = _session()
    assert session.family is not None
    await stores.sessions.add(session)
    head, fresh = session.family.head.refresh_jti, Issue(new_id(), new_id(), "kid", 1)

    assert await stores.sessions.rotate(session, head, fresh, session.expires_at_ms) is None
    stolen = replace(session, tenant_id=OTHER)
    assert await stores.sessions.rotate(stolen, head, fresh, NOW_MS) is None
    await stores.sessions.revoke(TENANT, session.id, "test", NOW_MS)
    assert await stores.sessions.rotate(session, head, fresh, NOW_MS) is None


async def test_end_is_to_be_announced_until_it_was(stores: Stores) -> None:
    """A repeated call announces again until someone says that it is known."""
    session = _session()
    await stores.sessions.add(session)

    async def revoke() -> bool:
        return await stores.sessions.revoke(TENANT, session.id, "logout", NOW_MS + 1)

    assert (await revoke(), await revoke()) == (True, True)
    await stores.sessions.announced([session.id])
    assert not await revoke()
    assert not await stores.sessions.revoke(OTHER, session.id, "x", NOW_MS)
    ended = await stores.sessions.find(TENANT, session.id)
    assert ended is not None
    assert (ended.revoked_at_ms, ended.revoked_reason) == (NOW_MS + 1, "logout")


async def test_all_but_one_end(stores: Stores) -> None:
    """Exactly the holder's own."""
    mine = [_session() for _ in range(3)]
    foreign = [_session(UserId(new_id())), _session(ALICE, OTHER)]
    for session in (*mine, *foreign):
        await stores.sessions.add(session)

    async def revoke(spare: SessionId | None) -> set[SessionId]:
        return set(
            await stores.sessions.revoke_all(
                TENANT, ALICE, spare=spare, reason="x", now_ms=NOW_MS + 1
            )
        )

    assert await revoke(mine[0].id) == {mine[1].id, mine[2].id}
    assert await revoke(mine[0].id) == {mine[1].id, mine[2].id}  # not announced yet
    await stores.sessions.announced([mine[1].id, mine[2].id])
    assert await revoke(None) == {mine[0].id}
    for session in foreign:
        found = await stores.sessions.find(session.tenant_id, session.id)
        assert found == session


async def test_ended_sessions_are_paged_for_the_relay(stores: Stores) -> None:
    """Each once, by id; those that were announced only when asked for."""
    sessions = [_session() for _ in range(5)]
    for session in sessions:
        await stores.sessions.add(session)
    for session in sessions[:4]:
        await stores.sessions.revoke(TENANT, session.id, "x", NOW_MS + 10)
    await stores.sessions.announced([sessions[0].id])

    async def ids(*, unannounced_only: bool, since_ms: int = NOW_MS) -> list[str]:
        seen: list[str] = []
        after = None
        while page := await stores.sessions.ended_since(
            since_ms, unannounced_only=unannounced_only, after=after, limit=2
        ):
            seen += [one.id for one in page]
            after = page[-1].id
        return seen

    assert await ids(unannounced_only=True) == sorted(one.id for one in sessions[1:4])
    assert await ids(unannounced_only=False) == sorted(one.id for one in sessions[:4])
    assert await ids(unannounced_only=False, since_ms=NOW_MS + 11) == []


async def test_open_sessions_are_listed_counted_and_trimmed(stores: Stores) -> None:
    """Newest first; ended and expired ones don't count."""
    sessions = [_session(at_ms=NOW_MS + number * 1000) for number in range(6)]
    for session in (*sessions, _session(UserId(new_id())), _session(ALICE, OTHER)):
        await stores.sessions.add(session)
    await stores.sessions.revoke(TENANT, sessions[2].id, "x", NOW_MS)
    wanted = [one.id for one in reversed(sessions) if one is not sessions[2]]
    seen: list[SessionId] = []
    after = None
    while page := await stores.sessions.page(TENANT, ALICE, now_ms=NOW_MS, after=after, limit=2):
        seen += [one.id for one in page]
        after = page[-1].id

    assert seen == wanted
    assert await stores.sessions.count_open(TENANT, NOW_MS) == 6
    assert await stores.sessions.count_open(TENANT, sessions[-1].expires_at_ms) == 0
    surplus = await stores.sessions.oldest_beyond(TENANT, ALICE, keep=2, now_ms=NOW_MS)
    assert list(surplus) == wanted[2:]


async def test_sequence_number_is_taken_once(stores: Stores) -> None:
    """So one of two instances that rotate at once does."""
    keys = [SigningKey(f"kid-{n}", 1, "x", b"\x00\xff", NOW_MS, NOW_MS + n) for n in range(5)]
    outcomes = await asyncio.gather(*(stores.signing_keys.add(key) for key in keys))

    assert sorted(outcomes) == [False] * 4 + [True]
    [stored] = await stores.signing_keys.all()
    assert stored == keys[outcomes.index(True)]
    await stores.signing_keys.remove(stored.kid)
    assert await stores.signing_keys.all() == []
