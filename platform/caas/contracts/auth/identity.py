"""What the auth service tells the others: token claims, permissions, keys and revocations.

Tokens are EdDSA JWTs (RFC 8037) whose claims are those of seed case 23, with `aud` added.
Revocations travel on one Redis stream that every instance of every service follows.
"""

from typing import Literal

import msgspec

from caas.kernel import wire

ISSUER = "caas-auth-service"
AUDIENCE = "caas"
JWKS_PATH = "/.well-known/jwks.json"
REVOCATION_STREAM = "caas:revocations"

ACCESS_TTL_S = 15 * 60
CLIENT_TTL_S = 60 * 60
REFRESH_TTL_S = 7 * 24 * 60 * 60

TokenType = Literal["access", "refresh", "client"]

SDK_PERMISSIONS: tuple[str, ...] = (
    "sdk:session:create",
    "sdk:session:refresh",
    "sdk:session:logout",
)
"""What it takes to open, refresh and end sessions of end users."""

DATA_PERMISSIONS: tuple[str, ...] = (
    "user:read",
    "user:write",
    "conversation:read",
    "conversation:write",
    "message:read",
    "message:write",
    "media:upload",
    "media:download",
    "search:query",
    "analytics:read",
)
"""What a tenant's application does with its data; with the SDK ones, the list of seed case 17."""

ADMIN_READ_PERMISSIONS: tuple[str, ...] = ("tenant:read", "apikey:read")
ADMIN_WRITE_PERMISSIONS: tuple[str, ...] = ("tenant:write", "apikey:write")

CLIENT_PERMISSIONS: tuple[str, ...] = SDK_PERMISSIONS + DATA_PERMISSIONS
"""What the client's own primary and secondary keys hold (seed case 17)."""

USER_PERMISSIONS: tuple[str, ...] = (
    DATA_PERMISSIONS + ADMIN_READ_PERMISSIONS + ADMIN_WRITE_PERMISSIONS
)
"""What an end user's session holds unless the key that opened it holds less."""

ADMIN_PERMISSIONS: tuple[str, ...] = SDK_PERMISSIONS + USER_PERMISSIONS
"""What a `tenant_admin` token holds: everything there is."""

READ_SCOPES: tuple[str, ...] = (
    "user:read",
    "conversation:read",
    "message:read",
    "media:download",
    "search:query",
    "analytics:read",
    "tenant:read",
    "apikey:read",
)
WRITE_SCOPES: tuple[str, ...] = (
    "user:write",
    "conversation:write",
    "message:write",
    "media:upload",
    "tenant:write",
    "apikey:write",
)

SCOPE_SHORTHANDS: dict[str, tuple[str, ...]] = {"read": READ_SCOPES, "write": WRITE_SCOPES}
"""Short names a key's maker may use instead of the permissions they stand for."""


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of a token, as `POST /api/v1/auth/validate` shows it (seed case 23).

    Attributes:
        user_id: The end user; on a client token the client's own id.
        session_id: What a logout ends; every token of one session carries the same.
        external_id: The tenant's name for the user; None on a client token.
        iat: Issued at, Unix seconds; `exp` likewise.
        role: `tenant_admin` on a client token, else None.
        permissions: Set only where the session holds less than its type does by default.
    """

    jti: str
    user_id: str
    tenant_id: str
    email: str | None = None
    external_id: str | None = None
    session_id: str
    type: TokenType
    iat: int
    exp: int
    iss: str
    aud: str
    role: str | None = None
    client_id: str | None = None
    permissions: tuple[str, ...] | None = None


def permissions_of(claims: Claims) -> tuple[str, ...]:
    """Return what the bearer of *claims* may do; a refresh token alone allows nothing."""
    if claims.permissions is not None:
        return claims.permissions
    if claims.type == "access":
        return USER_PERMISSIONS
    return ADMIN_PERMISSIONS if claims.type == "client" else ()


class PublicJwk(msgspec.Struct, frozen=True, kw_only=True):
    """One Ed25519 verification key (RFC 8037, section 2)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: str
    x: str


class Jwks(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON Web Key Set (RFC 7517, section 5)."""

    keys: tuple[PublicJwk, ...]


class SessionsRevoked(wire.Event, frozen=True, kw_only=True, tag="sessions.revoked"):
    """These sessions ended; their tokens are refused from now on."""

    tenant_id: str
    session_ids: tuple[str, ...]
    reason: str


class ApiKeyRevoked(wire.Event, frozen=True, kw_only=True, tag="api_key.revoked"):
    """This API key died; forget what was cached of it."""

    tenant_id: str
    client_id: str
    api_key_id: str


class TenantChanged(wire.Event, frozen=True, kw_only=True, tag="tenant.changed"):
    """The tenant's plan, name, status or whitelists changed; forget what was cached of it."""

    tenant_id: str
    client_id: str


class SigningKeysChanged(wire.Event, frozen=True, kw_only=True, tag="signing_keys.changed"):
    """A new signing key was published; fetch the key set before it signs its first token."""

    kid: str
    activates_at_ms: int


RevocationEvent = SessionsRevoked | ApiKeyRevoked | TenantChanged | SigningKeysChanged
