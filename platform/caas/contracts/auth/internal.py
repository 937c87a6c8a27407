"""Bodies of the auth service's routes for other services.

Questions are strict; answers are read leniently: a newer auth service may say more.
"""

from typing import Annotated, Literal

from msgspec import Meta

from caas.contracts.auth.api import (
    NAME_PATTERN,
    CompanyName,
    DeviceBody,
    ExternalId,
    Metadata,
    Plan,
    ShortText,
    Text,
)
from caas.contracts.auth.identity import ADMIN_PERMISSIONS, SCOPE_SHORTHANDS
from caas.kernel import wire

INTERNAL_PREFIX = "/api/v1/auth/internal"

SCOPES_MAX = 50
KEY_NAME_MAX_CHARS = 100
CREDENTIAL_MAX_CHARS = 256
USER_AGENT_MAX_CHARS = 2000
ADDRESS_MAX_CHARS = 100

Status = Literal["active", "suspended"]

KeyName = Annotated[str, Meta(min_length=1, max_length=KEY_NAME_MAX_CHARS, pattern=NAME_PATTERN)]
Credential = Annotated[str, Meta(max_length=CREDENTIAL_MAX_CHARS)]
AddressText = Annotated[
    str,
    Meta(
        max_length=ADDRESS_MAX_CHARS,
        extra_json_schema={"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    ),
]
OriginText = Text
UserAgentText = Annotated[str, Meta(max_length=USER_AGENT_MAX_CHARS)]
Scope = Annotated[
    ShortText, Meta(extra_json_schema={"enum": [*ADMIN_PERMISSIONS, *SCOPE_SHORTHANDS]})
]
Scopes = Annotated[list[Scope], Meta(max_length=SCOPES_MAX)]
Permissions = Annotated[list[ShortText], Meta(max_length=SCOPES_MAX)]


class ValidateApiKey(wire.Request, frozen=True, kw_only=True):
    """Asks whose a key is, and whether it may be used from there."""

    api_key: Credential
    ip_address: AddressText
    origin: OriginText | None = None


class KeyClient(wire.Response, frozen=True, kw_only=True, omit_defaults=True):
    """The account a key belongs to.

    Attributes:
        by_member: Whether an end user made the key. What is then taken from end users, as by a
            tenant that reserves administration, is taken from the key.
    """

    client_id: wire.Uuid
    tenant_id: wire.Uuid
    plan: Plan
    permissions: tuple[str, ...]
    rate_limit_tier: Plan
    by_member: bool = False


class ValidApiKey(wire.Response, frozen=True, kw_only=True):
    """A good key (seed case 17)."""

    valid: bool
    client: KeyClient


class TenantRecord(wire.Response, frozen=True, kw_only=True):
    """A tenant with its account; times are RFC 3339."""

    tenant_id: wire.Uuid
    client_id: wire.Uuid
    company_name: str
    email: str
    plan: Plan
    status: Status
    created_at: wire.Timestamp
    updated_at: wire.Timestamp


class RenameTenant(wire.Request, frozen=True, kw_only=True):
    """Changes the company's name."""

    company_name: CompanyName


class TenantUsage(wire.Response, frozen=True, kw_only=True):
    """What a tenant uses at the moment `as_of`."""

    tenant_id: wire.Uuid
    users: int
    active_sessions: int
    api_keys: int
    as_of: wire.Timestamp


class MakeKey(wire.Request, frozen=True, kw_only=True):
    """Makes a named key; the caller vouches for who its maker is and may do."""

    name: KeyName
    scopes: Scopes
    created_by: Text
    maker_permissions: Permissions
    by_member: bool = True


class KeyRecord(wire.Response, frozen=True, kw_only=True):
    """A named key, without the key."""

    id: wire.Uuid
    name: str
    scopes: list[str]
    key_prefix: str
    created_at: wire.Timestamp
    created_by: str
    last_used_at: wire.Timestamp | None


class NewKey(wire.Response, frozen=True, kw_only=True):
    """A new named key, shown this once."""

    id: wire.Uuid
    name: str
    scopes: list[str]
    key: str
    key_prefix: str
    created_at: wire.Timestamp


class KeyPage(wire.Response, frozen=True, kw_only=True):
    """Named keys, oldest first."""

    items: list[KeyRecord]
    next_cursor: str | None


class AppToken(wire.Request, frozen=True, kw_only=True, omit_defaults=True):
    """Opens a session with the client's id and API secret."""

    app_id: Credential
    app_secret: Credential
    ip_address: AddressText
    user_agent: UserAgentText = ""
    user_external_id: ExternalId | None = None
    metadata: Metadata | None = None
    device_info: DeviceBody = DeviceBody()
