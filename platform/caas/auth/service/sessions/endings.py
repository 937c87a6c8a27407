"""Ending sessions, so that every instance of every service refuses them at once.

The end is stored first and announced second, and the caller hears of success only after both.
A session whose end was stored and not announced is kept in mind by the store: a retry of the
caller, and `relay`, announce it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from caas.auth.domain.sessions import Session
from caas.auth.errors import SessionNotFoundError
from caas.auth.ports import Announcer, SessionStore
from caas.contracts.auth.identity import CLIENT_TTL_S, SessionsRevoked
from caas.kernel.clock import Clock
from caas.kernel.ids import ClientId, SessionId, TenantId, UserId

RELAY_INTERVAL_S = 5.0
RELAY_BATCH = 500
RELAY_BATCHES_MAX = 2_000
MATTERS_FOR_MS = (CLIENT_TTL_S + 300) * 1000
"""How long an end must be known: the longest life of a token that is checked locally."""


@dataclass(frozen=True, slots=True)
class Endings:
    """Ends sessions and sees to it that everyone hears of it."""

    sessions: SessionStore
    announcer: Announcer
    clock: Clock

    async def end(self, tenant_id: TenantId, session_id: SessionId, *, reason: str) -> bool:
        """End one session; tell whether it was open, or ended without anyone hearing of it.

        Raises:
            UnavailableError: It could not be stored or announced; the same call may succeed.
        """
        if not await self.sessions.revoke(tenant_id, session_id, reason, self.clock.now_ms()):
            return False
        await self._announce(tenant_id, (session_id,), reason)
        return True

    async def end_own(
        self, tenant_id: TenantId, holder_id: UserId | ClientId, session_id: SessionId
    ) -> None:
        """End one session of the holder.

        Raises:
            SessionNotFoundError: The holder has no open session by that id.
            UnavailableError: As `end`.
        """
        session = await self.sessions.find(tenant_id, session_id)
        if session is None or session.holder_id != holder_id:
            raise SessionNotFoundError
        if not await self.end(tenant_id, session_id, reason="revoked"):
            raise SessionNotFoundError

    async def end_all(
        self,
        tenant_id: TenantId,
        holder_id: UserId | ClientId,
        *,
        spare: SessionId | None,
        reason: str,
    ) -> int:
        """End every session of the holder but *spare*; return how many.

        Raises:
            UnavailableError: As `end`.
        """
        ended = await self.sessions.revoke_all(
            tenant_id, holder_id, spare=spare, reason=reason, now_ms=self.clock.now_ms()
        )
        await self._announce(tenant_id, ended, reason)
        return len(ended)

    async def relay(self, *, everything: bool = False) -> int:
        """Announce what was stored and not announced; return how many sessions.

        Args:
            everything: Announce also what was announced before, as after a loss of data in
                Redis; announcing twice is harmless.
        """
        since_ms = self.clock.now_ms() - MATTERS_FOR_MS
        after: SessionId | None = None
        relayed = 0
        for _ in range(RELAY_BATCHES_MAX):
            batch = await self.sessions.ended_since(
                since_ms, unannounced_only=not everything, after=after, limit=RELAY_BATCH
            )
            await self._announce_batch(batch)
            relayed += len(batch)
            if len(batch) < RELAY_BATCH:
                break
            after = batch[-1].id
        return relayed

    async def _announce_batch(self, batch: Sequence[Session]) -> None:
        by_tenant: dict[TenantId, list[SessionId]] = {}
        for session in batch:
            by_tenant.setdefault(session.tenant_id, []).append(session.id)
        for tenant_id, session_ids in by_tenant.items():
            await self._announce(tenant_id, session_ids, "relayed")

    async def _announce(
        self, tenant_id: TenantId, session_ids: Sequence[SessionId], reason: str
    ) -> None:
        if not session_ids:
            return
        await self.announcer.publish(
            SessionsRevoked(tenant_id=tenant_id, session_ids=tuple(session_ids), reason=reason)
        )
        await self.sessions.announced(session_ids)
