"""Bodies of the routes for other services."""

from typing import Annotated

from msgspec import Meta

from caas.auth.domain.clients import Client, Plan, Status
from caas.auth.domain.scopes import SCOPES_MAX
from caas.auth.schemas.fields import (
    AddressText,
    CompanyName,
    Credential,
    ExternalId,
    KeyName,
    OriginText,
    Settings,
    ShortText,
    Text,
    UserAgentText,
)
from caas.auth.schemas.sdk import DeviceBody
from caas.auth.service.key_check import KeyHolder
from caas.auth.service.named_keys import ListedKey, MadeKey
from caas.auth.service.tenants import Usage
from caas.contracts.auth import ADMIN_PERMISSIONS, SCOPE_SHORTHANDS, Claims, permissions_of
from caas.kernel import wire
from caas.kernel.clock import rfc3339

Scopes = Annotated[
    list[ShortText],
    Meta(
        max_length=SCOPES_MAX,
        # Said at the list: what an inner `Annotated` says does not reach the document.
        extra_json_schema={
            "extra": {"items": {"type": "string", "enum": [*ADMIN_PERMISSIONS, *SCOPE_SHORTHANDS]}}
        },
    ),
]
Permissions = Annotated[list[ShortText], Meta(max_length=SCOPES_MAX)]


class ValidateApiKey(wire.Request, frozen=True, kw_only=True):
    """POST /internal/validate-api-key."""

    api_key: Credential
    ip_address: AddressText
    origin: OriginText | None = None


class KeyClient(wire.Response, frozen=True, kw_only=True):
    """The account a key belongs to."""

    client_id: str
    tenant_id: str
    plan: Plan
    permissions: list[str]
    rate_limit_tier: Plan


class ValidApiKey(wire.Response, frozen=True, kw_only=True):
    """A good key (seed case 17)."""

    valid: bool
    client: KeyClient

    @classmethod
    def of(cls, holder: KeyHolder) -> "ValidApiKey":
        """Show whom a key belongs to."""
        client = holder.client
        return cls(
            valid=True,
            client=KeyClient(
                client_id=client.id,
                tenant_id=client.tenant_id,
                plan=client.plan,
                permissions=list(holder.permissions),
                rate_limit_tier=client.plan,
            ),
        )


class TokenPayload(wire.Response, frozen=True, kw_only=True, omit_defaults=True):
    """What a service needs to know of a token (seed case 22)."""

    user_id: str
    tenant_id: str
    external_id: str | None
    permissions: tuple[str, ...]
    session_id: str
    exp: int
    email: str | None
    role: str | None = None
    client_id: str | None = None


class ValidToken(wire.Response, frozen=True, kw_only=True):
    """A good token."""

    valid: bool
    payload: TokenPayload

    @classmethod
    def of(cls, claims: Claims) -> "ValidToken":
        """Show what the claims allow."""
        return cls(
            valid=True,
            payload=TokenPayload(
                user_id=claims.user_id,
                tenant_id=claims.tenant_id,
                external_id=claims.external_id,
                permissions=permissions_of(claims),
                session_id=claims.session_id,
                exp=claims.exp,
                email=claims.email,
                role=claims.role,
                client_id=claims.client_id,
            ),
        )


class TenantView(wire.Response, frozen=True, kw_only=True):
    """A tenant with its account."""

    tenant_id: str
    client_id: str
    company_name: str
    email: str
    plan: Plan
    status: Status
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, client: Client) -> "TenantView":
        """Show the account."""
        return cls(
            tenant_id=client.tenant_id,
            client_id=client.id,
            company_name=client.company_name,
            email=client.email,
            plan=client.plan,
            status=client.status,
            created_at=rfc3339(client.created_at_ms),
            updated_at=rfc3339(client.updated_at_ms),
        )


class RenameTenant(wire.Request, frozen=True, kw_only=True):
    """PATCH /internal/tenants/{tenant_id}."""

    company_name: CompanyName


class UsageView(wire.Response, frozen=True, kw_only=True):
    """What a tenant uses at this moment."""

    tenant_id: str
    users: int
    active_sessions: int
    api_keys: int
    as_of: str

    @classmethod
    def of(cls, tenant_id: str, usage: Usage) -> "UsageView":
        """Show the counts."""
        return cls(
            tenant_id=tenant_id,
            users=usage.users,
            active_sessions=usage.active_sessions,
            api_keys=usage.api_keys,
            as_of=rfc3339(usage.as_of_ms),
        )


class MakeKey(wire.Request, frozen=True, kw_only=True):
    """POST /internal/tenants/{tenant_id}/api-keys; the caller vouches for the maker."""

    name: KeyName
    scopes: Scopes
    created_by: Text
    maker_permissions: Permissions


class KeyView(wire.Response, frozen=True, kw_only=True):
    """A named key, without the key."""

    id: str
    name: str
    scopes: list[str]
    key_prefix: str
    created_at: str
    created_by: str
    last_used_at: str | None

    @classmethod
    def of(cls, listed: ListedKey) -> "KeyView":
        """Show a key."""
        key, used = listed.key, listed.last_used_at_ms
        return cls(
            id=key.key.id,
            name=key.name,
            scopes=list(key.scopes),
            key_prefix=key.key.shown,
            created_at=rfc3339(key.key.created_at_ms),
            created_by=key.created_by,
            last_used_at=None if used is None else rfc3339(used),
        )


class NewKey(wire.Response, frozen=True, kw_only=True):
    """A new named key, shown this once."""

    id: str
    name: str
    scopes: list[str]
    key: str
    key_prefix: str
    created_at: str

    @classmethod
    def of(cls, made: MadeKey) -> "NewKey":
        """Show what was made."""
        key = made.key
        return cls(
            id=key.key.id,
            name=key.name,
            scopes=list(key.scopes),
            key=made.secret,
            key_prefix=key.key.shown,
            created_at=rfc3339(key.key.created_at_ms),
        )


class KeyPage(wire.Response, frozen=True, kw_only=True):
    """Named keys, oldest first."""

    items: list[KeyView]
    next_cursor: str | None


class AppToken(wire.Request, frozen=True, kw_only=True):
    """POST /internal/sdk-token."""

    app_id: Credential
    app_secret: Credential
    ip_address: AddressText
    user_agent: UserAgentText = ""
    user_external_id: ExternalId | None = None
    metadata: Settings | None = None
    device_info: DeviceBody = DeviceBody()


class RotatedKey(wire.Response, frozen=True, kw_only=True):
    """A signing key that was published and will sign from then on."""

    kid: str
    activates_at: str
