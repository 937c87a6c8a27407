"""Who calls, what a tenant may set, and what its plan allows: pure values and rules."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from caas.contracts.auth.api import Plan
from caas.gateway.errors import (
    AdministrationReservedError,
    PermissionMissingError,
    SettingInvalidError,
)

# RFC 5646, 2.1: well-formed tags; grandfathered ones are left out, each has a modern spelling.
LOCALE_PATTERN = (
    "^[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}"
    "(?:-[A-Za-z]{4})?"
    "(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    "(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
    "(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*"
    "(?:-x(?:-[A-Za-z0-9]{1,8})+)?$"
)
LOCALE_MAX_CHARS = 35  # RFC 5646, 4.4.1
DEFAULT_LOCALE = "en"
DEFAULT_TIMEZONE = "UTC"

_LOCALE = re.compile(LOCALE_PATTERN)
_ADMINISTRATIVE = frozenset({"tenant:write", "apikey:write"})

Kind = Literal["user", "admin", "key"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose credential was checked.

    Attributes:
        kind: An end user's session, an administrator's login, or an API key.
        actor: The user's id, or the client's.
        permissions: What the credential allows.
        by_member: Of a key: whether an end user made it.
    """

    tenant_id: str
    kind: Kind
    actor: str
    permissions: tuple[str, ...]
    plan: Plan
    by_member: bool = False

    @property
    def is_member(self) -> bool:
        """Whether it acts for an end user, itself or by a key: what binds one binds the other."""
        return self.kind == "user" or self.by_member

    def require(self, permission: str) -> None:
        """Raise `PermissionMissingError` unless the credential holds *permission*."""
        if permission not in self.permissions:
            raise PermissionMissingError(permission)


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """What a tenant chose for itself.

    Attributes:
        locale: A BCP 47 language tag.
        timezone: An IANA zone.
        members_can_administer: Whether end users and the keys they made may change settings and
            manage keys, as the seed's user does; False reserves that for administrators.
    """

    locale: str = DEFAULT_LOCALE
    timezone: str = DEFAULT_TIMEZONE
    members_can_administer: bool = True


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """New values; None leaves a setting as it is."""

    locale: str | None = None
    timezone: str | None = None
    members_can_administer: bool | None = None

    def values(self) -> dict[str, str | bool]:
        """Return what is to change, by name."""
        given = {
            "locale": self.locale,
            "timezone": self.timezone,
            "members_can_administer": self.members_can_administer,
        }
        return {name: value for name, value in given.items() if value is not None}


@cache
def timezone_names() -> frozenset[str]:
    """Return every IANA zone and link name of the tzdata release that is installed."""
    return frozenset(files("tzdata").joinpath("zones").read_text("ascii").split())


def check_change(change: SettingsChange) -> None:
    """Check the new values.

    Raises:
        SettingInvalidError: The locale is not well-formed, or the zone is unknown.
    """
    locale, timezone = change.locale, change.timezone
    if locale is not None and (len(locale) > LOCALE_MAX_CHARS or not _LOCALE.fullmatch(locale)):
        raise SettingInvalidError("settings.locale", "not a BCP 47 language tag")
    if timezone is not None and timezone not in timezone_names():
        raise SettingInvalidError("settings.timezone", "not an IANA time zone")


def check_administration(principal: Principal, permission: str, settings: TenantSettings) -> None:
    """Check that *principal* may use *permission* under the tenant's settings.

    Raises:
        AdministrationReservedError: An end user or a key of one, and the tenant reserves
            administration.
    """
    reserved = permission in _ADMINISTRATIVE and not settings.members_can_administer
    if reserved and principal.is_member:
        raise AdministrationReservedError


def check_reopening(settings: TenantSettings) -> None:
    """Check that someone who is no administrator may let members administer.

    Raises:
        AdministrationReservedError: It is reserved, which an administrator alone can end.
    """
    if not settings.members_can_administer:
        raise AdministrationReservedError
