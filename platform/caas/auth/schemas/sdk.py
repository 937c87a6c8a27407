"""Bodies of end users: token checks and profile, and what the contract's ones show."""

from msgspec import UNSET, UnsetType, structs

from caas.auth.domain.sessions import Device, Session, access_ttl_s
from caas.auth.domain.users import User, UserData, UserStatus
from caas.auth.service.sessions.sdk import Opened, TokenPair
from caas.contracts.auth.api import (
    DeviceBody,
    Metadata,
    PersonName,
    Preference,
    SdkSession,
    SessionState,
    SessionUser,
    Token,
    Tokens,
    UserDataBody,
)
from caas.contracts.auth.identity import Claims
from caas.kernel import wire
from caas.kernel.clock import rfc3339


class CheckToken(wire.Request, frozen=True, kw_only=True):
    """A token to check."""

    token: Token


class CheckedToken(wire.Response, frozen=True, kw_only=True):
    """A good token: its claims and its session (seed case 23)."""

    valid: bool
    payload: Claims
    session: SessionState


class Profile(wire.Response, frozen=True, kw_only=True):
    """A user (seed case 71).

    `username` is what the tenant calls the user, `name` what the user chose to be called.
    """

    user_id: wire.Uuid
    tenant_id: wire.Uuid
    external_id: str
    email: str | None
    username: str | None
    name: str | None
    preferences: dict[str, Preference]
    metadata: dict[str, Preference]
    mfa_enabled: bool
    status: UserStatus
    created_at: wire.Timestamp
    updated_at: wire.Timestamp

    @classmethod
    def of(cls, user: User) -> "Profile":
        """Show a user."""
        return cls(
            user_id=user.id,
            tenant_id=user.tenant_id,
            external_id=user.external_id,
            email=user.email,
            username=user.username,
            name=user.username if user.name is None else user.name,
            preferences=dict(user.preferences),
            metadata=dict(user.metadata),
            mfa_enabled=user.mfa_enabled,
            status=user.status,
            created_at=rfc3339(user.created_at_ms),
            updated_at=rfc3339(user.updated_at_ms),
        )


class UpdateProfile(wire.Change, frozen=True, kw_only=True):
    """PUT /users/profile; what is left out stays as it is, one of them must be given."""

    name: PersonName | UnsetType = UNSET
    preferences: Metadata | UnsetType = UNSET


def user_data_of(body: UserDataBody) -> UserData:
    """Return it as the use case takes it."""
    return UserData(
        email=body.email, username=body.name, metadata=body.metadata, place="user_data."
    )


def device_of(body: DeviceBody) -> Device:
    """Return it as the use case takes it."""
    return Device(**structs.asdict(body))


def sdk_session_of(opened: Opened, socket_urls: tuple[str, ...]) -> SdkSession:
    """Show a session that was just opened."""
    user = opened.user
    return SdkSession(
        access_token=opened.tokens.access_token,
        refresh_token=opened.tokens.refresh_token,
        expires_in=access_ttl_s(opened.tokens.session),
        token_type="Bearer",  # noqa: S106 - a scheme's name
        user=SessionUser(user_id=user.id, external_id=user.external_id, tenant_id=user.tenant_id),
        session_id=opened.tokens.session.id,
        socket_urls=list(socket_urls),
    )


def tokens_of(pair: TokenPair) -> Tokens:
    """Show the successor."""
    return Tokens(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=access_ttl_s(pair.session),
        token_type="Bearer",  # noqa: S106 - a scheme's name
    )


def session_state_of(session: Session, *, now_ms: int, current: str) -> SessionState:
    """Show a session; *current* is the id of the asking token's own."""
    device = session.device
    return SessionState(
        session_id=session.id,
        user_id=session.holder_id,
        tenant_id=session.tenant_id,
        device_type=device.device_type,
        device_name=device.device_name,
        device_fingerprint=device.device_fingerprint,
        platform=device.platform,
        app_version=device.app_version,
        ip_address=session.ip_address,
        user_agent=session.user_agent,
        is_active=session.is_open(now_ms),
        created_at=rfc3339(session.created_at_ms),
        last_activity_at=rfc3339(session.last_activity_at_ms),
        expires_at=rfc3339(session.expires_at_ms),
        is_current=session.id == current,
    )
