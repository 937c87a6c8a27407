"""The auth service's stores in memory, with the real stores' promises.

One contract suite runs over these and over the real adapters, so that what a unit test learns
from a fake holds for the database too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from caas.auth.domain.clients import Client
from caas.auth.domain.keys import KeyPlace, NamedKey, StoredKey
from caas.auth.domain.sessions import Issue, Session, expiry_of, revoked, rotated
from caas.auth.domain.signing import SigningKey
from caas.auth.domain.users import User, UserData
from caas.auth.errors import EmailTakenError
from caas.auth.ports import Whitelist
from caas.contracts.auth.api import Preference
from caas.kernel.errors import UnavailableError
from caas.kernel.ids import ApiKeyId, ClientId, SessionId, TenantId, UserId, new_id


@dataclass(slots=True)
class MemoryClientStore:
    """A `ClientStore`."""

    clients: dict[ClientId, Client] = field(default_factory=dict[ClientId, Client])

    async def add(self, client: Client) -> None:
        """Store a new account; raise `EmailTakenError` if its `email_key` has one."""
        if await self.by_email_key(client.email_key) is not None:
            raise EmailTakenError
        self.clients[client.id] = client

    async def by_id(self, client_id: ClientId) -> Client | None:
        """Return the account, or None."""
        return self.clients.get(client_id)

    async def by_tenant(self, tenant_id: TenantId) -> Client | None:
        """Return the account that owns the tenant, or None."""
        return next((c for c in self.clients.values() if c.tenant_id == tenant_id), None)

    async def by_email_key(self, email_key: str) -> Client | None:
        """Return the account registered under the address, or None."""
        return next((c for c in self.clients.values() if c.email_key == email_key), None)

    async def by_key_digest(self, digest: str) -> Client | None:
        """Return the account whose primary or secondary key has that digest, or None."""
        return next((c for c in self.clients.values() if c.key_with(digest) is not None), None)

    async def set_secondary(self, client_id: ClientId, key: StoredKey) -> Client | None:
        """Put *key* in the secondary place; return the account as it was before, or None."""
        before = self.clients.get(client_id)
        if before is not None:
            self.clients[client_id] = replace(
                before, secondary=key, updated_at_ms=key.created_at_ms
            )
        return before

    async def promote(self, client_id: ClientId, now_ms: int) -> Client | None:
        """Move the secondary key to the primary place; None if there is none."""
        before = self.clients.get(client_id)
        if before is None or before.secondary is None:
            return None
        self.clients[client_id] = replace(
            before, primary=before.secondary, secondary=None, updated_at_ms=now_ms
        )
        return before

    async def drop_key(
        self, client_id: ClientId, place: KeyPlace, key_id: ApiKeyId, now_ms: int
    ) -> bool:
        """Remove that key from that place; tell whether it was there."""
        client = self.clients.get(client_id)
        key = client.key_in(place) if client is not None else None
        if client is None or key is None or key.id != key_id:
            return False
        if place == "primary":
            self.clients[client_id] = replace(client, primary=None, updated_at_ms=now_ms)
        else:
            self.clients[client_id] = replace(client, secondary=None, updated_at_ms=now_ms)
        return True

    async def rename(self, tenant_id: TenantId, company_name: str, now_ms: int) -> Client | None:
        """Change the company's name; return the account as it is now, or None."""
        client = await self.by_tenant(tenant_id)
        if client is None:
            return None
        renamed = replace(client, company_name=company_name, updated_at_ms=now_ms)
        self.clients[client.id] = renamed
        return renamed

    async def list_entry(
        self, client_id: ClientId, whitelist: Whitelist, entry: str, *, entries_max: int
    ) -> bool:
        """Add *entry* unless it is there; tell whether it is there now, False when full."""
        client = self.clients.get(client_id)
        if client is None:
            return False
        entries: tuple[str, ...] = getattr(client, whitelist)
        if entry not in entries:
            if len(entries) >= entries_max:
                return False
            self._set(client, whitelist, (*entries, entry))
        return True

    async def unlist_entry(self, client_id: ClientId, whitelist: Whitelist, entry: str) -> bool:
        """Remove *entry*; tell whether it was there."""
        client = self.clients.get(client_id)
        entries: tuple[str, ...] = () if client is None else getattr(client, whitelist)
        if client is None or entry not in entries:
            return False
        self._set(client, whitelist, tuple(one for one in entries if one != entry))
        return True

    def _set(self, client: Client, whitelist: Whitelist, entries: tuple[str, ...]) -> None:
        if whitelist == "ip_whitelist":
            self.clients[client.id] = replace(client, ip_whitelist=entries)
        else:
            self.clients[client.id] = replace(client, origin_whitelist=entries)


