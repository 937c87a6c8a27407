"""Bodies of the routes for other services, and what the contract's ones show."""

from caas.auth.domain.clients import Client
from caas.auth.service.keys.check import KeyHolder
from caas.auth.service.keys.named import ListedKey, MadeKey
from caas.auth.service.tenants import Usage
from caas.contracts.auth.identity import Claims, permissions_of
from caas.contracts.auth.internal import (
    KeyClient,
    KeyRecord,
    NewKey,
    TenantRecord,
    TenantUsage,
    ValidApiKey,
)
from caas.kernel import wire
from caas.kernel.clock import rfc3339


class TokenPayload(wire.Response, frozen=True, kw_only=True, omit_defaults=True):
    """What a service needs to know of a token (seed case 22)."""

    user_id: wire.Uuid
    tenant_id: wire.Uuid
    external_id: str | None
    permissions: tuple[str, ...]
    session_id: wire.Uuid
    exp: int
    email: str | None
    role: str | None = None
    client_id: wire.Uuid | None = None


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


class RotatedKey(wire.Response, frozen=True, kw_only=True):
    """A signing key that was published and will sign from then on."""

    kid: str
    activates_at: wire.Timestamp


def valid_api_key_of(holder: KeyHolder) -> ValidApiKey:
    """Show whom a key belongs to."""
    client = holder.client
    return ValidApiKey(
        valid=True,
        client=KeyClient(
            client_id=client.id,
            tenant_id=client.tenant_id,
            plan=client.plan,
            permissions=tuple(holder.permissions),
            rate_limit_tier=client.plan,
            by_member=holder.by_member,
        ),
    )


def tenant_of(client: Client) -> TenantRecord:
    """Show the account."""
    return TenantRecord(
        tenant_id=client.tenant_id,
        client_id=client.id,
        company_name=client.company_name,
        email=client.email,
        plan=client.plan,
        status=client.status,
        created_at=rfc3339(client.created_at_ms),
        updated_at=rfc3339(client.updated_at_ms),
    )


def usage_of(tenant_id: str, usage: Usage) -> TenantUsage:
    """Show the counts."""
    return TenantUsage(
        tenant_id=tenant_id,
        users=usage.users,
        active_sessions=usage.active_sessions,
        api_keys=usage.api_keys,
        as_of=rfc3339(usage.as_of_ms),
    )


def key_of(listed: ListedKey) -> KeyRecord:
    """Show a key."""
    key, used = listed.key, listed.last_used_at_ms
    return KeyRecord(
        id=key.key.id,
        name=key.name,
        scopes=list(key.scopes),
        key_prefix=key.key.shown,
        created_at=rfc3339(key.key.created_at_ms),
        created_by=key.created_by,
        last_used_at=None if used is None else rfc3339(used),
    )


def new_key_of(made: MadeKey) -> NewKey:
    """Show what was made."""
    key = made.key
    return NewKey(
        id=key.key.id,
        name=key.name,
        scopes=list(key.scopes),
        key=made.secret,
        key_prefix=key.key.shown,
        created_at=rfc3339(key.key.created_at_ms),
    )
