"""What the auth use cases need from outside.

Stores translate their driver's exceptions: an unreachable database is `UnavailableError`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from caas.auth.domain.clients import Client
from caas.auth.domain.keys import KeyPlace, NamedKey, StoredKey
from caas.auth.domain.sessions import Issue, Session
from caas.auth.domain.signing import SigningKey
from caas.auth.domain.users import User, UserData
from caas.contracts.auth.api import Preference
from caas.contracts.auth.identity import Claims, RevocationEvent, TokenType
from caas.kernel.ids import ApiKeyId, ClientId, SessionId, TenantId, UserId

Whitelist = Literal["ip_whitelist", "origin_whitelist"]


class ClientStore(Protocol):
    """Keeps client accounts."""

    async def add(self, client: Client) -> None:
        """Store a new account; raise `EmailTakenError` if its `email_key` has one."""
        ...

    async def by_id(self, client_id: ClientId) -> Client | None:
        """Return the account, or None."""
        ...

    async def by_tenant(self, tenant_id: TenantId) -> Client | None:
        """Return the account that owns the tenant, or None."""
        ...

    async def by_email_key(self, email_key: str) -> Client | None:
        """Return the account registered under the address, or None."""
        ...

    async def by_key_digest(self, digest: str) -> Client | None:
        """Return the account whose primary or secondary key has that digest, or None."""
        ...

    async def set_secondary(self, client_id: ClientId, key: StoredKey) -> Client | None:
        """Put *key* in the secondary place; return the account as it was before, or None."""
        ...

    async def promote(self, client_id: ClientId, now_ms: int) -> Client | None:
        """Move the secondary key to the primary place in one step.

        Returns:
            The account as it was before; None when it has no secondary key or does not exist.
        """
        ...

    async def drop_key(
        self, client_id: ClientId, place: KeyPlace, key_id: ApiKeyId, now_ms: int
    ) -> bool:
        """Remove that key from that place; tell whether it was there."""
        ...

    async def rename(self, tenant_id: TenantId, company_name: str, now_ms: int) -> Client | None:
        """Change the company's name; return the account as it is now, or None."""
        ...

    async def list_entry(
        self, client_id: ClientId, whitelist: Whitelist, entry: str, *, entries_max: int
    ) -> bool:
        """Add *entry* unless it is there; tell whether it is there now, False when full."""
        ...

    async def unlist_entry(self, client_id: ClientId, whitelist: Whitelist, entry: str) -> bool:
        """Remove *entry*; tell whether it was there."""
        ...


class NamedKeyStore(Protocol):
    """Keeps the keys that users of a tenant made."""

    async def add(self, key: NamedKey) -> None:
        """Store a new key."""
        ...

    async def by_digest(self, digest: str) -> NamedKey | None:
        """Return the key with that digest, or None."""
        ...

    async def find(self, tenant_id: TenantId, key_id: ApiKeyId) -> NamedKey | None:
        """Return the tenant's key, or None."""
        ...

    async def page(
        self, tenant_id: TenantId, *, after: ApiKeyId | None, limit: int
    ) -> list[NamedKey]:
        """Return up to *limit* keys, oldest first, that come after that key."""
        ...

    async def remove(self, tenant_id: TenantId, key_id: ApiKeyId) -> bool:
        """Forget the key; tell whether it was there."""
        ...

    async def count(self, tenant_id: TenantId) -> int:
        """Return how many keys the tenant has."""
        ...