@dataclass(slots=True)
class MemoryNamedKeyStore:
    """A `NamedKeyStore`."""

    keys: dict[ApiKeyId, NamedKey] = field(default_factory=dict[ApiKeyId, NamedKey])

    async def add(self, key: NamedKey) -> None:
        """Store a new key."""
        self.keys[key.key.id] = key

    async def by_digest(self, digest: str) -> NamedKey | None:
        """Return the key with that digest, or None."""
        return next((k for k in self.keys.values() if k.key.digest == digest), None)

    async def find(self, tenant_id: TenantId, key_id: ApiKeyId) -> NamedKey | None:
        """Return the tenant's key, or None."""
        key = self.keys.get(key_id)
        return key if key is not None and key.tenant_id == tenant_id else None

    async def page(
        self, tenant_id: TenantId, *, after: ApiKeyId | None, limit: int
    ) -> list[NamedKey]:
        """Return up to *limit* keys, oldest first, that come after that key."""
        own = sorted(
            (k for k in self.keys.values() if k.tenant_id == tenant_id),
            key=lambda k: (k.key.created_at_ms, k.key.id),
        )
        if after is not None:
            ids = [k.key.id for k in own]
            own = own[ids.index(after) + 1 :] if after in ids else []
        return own[:limit]

    async def remove(self, tenant_id: TenantId, key_id: ApiKeyId) -> bool:
        """Forget the key; tell whether it was there."""
        found = await self.find(tenant_id, key_id) is not None
        if found:
            del self.keys[key_id]
        return found

    async def count(self, tenant_id: TenantId) -> int:
        """Return how many keys the tenant has."""
        return sum(k.tenant_id == tenant_id for k in self.keys.values())


