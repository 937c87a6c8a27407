"""Locales, zones and who may administer."""

import pytest

from caas.gateway.domain import (
    Principal,
    SettingsChange,
    TenantSettings,
    check_administration,
    check_change,
)
from caas.gateway.errors import (
    AdministrationReservedError,
    PermissionMissingError,
    SettingInvalidError,
)


@pytest.mark.parametrize(
    "locale",
    ["en", "de-CH", "zh-Hant-TW", "sl-rozaj-biske", "de-1996", "es-419", "en-a-bbb-x-private"],
)
def test_well_formed_locales(locale: str) -> None:
    """RFC 5646, 2.1 and its appendix A."""
    check_change(SettingsChange(locale=locale))


@pytest.mark.parametrize(
    "locale",
    ["", "e", "english-", "en_US", "en--US", "en\n", "123", "en-" + "a" * 40, "i-klingon", "x"],
)
def test_ill_formed_locales(locale: str) -> None:
    """Nothing else passes, a trailing newline included."""
    with pytest.raises(SettingInvalidError, match="locale"):
        check_change(SettingsChange(locale=locale))


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Vienna", "America/Argentina/Ushuaia"])
def test_known_zones(timezone: str) -> None:
    """Zones and links of the installed tzdata."""
    check_change(SettingsChange(timezone=timezone))


@pytest.mark.parametrize("timezone", ["", "Mars/Base", "../etc/passwd", "europe/vienna", "UTC\n"])
def test_unknown_zones(timezone: str) -> None:
    """A zone is looked up in a list, never on a path."""
    with pytest.raises(SettingInvalidError, match="timezone"):
        check_change(SettingsChange(timezone=timezone))


@pytest.mark.parametrize("permission", ["tenant:write", "apikey:write"])
def test_reserved_administration_stops_users_alone(permission: str) -> None:
    """Administrators and the keys they made go on; keys that users made don't."""
    reserved = TenantSettings(members_can_administer=False)
    for kind in ("admin", "key"):
        check_administration(Principal("t", kind, "x", (), "free"), permission, reserved)

    for member in (
        Principal("t", "user", "x", (), "free"),
        Principal("t", "key", "x", (), "free", by_member=True),
    ):
        with pytest.raises(AdministrationReservedError):
            check_administration(member, permission, reserved)


def test_a_missing_permission_is_named() -> None:
    """A caller can find out what to ask for."""
    with pytest.raises(PermissionMissingError, match="apikey:write"):
        Principal("t", "user", "x", ("apikey:read",), "free").require("apikey:write")
