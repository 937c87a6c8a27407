"""Sessions of end users: opened with a key or an app secret, kept alive by refresh tokens."""

from dataclasses import dataclass

from caas.auth.domain.clients import Client, parse_email, parse_name
from caas.auth.domain.scopes import session_permissions
from caas.auth.domain.sessions import (
    SESSIONS_PER_USER_MAX,
    USER_AGENT_MAX_CHARS,
    Device,
    Family,
    Issue,
    Presented,
    Session,
    access_claims,
    expiry_of,
    judge,
    new_issue,
    refresh_claims,
)
from caas.auth.domain.users import User, UserData, check_settings
from caas.auth.domain.whitelists import parse_address
from caas.auth.errors import PermissionMissingError, RefreshTokenInvalidError
from caas.auth.ports import SessionStore, TokenChecker, TokenSigner, UserStore
from caas.auth.service.keys.check import KeyCheck, KeyHolder
from caas.auth.service.sessions.endings import Endings
from caas.contracts.auth.api import PERSON_NAME_MAX_CHARS
from caas.contracts.auth.identity import Claims
from caas.kernel.clock import Clock
from caas.kernel.ids import SessionId, TenantId, new_id
from caas.runtime.identity.tokens import InvalidTokenError

OPEN_PERMISSION = "sdk:session:create"
ROTATE_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from.

    Attributes:
        origin: The `Origin` header; None when there was none.
    """

    ip_address: str
    user_agent: str = ""
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A session with the tokens of its newest issue."""

    session: Session
    access_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session of a user."""

    user: User
    tokens: TokenPair


@dataclass(frozen=True, slots=True)
class SdkSessions:
    """Opens and refreshes sessions.

    Attributes:
        testing: Whether the platform is one for testing; see `parse_email`.
    """

    users: UserStore
    sessions: SessionStore
    key_check: KeyCheck
    signer: TokenSigner
    checker: TokenChecker
    endings: Endings
    clock: Clock
    testing: bool = False

    async def opener_of(self, api_key: str, caller: Caller) -> KeyHolder:
        """Return whom a key belongs to that may open sessions from there.

        Raises:
            ApiKeyInvalidError, AddressNotAllowedError, OriginNotAllowedError: As `KeyCheck`.
            PermissionMissingError: A named key without the scope to open sessions.
        """
        holder = await self.key_check.holder_of(
            api_key, ip_address=caller.ip_address, origin=caller.origin
        )
        if OPEN_PERMISSION not in holder.permissions:
            raise PermissionMissingError(OPEN_PERMISSION)
        return holder

    async def open_for(
        self,
        opener: KeyHolder,
        *,
        external_id: str,
        data: UserData,
        device: Device,
        caller: Caller,
        ttl_s: int | None = None,
    ) -> Opened:
        """Open a session for the tenant's user *external_id*, made on first sight.

        *opener* comes from `opener_of`; *ttl_s* shortens what its tokens live by default.

        Raises:
            FieldInvalidError: The user data breaks a rule.
        """
        return await self._open(opener, external_id, data, device, caller, ttl_s)

    async def open_with_secret(
        self,
        app_id: str,
        app_secret: str,
        *,
        external_id: str | None,
        data: UserData,
        device: Device,
        caller: Caller,
    ) -> Opened:
        """Open a session with the client's id and API secret; without a user, an unnamed one.

        Raises:
            AppCredentialsInvalidError, AddressNotAllowedError: As `KeyCheck`.
            FieldInvalidError: The user data breaks a rule.
        """
        client = await self.key_check.app_of(app_id, app_secret, ip_address=caller.ip_address)
        holder = KeyHolder(client, (), named=False)
        return await self._open(holder, external_id or f"app:{client.id}", data, device, caller)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Return the successor of a refresh token; see `caas.auth.domain.sessions`.

        Raises:
            RefreshTokenInvalidError: Forged, expired, of an ended session, or used before; in
                the last case the session has been ended, everywhere.
            UnavailableError: The store, the keys or the announcement failed.
        """
        try:
            claims = await self.checker.authenticate(refresh_token)
        except InvalidTokenError:
            raise RefreshTokenInvalidError from None
        if claims.type != "refresh":
            raise RefreshTokenInvalidError
        kid = await self.signer.current_kid()
        for _ in range(ROTATE_ATTEMPTS):
            session = await self._open_session_of(claims)
            family = session.family
            if family is None:
                raise RefreshTokenInvalidError
            now_ms = self.clock.now_ms()
            presented = judge(family, claims.jti, now_ms=now_ms)
            if presented is Presented.JUST_REPLACED:
                return await self._tokens(session, family.head)
            if presented is Presented.USED_BEFORE:
                await self.endings.end(
                    TenantId(claims.tenant_id), session.id, reason="refresh token reused"
                )
                raise RefreshTokenInvalidError
            successor = new_issue(kid=kid, now_ms=now_ms)
            moved = await self.sessions.rotate(session, claims.jti, successor, now_ms)
            if moved is not None:
                return await self._tokens(moved, successor)
        raise RefreshTokenInvalidError

    async def _open_session_of(self, claims: Claims) -> Session:
        session = await self.sessions.find(TenantId(claims.tenant_id), SessionId(claims.session_id))
        if session is None or not session.is_open(self.clock.now_ms()):
            raise RefreshTokenInvalidError
        return session

    async def _open(
        self,
        holder: KeyHolder,
        external_id: str,
        data: UserData,
        device: Device,
        caller: Caller,
        ttl_s: int | None = None,
    ) -> Opened:
        client = holder.client
        now_ms = self.clock.now_ms()
        user = await self.users.upsert(
            client.tenant_id, external_id, _checked(data, testing=self.testing), now_ms
        )
        issue = new_issue(kid=await self.signer.current_kid(), now_ms=now_ms)
        session = Session(
            id=SessionId(new_id()),
            kind="user",
            tenant_id=client.tenant_id,
            client_id=client.id,
            holder_id=user.id,
            external_id=external_id,
            email=user.email,
            permissions=session_permissions(holder.permissions) if holder.named else None,
            ip_address=str(parse_address(caller.ip_address)),
            user_agent=caller.user_agent[:USER_AGENT_MAX_CHARS],
            device=device,
            family=Family(0, issue),
            created_at_ms=now_ms,
            last_activity_at_ms=now_ms,
            expires_at_ms=expiry_of(now_ms, issue, ttl_s),
            ttl_s=ttl_s,
        )
        tokens = await self._tokens(session, issue)
        await self.sessions.add(session)
        await self._make_room(client, user)
        return Opened(user, tokens)

    async def _make_room(self, client: Client, user: User) -> None:
        """End the sessions longest unused when a user has too many."""
        surplus = await self.sessions.oldest_beyond(
            client.tenant_id, user.id, keep=SESSIONS_PER_USER_MAX, now_ms=self.clock.now_ms()
        )
        for session_id in surplus:
            await self.endings.end(client.tenant_id, session_id, reason="too many sessions")

    async def _tokens(self, session: Session, issue: Issue) -> TokenPair:
        return TokenPair(
            session,
            await self.signer.sign(access_claims(session, issue), kid=issue.kid),
            await self.signer.sign(refresh_claims(session, issue), kid=issue.kid),
        )


def _checked(data: UserData, *, testing: bool) -> UserData:
    """Return the data in normal form; raise `FieldInvalidError` where it breaks a rule."""
    if data.metadata is not None:
        check_settings(data.metadata, path=f"{data.place}metadata")
    return UserData(
        email=(
            None
            if data.email is None
            else parse_email(data.email, testing=testing, path=f"{data.place}email")
        ),
        username=(
            None
            if data.username is None
            else parse_name(
                data.username, path=f"{data.place}name", max_chars=PERSON_NAME_MAX_CHARS
            )
        ),
        metadata=data.metadata,
    )