@dataclass(slots=True)
class MemoryKeyUseStore:
    """A `KeyUseStore`; `away` makes it fail as an unreachable database does."""

    uses_ms: dict[str, int] = field(default_factory=dict[str, int])
    away: bool = False

    async def record(self, uses_ms: Mapping[str, int]) -> None:
        """Note the uses; an older time than the one known changes nothing."""
        if self.away:
            raise UnavailableError("mongodb is unavailable")
        for key_id, at_ms in uses_ms.items():
            self.uses_ms[key_id] = max(at_ms, self.uses_ms.get(key_id, at_ms))

    async def last_uses_ms(self, key_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the last known use of each key that was ever used."""
        return {key_id: self.uses_ms[key_id] for key_id in key_ids if key_id in self.uses_ms}


@dataclass(slots=True)
class MemoryUserStore:
    """A `UserStore`."""

    users: dict[UserId, User] = field(default_factory=dict[UserId, User])

    async def upsert(
        self, tenant_id: TenantId, external_id: str, data: UserData, now_ms: int
    ) -> User:
        """Return the tenant's user of that external id, made or updated as *data* says."""
        found = (
            u
            for u in self.users.values()
            if (u.tenant_id, u.external_id) == (tenant_id, external_id)
        )
        known = next(found, None)
        before = known or User(
            UserId(new_id()), tenant_id, external_id, None, None, None, {}, {},
            mfa_enabled=False, status="active", created_at_ms=now_ms, updated_at_ms=now_ms,
        )  # fmt: skip
        user = replace(
            before,
            email=before.email if data.email is None else data.email,
            username=before.username if data.username is None else data.username,
            metadata=before.metadata if data.metadata is None else dict(data.metadata),
        )
        if user != before:
            user = replace(user, updated_at_ms=now_ms)
        self.users[user.id] = user
        return user

    async def find(self, tenant_id: TenantId, user_id: UserId) -> User | None:
        """Return the tenant's user, or None."""
        user = self.users.get(user_id)
        return user if user is not None and user.tenant_id == tenant_id else None

    async def update_profile(
        self,
        tenant_id: TenantId,
        user_id: UserId,
        *,
        name: str | None,
        preferences: Mapping[str, Preference] | None,
        now_ms: int,
    ) -> User | None:
        """Replace what is not None; return the user as it is now, or None."""
        user = await self.find(tenant_id, user_id)
        if user is None:
            return None
        changed = replace(
            user,
            name=user.name if name is None else name,
            preferences=user.preferences if preferences is None else dict(preferences),
            updated_at_ms=now_ms,
        )
        self.users[user_id] = changed
        return changed

    async def count(self, tenant_id: TenantId) -> int:
        """Return how many users the tenant has."""
        return sum(u.tenant_id == tenant_id for u in self.users.values())


@dataclass(slots=True)
class MemorySessionStore:
    """A `SessionStore`."""

    sessions: dict[SessionId, Session] = field(default_factory=dict[SessionId, Session])
    unannounced: set[SessionId] = field(default_factory=set[SessionId])

    async def add(self, session: Session) -> None:
        """Store a new session."""
        self.sessions[session.id] = session

    async def find(self, tenant_id: TenantId, session_id: SessionId) -> Session | None:
        """Return the session, open or ended, or None."""
        session = self.sessions.get(session_id)
        return session if session is not None and session.tenant_id == tenant_id else None

    async def rotate(
        self, session: Session, presented_jti: str, successor: Issue, now_ms: int
    ) -> Session | None:
        """Make *successor* the head if the head is *presented_jti* and the session is open."""
        stored = await self.find(session.tenant_id, session.id)
        if stored is None or stored.family is None or not stored.is_open(now_ms):
            return None
        if stored.family.head.refresh_jti != presented_jti:
            return None
        moved = replace(
            stored,
            family=rotated(stored.family, successor, now_ms=now_ms),
            last_activity_at_ms=now_ms,
            expires_at_ms=expiry_of(stored.created_at_ms, successor, stored.ttl_s),
        )
        self.sessions[session.id] = moved
        return moved

    async def revoke(
        self, tenant_id: TenantId, session_id: SessionId, reason: str, now_ms: int
    ) -> bool:
        """End the session unless it has ended; tell whether its end is to be announced."""
        session = await self.find(tenant_id, session_id)
        if session is not None and session.is_open(now_ms):
            self.sessions[session_id] = revoked(session, reason, now_ms=now_ms)
            self.unannounced.add(session_id)
        return session is not None and session_id in self.unannounced

    async def revoke_all(
        self,
        tenant_id: TenantId,
        holder_id: UserId | ClientId,
        *,
        spare: SessionId | None,
        reason: str,
        now_ms: int,
    ) -> tuple[SessionId, ...]:
        """End every open session of the holder but *spare*; return those to be announced."""
        own = [s for s in self._of(tenant_id, holder_id) if s.id != spare]
        return tuple([s.id for s in own if await self.revoke(tenant_id, s.id, reason, now_ms)])

    async def announced(self, session_ids: Sequence[SessionId]) -> None:
        """Note that the ends of these sessions are on the revocation stream."""
        self.unannounced.difference_update(session_ids)

    async def ended_since(
        self, since_ms: int, *, unannounced_only: bool, after: SessionId | None, limit: int
    ) -> list[Session]:
        """Return up to *limit* sessions that ended since then, by id, after that id."""
        ended = sorted(
            (
                s
                for s in self.sessions.values()
                if s.revoked_at_ms is not None and s.revoked_at_ms >= since_ms
            ),
            key=lambda s: s.id,
        )
        wanted = (s for s in ended if s.id in self.unannounced or not unannounced_only)
        return [s for s in wanted if after is None or s.id > after][:limit]

    async def page(
        self,
        tenant_id: TenantId,
        holder_id: UserId | ClientId,
        *,
        now_ms: int,
        after: SessionId | None,
        limit: int,
    ) -> list[Session]:
        """Return up to *limit* open sessions of the holder, newest first, after that one."""
        newest = sorted(
            self._of(tenant_id, holder_id), key=lambda s: (s.created_at_ms, s.id), reverse=True
        )
        if after is not None:
            ids = [s.id for s in newest]
            newest = newest[ids.index(after) + 1 :] if after in ids else []
        return [s for s in newest if s.is_open(now_ms)][:limit]

    async def count_open(self, tenant_id: TenantId, now_ms: int) -> int:
        """Return how many sessions of the tenant's users are open."""
        return sum(
            s.tenant_id == tenant_id and s.kind == "user" and s.is_open(now_ms)
            for s in self.sessions.values()
        )

    async def oldest_beyond(
        self, tenant_id: TenantId, holder_id: UserId | ClientId, *, keep: int, now_ms: int
    ) -> tuple[SessionId, ...]:
        """Return the holder's open sessions but the *keep* most recently active ones."""
        active = sorted(
            (s for s in self._of(tenant_id, holder_id) if s.is_open(now_ms)),
            key=lambda s: (s.last_activity_at_ms, s.created_at_ms),
            reverse=True,
        )
        return tuple(s.id for s in active[keep:])

    def _of(self, tenant_id: TenantId, holder_id: UserId | ClientId) -> list[Session]:
        return [
            s
            for s in self.sessions.values()
            if (s.tenant_id, s.holder_id) == (tenant_id, holder_id)
        ]


@dataclass(slots=True)
class MemorySigningKeyStore:
    """A `SigningKeyStore`."""

    keys: dict[str, SigningKey] = field(default_factory=dict[str, SigningKey])

    async def all(self) -> list[SigningKey]:
        """Return every stored key."""
        return list(self.keys.values())

    async def add(self, key: SigningKey) -> bool:
        """Store *key*; tell whether its sequence number was free."""
        if any(known.sequence == key.sequence for known in self.keys.values()):
            return False
        self.keys[key.kid] = key
        return True

    async def remove(self, kid: str) -> None:
        """Forget the key."""
        self.keys.pop(kid, None)
