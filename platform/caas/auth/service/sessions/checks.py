"""Token checks for other services and for anyone who holds a token, and session lists."""

from dataclasses import dataclass

from caas.auth.domain.sessions import Session
from caas.auth.errors import SessionNotFoundError, TokenRefusedError
from caas.auth.ports import SessionStore, TokenChecker
from caas.contracts.auth.identity import Claims, TokenType
from caas.kernel.clock import Clock
from caas.kernel.ids import ClientId, SessionId, TenantId, UserId
from caas.runtime.identity.tokens import InvalidTokenError, SessionInvalidError

CHECKED_TYPES: tuple[TokenType, ...] = ("access", "client")


@dataclass(frozen=True, slots=True)
class Checks:
    """Answers whether a token is good, and shows holders their sessions."""

    sessions: SessionStore
    checker: TokenChecker
    clock: Clock

    def remembered(self, token: str) -> Claims | None:
        """Return the claims of a good token seen before; None leaves it to `claims_of`.

        Raises:
            TokenRefusedError: It is not good any more.
            UnavailableError: That can't be known at present.
        """
        try:
            claims = self.checker.verify_cached(token)
        except (InvalidTokenError, SessionInvalidError) as error:
            raise TokenRefusedError(str(error)) from None
        return claims if claims is not None and claims.type in CHECKED_TYPES else None

    async def claims_of(self, token: str) -> Claims:
        """Return the claims of a good token, from memory alone.

        Raises:
            TokenRefusedError: It is not good; the words tell a bad token from an ended session.
            UnavailableError: That can't be known at present.
        """
        try:
            return await self.checker.verify(token, types=CHECKED_TYPES)
        except (InvalidTokenError, SessionInvalidError) as error:
            raise TokenRefusedError(str(error)) from None

    async def claims_and_session_of(self, token: str) -> tuple[Claims, Session]:
        """Return the claims and the stored session of a good token.

        Raises:
            TokenRefusedError: As `claims_of`; the store is asked too.
            UnavailableError: That can't be known at present.
        """
        claims = await self.claims_of(token)
        session = await self.sessions.find(TenantId(claims.tenant_id), SessionId(claims.session_id))
        if session is None or not session.is_open(self.clock.now_ms()):
            raise TokenRefusedError("Session invalid")
        return claims, session

    async def own_sessions(
        self, claims: Claims, *, after: SessionId | None, limit: int
    ) -> list[Session]:
        """Return up to *limit* open sessions of the token's holder, newest first."""
        return await self.sessions.page(
            TenantId(claims.tenant_id),
            UserId(claims.user_id),
            now_ms=self.clock.now_ms(),
            after=after,
            limit=limit,
        )

    async def own_session(self, claims: Claims, session_id: SessionId) -> Session:
        """Return one open session of the token's holder.

        Raises:
            SessionNotFoundError: The holder has none by that id.
        """
        session = await self.sessions.find(TenantId(claims.tenant_id), session_id)
        if (
            session is None
            or session.holder_id != ClientId(claims.user_id)
            or not session.is_open(self.clock.now_ms())
        ):
            raise SessionNotFoundError
        return session