class KeyUseStore(Protocol):
    """Remembers when each key was last used."""

    async def record(self, uses_ms: Mapping[str, int]) -> None:
        """Note the uses; an older time than the one known changes nothing."""
        ...

    async def last_uses_ms(self, key_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the last known use of each key that was ever used."""
        ...


class UserStore(Protocol):
    """Keeps end users."""

    async def upsert(
        self, tenant_id: TenantId, external_id: str, data: UserData, now_ms: int
    ) -> User:
        """Return the tenant's user of that external id, made or updated as *data* says."""
        ...

    async def find(self, tenant_id: TenantId, user_id: UserId) -> User | None:
        """Return the tenant's user, or None."""
        ...

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
        ...

    async def count(self, tenant_id: TenantId) -> int:
        """Return how many users the tenant has."""
        ...


class SessionStore(Protocol):
    """Keeps sessions. An ended one stays until its tokens would have expired anyway.

    An end is announced on the revocation stream after it is stored; until `announced` is
    called, the session counts as unannounced, so that nothing is lost between the two.
    """

    async def add(self, session: Session) -> None:
        """Store a new session."""
        ...

    async def find(self, tenant_id: TenantId, session_id: SessionId) -> Session | None:
        """Return the session, open or ended, or None."""
        ...

    async def rotate(
        self, session: Session, presented_jti: str, successor: Issue, now_ms: int
    ) -> Session | None:
        """Make *successor* the head if the head is *presented_jti* and the session is open.

        One step: of any number of calls with the same token, one gets the session back.

        Returns:
            The session as it is now, or None when something else was the case.
        """
        ...

    async def revoke(
        self, tenant_id: TenantId, session_id: SessionId, reason: str, now_ms: int
    ) -> bool:
        """End the session unless it has ended; tell whether its end is to be announced."""
        ...

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
        ...

    async def announced(self, session_ids: Sequence[SessionId]) -> None:
        """Note that the ends of these sessions are on the revocation stream."""
        ...

    async def ended_since(
        self, since_ms: int, *, unannounced_only: bool, after: SessionId | None, limit: int
    ) -> list[Session]:
        """Return up to *limit* sessions that ended since then, by id, after that id."""
        ...

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
        ...

    async def count_open(self, tenant_id: TenantId, now_ms: int) -> int:
        """Return how many sessions of the tenant's users are open."""
        ...

    async def oldest_beyond(
        self, tenant_id: TenantId, holder_id: UserId | ClientId, *, keep: int, now_ms: int
    ) -> tuple[SessionId, ...]:
        """Return the holder's open sessions but the *keep* most recently active ones."""
        ...


class SigningKeyStore(Protocol):
    """Keeps signing keys."""

    async def all(self) -> list[SigningKey]:
        """Return every stored key."""
        ...

    async def add(self, key: SigningKey) -> bool:
        """Store *key*; tell whether its sequence number was free."""
        ...

    async def remove(self, kid: str) -> None:
        """Forget the key."""
        ...


class LoginLimiter(Protocol):
    """Counts wrong passwords, shared by all instances."""

    async def reserve(self, account: str, address: str) -> None:
        """Count an attempt before its password is looked at, so that parallel ones count too.

        Raises:
            TooManyAttemptsError: One of the limits is reached; the attempt is not counted.
            UnavailableError: The counters can't be reached.
        """
        ...

    async def succeeded(self, account: str, address: str) -> None:
        """Take the attempt back and remember the address as one the owner uses."""
        ...


class PasswordHasher(Protocol):
    """Hashes passwords off the event loop."""

    async def hash(self, password: str) -> str:
        """Return an argon2id hash of *password*."""
        ...

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether *password* made *stored*; None costs the same time and is False."""
        ...


class TokenSigner(Protocol):
    """Signs claims under the service's own keys."""

    async def current_kid(self) -> str:
        """Return the name of the key that signs now."""
        ...

    async def sign(self, claims: Claims, *, kid: str) -> str:
        """Return the token; the same claims under the same key are the same bytes.

        Raises:
            UnavailableError: That key is not here.
        """
        ...


class TokenChecker(Protocol):
    """Verifies tokens; see `caas.runtime.identity.tokens.TokenVerifier`."""

    def verify_cached(self, token: str) -> Claims | None:
        """Return the claims of a token verified before, or None when it must be verified."""
        ...

    async def verify(self, token: str, *, types: tuple[TokenType, ...] = ...) -> Claims:
        """Return the claims of a good token of one of *types* whose session is open."""
        ...

    async def authenticate(self, token: str) -> Claims:
        """Return the claims of a genuine, current token, whatever became of its session."""
        ...


class Announcer(Protocol):
    """Tells every instance of every service; see `caas.runtime.identity.revocation`."""

    async def publish(self, event: RevocationEvent) -> None:
        """Announce *event*; raise `UnavailableError` when that can't be confirmed."""
        ...
