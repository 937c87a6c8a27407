"""Sessions and the family of refresh tokens that each one carries.

A family has one head. Presenting the head makes a successor; presenting the token just before
the head, within `REUSE_GRACE_MS`, returns that same successor again, so that a lost answer or
two parallel tabs do no harm. Anything older means that a copy is about, and ends the session.
A successor is not stored: Ed25519 is deterministic, so the recorded ids make the same bytes.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from caas.contracts.auth.identity import (
    ACCESS_TTL_S,
    AUDIENCE,
    CLIENT_TTL_S,
    ISSUER,
    REFRESH_TTL_S,
    Claims,
)
from caas.kernel.ids import ClientId, SessionId, TenantId, UserId, new_id

REUSE_GRACE_MS = 10_000
FAMILY_MAX_AGE_S = 30 * 24 * 60 * 60
SESSIONS_PER_USER_MAX = 100
USER_AGENT_MAX_CHARS = 512

SessionKind = Literal["user", "client"]


@dataclass(frozen=True, slots=True)
class Device:
    """What the client said about the device; shown to the user, trusted for nothing."""

    device_type: str | None = None
    device_name: str | None = None
    device_fingerprint: str | None = None
    platform: str | None = None
    app_version: str | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """One pair of tokens, by what distinguishes it from every other.

    Attributes:
        kid: The key that signed both.
        issued_at_s: Unix seconds.
    """

    access_jti: str
    refresh_jti: str
    kid: str
    issued_at_s: int


@dataclass(frozen=True, slots=True)
class Family:
    """Where a session's refresh tokens stand.

    Attributes:
        generation: 0 for the tokens the session was opened with; grows by 1 a refresh.
        previous_jti: The refresh token that made the head; None in generation 0.
        rotated_at_ms: When it did.
    """

    generation: int
    head: Issue
    previous_jti: str | None = None
    rotated_at_ms: int = 0


class Presented(Enum):
    """What a presented refresh token is to its family."""

    HEAD = "head"
    JUST_REPLACED = "just replaced"
    USED_BEFORE = "used before"


@dataclass(frozen=True, slots=True)
class Session:
    """A user, or a client account, on a device.

    Attributes:
        holder_id: The user's id, or the client's on a session of kind `client`.
        permissions: Set only when the session holds less than its kind does by default.
        family: None on a session of kind `client`, which has no refresh token.
        ttl_s: What its opener shortened its tokens to; None for as long as they live by default.
    """

    id: SessionId
    kind: SessionKind
    tenant_id: TenantId
    client_id: ClientId
    holder_id: UserId | ClientId
    external_id: str | None
    email: str | None
    permissions: tuple[str, ...] | None
    ip_address: str
    user_agent: str
    device: Device
    family: Family | None
    created_at_ms: int
    last_activity_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None = None
    revoked_reason: str | None = None
    ttl_s: int | None = None

    def is_open(self, now_ms: int) -> bool:
        """Tell whether its tokens may be good."""
        return self.revoked_at_ms is None and now_ms < self.expires_at_ms


def judge(family: Family, refresh_jti: str, *, now_ms: int) -> Presented:
    """Tell what the refresh token *refresh_jti*, known to be genuine, is to *family*."""
    if refresh_jti == family.head.refresh_jti:
        return Presented.HEAD
    in_grace = now_ms - family.rotated_at_ms <= REUSE_GRACE_MS
    if refresh_jti == family.previous_jti and in_grace:
        return Presented.JUST_REPLACED
    return Presented.USED_BEFORE


def new_issue(*, kid: str, now_ms: int) -> Issue:
    """Return the ids of a fresh pair of tokens."""
    return Issue(new_id(), new_id(), kid, now_ms // 1000)


def rotated(family: Family, successor: Issue, *, now_ms: int) -> Family:
    """Return the family with *successor* as its head."""
    return Family(family.generation + 1, successor, family.head.refresh_jti, now_ms)


def expiry_of(session_created_at_ms: int, issue: Issue, ttl_s: int | None) -> int:
    """Return when a session ends unless refreshed, in Unix milliseconds."""
    return _refresh_exp_s(session_created_at_ms, issue, ttl_s) * 1000


def access_ttl_s(session: Session) -> int:
    """Return how long an access token of *session* lives, in seconds."""
    return ACCESS_TTL_S if session.ttl_s is None else min(ACCESS_TTL_S, session.ttl_s)


def access_claims(session: Session, issue: Issue) -> Claims:
    """Return the claims of the access token; the same for the same issue, always."""
    return Claims(
        jti=issue.access_jti,
        user_id=session.holder_id,
        tenant_id=session.tenant_id,
        email=session.email,
        external_id=session.external_id,
        session_id=session.id,
        type="access",
        iat=issue.issued_at_s,
        exp=issue.issued_at_s + access_ttl_s(session),
        iss=ISSUER,
        aud=AUDIENCE,
        permissions=session.permissions,
    )


def refresh_claims(session: Session, issue: Issue) -> Claims:
    """Return the claims of the refresh token; no more than it takes to find the session."""
    return Claims(
        jti=issue.refresh_jti,
        user_id=session.holder_id,
        tenant_id=session.tenant_id,
        session_id=session.id,
        type="refresh",
        iat=issue.issued_at_s,
        exp=_refresh_exp_s(session.created_at_ms, issue, session.ttl_s),
        iss=ISSUER,
        aud=AUDIENCE,
    )


def client_claims(session: Session, *, jti: str, issued_at_s: int) -> Claims:
    """Return the claims of a client account's token, which has the role `tenant_admin`."""
    return Claims(
        jti=jti,
        user_id=session.holder_id,
        tenant_id=session.tenant_id,
        email=session.email,
        session_id=session.id,
        type="client",
        iat=issued_at_s,
        exp=issued_at_s + CLIENT_TTL_S,
        iss=ISSUER,
        aud=AUDIENCE,
        role="tenant_admin",
        client_id=session.client_id,
    )


def revoked(session: Session, reason: str, *, now_ms: int) -> Session:
    """Return the session as ended; one that ended before keeps its time and reason."""
    if session.revoked_at_ms is not None:
        return session
    return replace(session, revoked_at_ms=now_ms, revoked_reason=reason)


def _refresh_exp_s(created_at_ms: int, issue: Issue, ttl_s: int | None) -> int:
    """Slide by 7 days or the shorter *ttl_s* a refresh, never beyond the family's greatest age."""
    slide_s = REFRESH_TTL_S if ttl_s is None else min(REFRESH_TTL_S, ttl_s)
    return min(issue.issued_at_s + slide_s, created_at_ms // 1000 + FAMILY_MAX_AGE_S)
