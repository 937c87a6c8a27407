"""End users of a tenant, and what they may change of themselves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from caas.auth.errors import FieldInvalidError
from caas.contracts.auth.api import METADATA_KEY_MAX_CHARS, METADATA_MAX, Preference
from caas.kernel.ids import TenantId, UserId

PREFERENCE_TEXT_MAX_CHARS = 500

_SETTING_NAME = re.compile(r"[A-Za-z0-9_-]+")

UserStatus = Literal["active", "suspended"]


@dataclass(frozen=True, slots=True)
class User:
    """One end user.

    Attributes:
        external_id: The tenant's name for the user, unique in the tenant.
        username: What the tenant calls the user; the tenant may change it at any session.
        name: What the user chose to be called; None until then.
        preferences: The user's own settings.
        metadata: What the tenant notes about the user; the user may read it.
    """

    id: UserId
    tenant_id: TenantId
    external_id: str
    email: str | None
    username: str | None
    name: str | None
    preferences: Mapping[str, Preference]
    metadata: Mapping[str, Preference]
    mfa_enabled: bool
    status: UserStatus
    created_at_ms: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class UserData:
    """What the tenant says about a user when it opens a session; None leaves it as it is.

    Attributes:
        place: What stands before a member's name in the request, for errors that name it.
    """

    email: str | None = None
    username: str | None = None
    metadata: Mapping[str, Preference] | None = None
    place: str = ""


def check_settings(settings: Mapping[str, Preference], *, path: str) -> None:
    """Refuse preferences or metadata that could not be stored as they are or are too many.

    Raises:
        FieldInvalidError: Too many, or a key or a text that is too long or not storable.
    """
    if len(settings) > METADATA_MAX:
        raise FieldInvalidError(path, f"at most {METADATA_MAX}")
    for key, value in settings.items():
        if not key or len(key) > METADATA_KEY_MAX_CHARS:
            raise FieldInvalidError(path, f"keys have 1 to {METADATA_KEY_MAX_CHARS} characters")
        if not _SETTING_NAME.fullmatch(key):
            raise FieldInvalidError(path, "keys are letters, digits, _ and -")
        if isinstance(value, str) and len(value) > PREFERENCE_TEXT_MAX_CHARS:
            raise FieldInvalidError(
                f"{path}.{key}", f"at most {PREFERENCE_TEXT_MAX_CHARS} characters"
            )
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise FieldInvalidError(f"{path}.{key}", "does not fit 64 bits")
