"""What a tenant sees and changes of itself, over fakes."""

from collections.abc import Callable
from typing import Any

import pytest

from caas.gateway.domain import Principal, SettingsChange, TenantSettings
from caas.gateway.errors import (
    AdministrationReservedError,
    PermissionMissingError,
    SettingInvalidError,
)
from caas.gateway.service.tenants import TenantService
from caas.kernel.errors import InvalidInputError, NotFoundError
from caas.testing.gateway import FakeAuthService, MemorySettingsStore

pytestmark = pytest.mark.anyio

Caller = Callable[..., Principal]


async def test_a_change_is_seen_by_the_next_call(tenants: TenantService, caller: Caller) -> None:
    """The seed's gateway answered "not found" to both."""
    await tenants.change(caller(), SettingsChange(locale="de", timezone="UTC"), "Renamed")
    company = await tenants.describe(caller())

    assert company.record.company_name == "Renamed"
    assert company.settings == TenantSettings("de", "UTC")


async def test_a_change_leaves_the_rest_alone(tenants: TenantService, caller: Caller) -> None:
    """Two editors of different settings don't undo each other."""
    await tenants.change(caller(), SettingsChange(locale="de"), None)
    company = await tenants.change(caller(), SettingsChange(timezone="Asia/Tokyo"), None)

    assert company.settings == TenantSettings("de", "Asia/Tokyo")


async def test_a_bad_setting_changes_nothing(
    tenants: TenantService, auth: FakeAuthService, caller: Caller
) -> None:
    """The name is not changed when a setting beside it is bad."""
    with pytest.raises(SettingInvalidError):
        await tenants.change(caller(), SettingsChange(timezone="Mars"), "Renamed")

    assert auth.tenants["t1"].company_name == "Acme"


async def test_an_empty_change_is_refused(tenants: TenantService, caller: Caller) -> None:
    """A request that can't mean anything is a mistake of its sender."""
    with pytest.raises(InvalidInputError, match="settings, company_name"):
        await tenants.change(caller(), SettingsChange(), None)


async def test_reserving_administration_locks_members_out_at_once(
    tenants: TenantService, store: MemorySettingsStore, caller: Caller
) -> None:
    """Only an administrator can open it again."""
    await tenants.change(caller(), SettingsChange(members_can_administer=False), None)
    for attempt in (
        tenants.change(caller(), SettingsChange(members_can_administer=True), None),
        tenants.change(caller(kind="key"), SettingsChange(members_can_administer=True), None),
        tenants.make_key(caller(), "k", ["read"]),
        tenants.delete_key(caller(), "k"),
    ):
        with pytest.raises(AdministrationReservedError):
            await attempt
    await tenants.change(caller(kind="admin"), SettingsChange(members_can_administer=True), None)

    assert store.settings["t1"].members_can_administer


async def test_a_members_key_does_no_more_than_members_at_its_use(
    tenants: TenantService, caller: Caller
) -> None:
    """A key from before the reservation is bound by it, and free again after it."""
    key = caller(kind="key", by_member=True)
    await tenants.change(key, SettingsChange(locale="de"), None)

    await tenants.change(caller(kind="admin"), SettingsChange(members_can_administer=False), None)
    for attempt in (
        tenants.change(key, SettingsChange(locale="fr"), None),
        tenants.make_key(key, "k", ["read"]),
        tenants.delete_key(key, "k"),
    ):
        with pytest.raises(AdministrationReservedError):
            await attempt
    assert (await tenants.describe(key)).settings.locale == "de"
    administrators = caller(kind="key")
    await tenants.change(administrators, SettingsChange(locale="it"), None)
    await tenants.change(caller(kind="admin"), SettingsChange(members_can_administer=True), None)

    assert (await tenants.change(key, SettingsChange(locale="fr"), None)).settings.locale == "fr"


@pytest.mark.parametrize(
    ("maker", "by_member"),
    [
        ({"kind": "user"}, True),
        ({"kind": "key", "by_member": True}, True),
        ({"kind": "key"}, False),
        ({"kind": "admin"}, False),
    ],
)
async def test_a_key_stays_a_members_through_any_number_of_keys(
    tenants: TenantService,
    auth: FakeAuthService,
    caller: Caller,
    maker: dict[str, Any],
    by_member: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    """Else a member's key would make an administrator's."""
    await tenants.make_key(caller(**maker), "k", ["read"])

    assert auth.orders[0].by_member is by_member


@pytest.mark.parametrize(
    ("permission", "call"),
    [
        ("tenant:read", lambda t, c: t.describe(c)),
        ("tenant:read", lambda t, c: t.usage(c)),
        ("tenant:write", lambda t, c: t.change(c, SettingsChange(locale="de"), None)),
        ("apikey:write", lambda t, c: t.make_key(c, "k", ["read"])),
        ("apikey:write", lambda t, c: t.delete_key(c, "k")),
        ("apikey:read", lambda t, c: t.keys(c, limit=1, cursor=None)),
        ("apikey:read", lambda t, c: t.key(c, "k")),
    ],
)
async def test_each_use_case_needs_its_permission(
    tenants: TenantService,
    auth: FakeAuthService,
    caller: Caller,
    permission: str,
    call: Callable[..., object],
) -> None:
    """All other permissions together do not replace the one."""
    others = {"tenant:read", "tenant:write", "apikey:read", "apikey:write"} - {permission}

    with pytest.raises(PermissionMissingError, match=permission):
        await call(tenants, caller(permissions=tuple(others)))  # type: ignore[misc]
    assert auth.calls == []


async def test_a_key_is_ordered_with_what_its_maker_holds(
    tenants: TenantService, auth: FakeAuthService, caller: Caller
) -> None:
    """The auth service compares; the gateway vouches for the maker."""
    await tenants.make_key(caller(permissions=("apikey:write",)), "k", ["write"])

    assert auth.orders[0].maker_permissions == ["apikey:write"]
    assert auth.orders[0].created_by == "alice"


async def test_another_tenants_key_is_as_missing_as_no_key(
    tenants: TenantService, caller: Caller
) -> None:
    """Same error, same words."""
    key = await tenants.make_key(caller("t1"), "k", ["read"])
    said = []
    for key_id in (key.id, "no-such-key"):
        with pytest.raises(NotFoundError) as missing:
            await tenants.key(caller("t2"), key_id)
        said.append(str(missing.value))

    assert said[0] == said[1]
