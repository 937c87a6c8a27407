"""Keys that users of a tenant make for their own programs: named, scoped, deletable."""

from collections.abc import Sequence
from dataclasses import dataclass

from caas.auth.domain.clients import parse_name
from caas.auth.domain.keys import (
    NAMED_KEYS_MAX,
    NamedKey,
    StoredKey,
    digest_of,
    new_named_key,
    shown_part,
)
from caas.auth.domain.scopes import grant
from caas.auth.errors import ApiKeyNotFoundError, ListFullError, TenantNotFoundError
from caas.auth.ports import Announcer, ClientStore, KeyUseStore, NamedKeyStore
from caas.contracts.auth.identity import ApiKeyRevoked
from caas.contracts.auth.internal import KEY_NAME_MAX_CHARS
from caas.kernel.clock import Clock
from caas.kernel.ids import ApiKeyId, TenantId, new_id


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new named key in clear: shown once, stored nowhere."""

    key: NamedKey
    secret: str


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A named key as lists show it."""

    key: NamedKey
    last_used_at_ms: int | None


@dataclass(frozen=True, slots=True)
class NamedKeys:
    """Makes, lists and deletes a tenant's keys."""

    clients: ClientStore
    keys: NamedKeyStore
    uses: KeyUseStore
    announcer: Announcer
    clock: Clock
    pepper: bytes

    async def make(
        self,
        tenant_id: TenantId,
        *,
        name: str,
        scopes: Sequence[str],
        created_by: str,
        maker_permissions: Sequence[str],
        by_member: bool = True,
    ) -> MadeKey:
        """Create a key that holds *scopes*, and no more than its maker.

        Raises:
            TenantNotFoundError: No such tenant.
            FieldInvalidError: The name or a scope breaks a rule.
            ScopesExceededError: The maker does not hold all of *scopes*.
            ListFullError: The tenant has `NAMED_KEYS_MAX` keys.
        """
        label = parse_name(name, path="name", max_chars=KEY_NAME_MAX_CHARS)
        granted = grant(scopes, maker_permissions)
        client = await self.clients.by_tenant(tenant_id)
        if client is None:
            raise TenantNotFoundError
        if await self.keys.count(tenant_id) >= NAMED_KEYS_MAX:
            raise ListFullError("named keys", NAMED_KEYS_MAX)
        secret = new_named_key()
        stored = StoredKey(
            ApiKeyId(new_id()),
            digest_of(secret, self.pepper),
            shown_part(secret),
            self.clock.now_ms(),
        )
        key = NamedKey(stored, tenant_id, client.id, label, granted, created_by, by_member)
        await self.keys.add(key)
        return MadeKey(key, secret)

    async def find(self, tenant_id: TenantId, key_id: ApiKeyId) -> ListedKey:
        """Return one key; raise `ApiKeyNotFoundError` if the tenant has none by that id."""
        key = await self.keys.find(tenant_id, key_id)
        if key is None:
            raise ApiKeyNotFoundError
        uses = await self.uses.last_uses_ms([key_id])
        return ListedKey(key, uses.get(key_id))

    async def page(
        self, tenant_id: TenantId, *, after: ApiKeyId | None, limit: int
    ) -> list[ListedKey]:
        """Return up to *limit* keys, oldest first, that come after that key."""
        keys = await self.keys.page(tenant_id, after=after, limit=limit)
        uses = await self.uses.last_uses_ms([key.key.id for key in keys])
        return [ListedKey(key, uses.get(key.key.id)) for key in keys]

    async def delete(self, tenant_id: TenantId, key_id: ApiKeyId) -> None:
        """Kill a key at once.

        Raises:
            ApiKeyNotFoundError: The tenant has none by that id.
        """
        key = await self.keys.find(tenant_id, key_id)
        if key is None or not await self.keys.remove(tenant_id, key_id):
            raise ApiKeyNotFoundError
        await self.announcer.publish(
            ApiKeyRevoked(tenant_id=tenant_id, client_id=key.client_id, api_key_id=key_id)
        )
