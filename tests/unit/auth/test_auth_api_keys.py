"""API keys: two places, named ones, and what is left of a dead one."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import pytest

from caas.auth.domain.keys import NAMED_KEYS_MAX, digest_of
from caas.auth.domain.scopes import WRITE_USER, check_permission, expand_scopes, grant
from caas.auth.domain.whitelists import ENTRIES_MAX
from caas.auth.errors import (
    AddressNotAllowedError,
    ApiKeyInvalidError,
    ApiKeyNotFoundError,
    AppCredentialsInvalidError,
    ClientNotFoundError,
    EntryNotFoundError,
    FieldInvalidError,
    ListFullError,
    NoSecondaryKeyError,
    NoSuchKeyError,
    OriginNotAllowedError,
    PermissionMissingError,
    ScopesExceededError,
)
from caas.auth.service.keys.uses import PENDING_MAX
from caas.auth.service.services import AuthServices
from caas.contracts.auth.identity import (
    CLIENT_PERMISSIONS,
    READ_SCOPES,
    USER_PERMISSIONS,
    ApiKeyRevoked,
    Claims,
    permissions_of,
)
from caas.kernel.errors import UnavailableError
from caas.kernel.ids import ApiKeyId, ClientId, TenantId, new_id
from caas.testing.auth.use_cases import PEPPER, FakeAuth

pytestmark = pytest.mark.anyio

HERE = "198.51.100.7"
Register = Callable[..., Awaitable[Any]]


async def _lives(auth: AuthServices, key: str) -> bool:
    try:
        await auth.key_check.holder_of(key, ip_address=HERE, origin=None)
    except ApiKeyInvalidError:
        return False
    return True


async def test_both_keys_live_until_promotion(auth: AuthServices, register: Register) -> None:
    """A company can deploy the new key before the old one dies."""
    made = await register()
    second = await auth.account_keys.rotate(made.client.id)
    assert (await _lives(auth, made.api_key), await _lives(auth, second)) == (True, True)

    await auth.account_keys.promote(made.client.id)

    assert (await _lives(auth, made.api_key), await _lives(auth, second)) == (False, True)


async def test_promotion_without_a_secondary_is_a_conflict(
    auth: AuthServices, register: Register
) -> None:
    """And the primary key stays."""
    made = await register()

    with pytest.raises(NoSecondaryKeyError):
        await auth.account_keys.promote(made.client.id)

    assert await _lives(auth, made.api_key)


async def test_second_rotation_kills_the_first_secondary(
    auth: AuthServices, register: Register, fake: FakeAuth
) -> None:
    """There is one secondary place; what falls out of it is announced."""
    made = await register()
    first = await auth.account_keys.rotate(made.client.id)
    second = await auth.account_keys.rotate(made.client.id)

    assert (await _lives(auth, first), await _lives(auth, second)) == (False, True)
    assert [type(event) for event in fake.announcer.events] == [ApiKeyRevoked]


@pytest.mark.parametrize("place", ["primary", "secondary"])
async def test_revocation_kills_the_named_key_only(
    auth: AuthServices, register: Register, place: Any
) -> None:
    """The other one works on; a second revocation finds nothing."""
    made = await register()
    second = await auth.account_keys.rotate(made.client.id)

    await auth.account_keys.revoke(made.client.id, place)

    alive = (await _lives(auth, made.api_key), await _lives(auth, second))
    assert alive == (place != "primary", place != "secondary")
    with pytest.raises(NoSuchKeyError):
        await auth.account_keys.revoke(made.client.id, place)


async def test_unknown_account_is_not_found(auth: AuthServices) -> None:
    """For each kind of change."""
    nobody = ClientId(new_id())
    for change in (
        auth.account_keys.rotate(nobody),
        auth.account_keys.promote(nobody),
        auth.account_keys.revoke(nobody, "primary"),
        auth.whitelists.add(nobody, "ip_whitelist", "10.0.0.1"),
        auth.whitelists.entries(nobody, "origin_whitelist"),
    ):
        with pytest.raises(ClientNotFoundError):
            await change


async def test_account_key_holds_the_seeds_permissions(
    auth: AuthServices, register: Register
) -> None:
    """Seed case 17."""
    made = await register()

    holder = await auth.key_check.holder_of(made.api_key, ip_address=HERE, origin=None)

    assert holder.permissions == CLIENT_PERMISSIONS
    assert holder.client.plan == "business"


@pytest.mark.parametrize(
    "key", ["", "caas_invalid_key_12345", "caas_prod_" + "0" * 63, "caas_prod_" + "g" * 64,
            "caas_prod_" + "A" * 64, "caas_prod_.*", "caas_key_" + "0" * 64]
)  # fmt: skip
async def test_what_is_no_key_is_refused(auth: AuthServices, register: Register, key: str) -> None:
    """Whether it is misspelt or was never issued is not told."""
    await register()

    with pytest.raises(ApiKeyInvalidError, match=r"^Invalid API key$"):
        await auth.key_check.holder_of(key, ip_address=HERE, origin=None)


async def test_whitelists_bind_the_key(auth: AuthServices, register: Register) -> None:
    """Address first, then origin; another account is not bound."""
    made, other = await register(), await register("admin@other.example.com")
    assert await auth.whitelists.add(made.client.id, "ip_whitelist", "10.0.0.7") == "10.0.0.7/32"
    await auth.whitelists.add(made.client.id, "origin_whitelist", "HTTPS://App.Example.com:443")

    with pytest.raises(AddressNotAllowedError):
        await auth.key_check.holder_of(made.api_key, ip_address="10.0.0.8", origin=None)
    with pytest.raises(OriginNotAllowedError):
        await auth.key_check.holder_of(made.api_key, ip_address="10.0.0.7", origin=None)
    await auth.key_check.holder_of(
        made.api_key, ip_address="::ffff:10.0.0.7", origin="https://app.example.com"
    )
    await auth.key_check.holder_of(other.api_key, ip_address="10.0.0.8", origin=None)


async def test_whitelist_entries_are_bounded_and_spelt_one_way(
    auth: AuthServices, register: Register
) -> None:
    """The same network twice is one entry; one entry too many is a conflict."""
    made = await register()
    for number in range(ENTRIES_MAX):
        await auth.whitelists.add(made.client.id, "ip_whitelist", f"10.0.{number}.1")
    await auth.whitelists.add(made.client.id, "ip_whitelist", "::ffff:10.0.5.1")

    with pytest.raises(ListFullError):
        await auth.whitelists.add(made.client.id, "ip_whitelist", "192.0.2.1")
    assert await auth.whitelists.remove(made.client.id, "ip_whitelist", "10.0.5.1/32")
    with pytest.raises(EntryNotFoundError):
        await auth.whitelists.remove(made.client.id, "ip_whitelist", "10.0.5.1")


async def test_app_secret_is_no_api_key_and_the_reverse(
    auth: AuthServices, register: Register
) -> None:
    """Each credential opens its own door only, and wrong pairs are refused alike."""
    made, other = await register(), await register("admin@other.example.com")
    client_id = made.client.id
    assert await auth.key_check.app_of(client_id, made.api_secret, ip_address=HERE) == made.client

    assert not await _lives(auth, made.api_secret)
    for app_id, secret in (
        (client_id, made.api_key),
        (client_id, other.api_secret),
        (other.client.id, made.api_secret),
        (new_id(), made.api_secret),
        ("default-tenant", "secret"),
    ):
        with pytest.raises(AppCredentialsInvalidError, match=r"^Invalid app credentials$"):
            await auth.key_check.app_of(app_id, secret, ip_address=HERE)


async def test_named_key_holds_no_more_than_its_maker(
    auth: AuthServices, register: Register
) -> None:
    """Asked for more, nothing is made."""
    made = await register()
    tenant = made.client.tenant_id

    with pytest.raises(ScopesExceededError, match="message:write"):
        await auth.named_keys.make(
            tenant,
            name="bot",
            scopes=["message:read", "message:write"],
            created_by="u",
            maker_permissions=["message:read"],
        )
    assert await auth.named_keys.page(tenant, after=None, limit=10) == []


async def test_named_key_dies_when_deleted_and_is_its_tenants_alone(
    auth: AuthServices, register: Register
) -> None:
    """Another tenant neither sees nor deletes it."""
    made, other = await register(), await register("admin@other.example.com")
    key = await auth.named_keys.make(
        made.client.tenant_id,
        name="bot",
        scopes=["read"],
        created_by="u",
        maker_permissions=USER_PERMISSIONS,
    )
    holder = await auth.key_check.holder_of(key.secret, ip_address=HERE, origin=None)
    assert set(holder.permissions) == set(READ_SCOPES)
    key_id = key.key.key.id
    for attempt in (auth.named_keys.find, auth.named_keys.delete):
        with pytest.raises(ApiKeyNotFoundError):
            await attempt(other.client.tenant_id, key_id)

    await auth.named_keys.delete(made.client.tenant_id, key_id)

    assert not await _lives(auth, key.secret)
    with pytest.raises(ApiKeyNotFoundError):
        await auth.named_keys.delete(made.client.tenant_id, ApiKeyId(key_id))


async def test_session_opened_with_a_named_key_holds_no_more_than_the_key(
    auth: AuthServices, register: Register, open_session: Any
) -> None:
    """Else a narrow key could be traded for a user who administers the tenant."""
    made = await register()
    scopes = ["sdk:session:create", "message:read"]
    key = await auth.named_keys.make(
        made.client.tenant_id,
        name="narrow",
        scopes=scopes,
        created_by="u",
        maker_permissions=[*USER_PERMISSIONS, "sdk:session:create"],
    )

    opened = await open_session(key.secret)

    claims = await auth.verifier.verify(opened.tokens.access_token)
    assert permissions_of(claims) == ("message:read",)
    refreshed = await auth.sdk_sessions.refresh(opened.tokens.refresh_token)
    assert permissions_of(await auth.verifier.verify(refreshed.access_token)) == ("message:read",)


@pytest.mark.parametrize("by_member", [True, False])
async def test_key_tells_whether_a_member_made_it(
    auth: AuthServices, register: Register, *, by_member: bool
) -> None:
    """So that what is taken from members is taken from their keys, at each use."""
    made = await register()
    key = await auth.named_keys.make(
        made.client.tenant_id,
        name="k",
        scopes=["tenant:write"],
        created_by="u",
        maker_permissions=USER_PERMISSIONS,
        by_member=by_member,
    )

    holder = await auth.key_check.holder_of(key.secret, ip_address=HERE, origin=None)
    account = await auth.key_check.holder_of(made.api_key, ip_address=HERE, origin=None)

    assert (holder.by_member, account.by_member) == (by_member, False)


async def test_named_key_without_the_scope_opens_no_session(
    auth: AuthServices, register: Register, open_session: Any
) -> None:
    """A reading key is not a way to become a user."""
    made = await register()
    key = await auth.named_keys.make(
        made.client.tenant_id,
        name="reader",
        scopes=["read"],
        created_by="u",
        maker_permissions=USER_PERMISSIONS,
    )

    with pytest.raises(PermissionMissingError, match="sdk:session:create"):
        await open_session(key.secret)


async def test_named_keys_are_bounded(auth: AuthServices, register: Register) -> None:
    """One too many is a conflict."""
    made = await register()

    async def make() -> None:
        await auth.named_keys.make(
            made.client.tenant_id, name="k", scopes=[], created_by="u", maker_permissions=[]
        )

    for _ in range(NAMED_KEYS_MAX):
        await make()
    with pytest.raises(ListFullError):
        await make()


@pytest.mark.parametrize(
    ("kind", "permissions", "allowed"),
    [
        ("access", None, True),
        ("access", ("message:read", "user:write"), True),
        ("access", ("message:read", "user:read"), False),
        ("access", (), False),
        ("client", None, True),
        ("refresh", None, False),
    ],
)
def test_what_concerns_the_whole_user_takes_its_permission(
    kind: Any, permissions: tuple[str, ...] | None, *, allowed: bool
) -> None:
    """A session without a list holds what its type does; an empty list is a list."""
    claims = Claims(
        jti="j", user_id="u", tenant_id="t", session_id="s", type=kind, iat=0, exp=9, iss="i",
        aud="a", permissions=permissions,
    )  # fmt: skip

    with nullcontext() if allowed else pytest.raises(PermissionMissingError, match="user:write"):
        check_permission(claims, WRITE_USER)


def test_scope_shorthands_expand_and_unknown_ones_are_refused() -> None:
    """Nothing outside the vocabulary is stored."""
    assert set(expand_scopes(["read", "message:read"])) == set(READ_SCOPES)
    assert grant([], []) == ()
    for unknown in ("admin", "*", "read ", "READ", "message"):
        with pytest.raises(FieldInvalidError, match="unknown scope"):
            expand_scopes([unknown])


def test_digest_needs_the_pepper() -> None:
    """The same key under another pepper looks different: a dump confirms no guess."""
    assert digest_of("caas_prod_1", PEPPER) != digest_of("caas_prod_1", b"other")
    assert digest_of("caas_prod_1", PEPPER) == digest_of("caas_prod_1", PEPPER)


async def test_uses_are_written_in_batches_and_survive_an_outage(
    auth: AuthServices, register: Register, fake: FakeAuth
) -> None:
    """What could not be written is written next time; too many keys are forgotten, not kept."""
    made = await register()
    uses = auth.key_check.uses
    for _ in range(3):
        fake.clock.advance(1)
        await auth.key_check.holder_of(made.api_key, ip_address=HERE, origin=None)
    assert fake.uses.uses_ms == {}

    fake.uses.away = True
    await uses.flush()
    fake.uses.away = False
    await uses.flush()

    assert made.client.primary is not None
    assert fake.uses.uses_ms == {made.client.primary.id: fake.clock.now_ms()}
    for number in range(PENDING_MAX + 10):
        uses.note(f"key-{number}")
    assert len(uses.pending) == PENDING_MAX


async def test_unannounced_death_is_not_called_a_success(
    auth: AuthServices, register: Register, fake: FakeAuth
) -> None:
    """With Redis away the caller hears 503 and may try again."""
    made = await register()
    await auth.account_keys.rotate(made.client.id)
    fake.announcer.away = True

    with pytest.raises(UnavailableError):
        await auth.account_keys.promote(made.client.id)


async def test_tenant_is_renamed_and_counted(
    auth: AuthServices, register: Register, open_session: Any, fake: FakeAuth
) -> None:
    """Counts are of this tenant and of this moment."""
    made, other = await register(), await register("admin@other.example.com")
    await open_session(made.api_key)
    await open_session(made.api_key, "bob")
    opened = await open_session(made.api_key, "bob")
    await open_session(other.api_key)
    await auth.account_keys.rotate(made.client.id)
    await auth.endings.end(made.client.tenant_id, opened.tokens.session.id, reason="test")

    renamed = await auth.tenants.rename(TenantId(made.client.tenant_id), " New Name ")
    usage = await auth.tenants.usage(made.client.tenant_id)

    assert renamed.company_name == "New Name"
    assert (usage.users, usage.active_sessions, usage.api_keys) == (2, 2, 2)
    assert usage.as_of_ms == fake.clock.now_ms()
