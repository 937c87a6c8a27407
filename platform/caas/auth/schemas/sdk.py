"""Bodies of end users: sessions, refresh, token checks, profile."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, structs

from caas.auth.domain.sessions import Device, Session
from caas.auth.domain.users import Preference, User, UserData, UserStatus
from caas.auth.schemas.fields import Email, ExternalId, PersonName, Settings, ShortText, Token
from caas.auth.service.sdk_sessions import Opened, TokenPair
from caas.contracts.auth import ACCESS_TTL_S, Claims
from caas.kernel import wire
from caas.kernel.clock import rfc3339


class UserDataBody(wire.Request, frozen=True, kw_only=True):
    """What the tenant says about the user; what is left out stays as it is."""

    name: PersonName | None = None
    email: Email | None = None
    metadata: Settings | None = None

    def to_domain(self) -> UserData:
        """Return it as the use case takes it."""
        return UserData(email=self.email, username=self.name, metadata=self.metadata)


class DeviceBody(wire.Request, frozen=True, kw_only=True):
    """What the client says about its device."""

    device_type: ShortText | None = None
    device_name: ShortText | None = None
    device_fingerprint: ShortText | None = None
    platform: ShortText | None = None
    app_version: ShortText | None = None

    def to_domain(self) -> Device:
        """Return it as the use case takes it."""
        return Device(**structs.asdict(self))


class OpenSession(wire.Request, frozen=True, kw_only=True):
    """POST /sdk/session."""

    user_external_id: ExternalId
    user_data: UserDataBody = UserDataBody()
    device_info: DeviceBody = DeviceBody()


class RefreshSession(wire.Request, frozen=True, kw_only=True):
    """POST /sdk/refresh."""

    refresh_token: Token


class SessionUser(wire.Response, frozen=True, kw_only=True):
    """The user of a new session."""

    user_id: str
    external_id: str
    tenant_id: str


class SdkSession(wire.Response, frozen=True, kw_only=True):
    """A new session (seed case 19)."""

    access_token: str
    refresh_token: str
    expires_in: Annotated[int, Meta(description="Seconds the access token lives.")]
    token_type: str
    user: SessionUser
    session_id: str
    socket_urls: list[str]

    @classmethod
    def of(cls, opened: Opened, socket_urls: tuple[str, ...]) -> "SdkSession":
        """Show a session that was just opened."""
        user = opened.user
        return cls(
            access_token=opened.tokens.access_token,
            refresh_token=opened.tokens.refresh_token,
            expires_in=ACCESS_TTL_S,
            token_type="Bearer",  # noqa: S106 - a scheme's name
            user=SessionUser(
                user_id=user.id, external_id=user.external_id, tenant_id=user.tenant_id
            ),
            session_id=opened.tokens.session.id,
            socket_urls=list(socket_urls),
        )


class Tokens(wire.Response, frozen=True, kw_only=True):
    """A refreshed pair (seed case 25)."""

    access_token: str
    refresh_token: str
    expires_in: Annotated[int, Meta(description="Seconds the access token lives.")]
    token_type: str

    @classmethod
    def of(cls, pair: TokenPair) -> "Tokens":
        """Show the successor."""
        return cls(
            access_token=pair.access_token,
            refresh_token=pair.refresh_token,
            expires_in=ACCESS_TTL_S,
            token_type="Bearer",  # noqa: S106 - a scheme's name
        )


class CheckToken(wire.Request, frozen=True, kw_only=True):
    """A token to check."""

    token: Token


class SessionState(wire.Response, frozen=True, kw_only=True):
    """A session as its holder may see it."""

    session_id: str
    user_id: str
    tenant_id: str
    device_type: str | None
    device_name: str | None
    device_fingerprint: str | None
    platform: str | None
    app_version: str | None
    ip_address: str
    user_agent: str
    is_active: bool
    created_at: str
    last_activity_at: str
    expires_at: str
    is_current: bool

    @classmethod
    def of(cls, session: Session, *, now_ms: int, current: str) -> "SessionState":
        """Show a session; *current* is the id of the asking token's own."""
        device = session.device
        return cls(
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


class CheckedToken(wire.Response, frozen=True, kw_only=True):
    """A good token: its claims and its session (seed case 23)."""

    valid: bool
    payload: Claims
    session: SessionState


class SessionPage(wire.Response, frozen=True, kw_only=True):
    """Open sessions, newest first."""

    sessions: list[SessionState]
    next_cursor: str | None


class SessionsEnded(wire.Response, frozen=True, kw_only=True):
    """How many sessions were ended."""

    message: str
    revoked: int


class Profile(wire.Response, frozen=True, kw_only=True):
    """A user (seed case 71).

    `username` is what the tenant calls the user, `name` what the user chose to be called.
    """

    user_id: str
    tenant_id: str
    external_id: str
    email: str | None
    username: str | None
    name: str | None
    preferences: dict[str, Preference]
    metadata: dict[str, Preference]
    mfa_enabled: bool
    status: UserStatus
    created_at: str
    updated_at: str

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


class UpdateProfile(wire.Request, frozen=True, kw_only=True):
    """PUT /users/profile; what is left out stays as it is, one of them must be given."""

    MEMBERS_MIN = 1

    name: PersonName | UnsetType = UNSET
    preferences: Settings | UnsetType = UNSET
