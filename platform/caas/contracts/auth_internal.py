"""Bodies of the auth service's routes for other services, as a caller needs them.

Answers are read leniently: a newer auth service may say more.
"""

import msgspec

from caas.contracts.auth_api import Plan, Preference

INTERNAL_PREFIX = "/api/v1/auth/internal"


class ValidateApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """Asks whose a key is, and whether it may be used from there."""

    api_key: str
    ip_address: str
    origin: str | None = None


class KeyClient(msgspec.Struct, frozen=True, kw_only=True):
    """The account a key belongs to."""

    client_id: str
    tenant_id: str
    plan: Plan
    permissions: tuple[str, ...]
    rate_limit_tier: Plan


class ValidApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A good key (seed case 17)."""

    valid: bool
    client: KeyClient


class TenantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with its account; times are RFC 3339."""

    tenant_id: str
    client_id: str
    company_name: str
    email: str
    plan: Plan
    status: str
    created_at: str
    updated_at: str


class RenameTenant(msgspec.Struct, frozen=True, kw_only=True):
    """Changes the company's name."""

    company_name: str


class TenantUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant uses at the moment `as_of`."""

    tenant_id: str
    users: int
    active_sessions: int
    api_keys: int
    as_of: str


class MakeKey(msgspec.Struct, frozen=True, kw_only=True):
    """Makes a named key; the caller vouches for what its maker may do."""

    name: str
    scopes: list[str]
    created_by: str
    maker_permissions: list[str]


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A named key, without the key."""

    id: str
    name: str
    scopes: list[str]
    key_prefix: str
    created_at: str
    created_by: str
    last_used_at: str | None


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new named key, shown this once."""

    id: str
    name: str
    scopes: list[str]
    key: str
    key_prefix: str
    created_at: str


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Named keys, oldest first."""

    items: list[KeyRecord]
    next_cursor: str | None


class AppToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Opens a session with the client's id and API secret."""

    app_id: str
    app_secret: str
    ip_address: str
    user_agent: str = ""
    user_external_id: str | None = None
    metadata: dict[str, Preference] | None = None
