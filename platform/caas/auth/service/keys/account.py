"""A client's own keys: a primary one, and a secondary one while it is being replaced."""

from dataclasses import dataclass

from caas.auth.domain.keys import KeyPlace, StoredKey, digest_of, new_account_key, shown_part
from caas.auth.errors import ClientNotFoundError, NoSecondaryKeyError, NoSuchKeyError
from caas.auth.ports import Announcer, ClientStore
from caas.contracts.auth.identity import ApiKeyRevoked
from caas.kernel.clock import Clock
from caas.kernel.ids import ApiKeyId, ClientId, TenantId, new_id


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """Rotates, promotes and revokes; a key that dies is announced before the answer."""

    clients: ClientStore
    announcer: Announcer
    clock: Clock
    pepper: bytes

    async def rotate(self, client_id: ClientId) -> str:
        """Return a new secondary key; the primary one stays good, an older secondary dies.

        Raises:
            ClientNotFoundError: No such account.
        """
        secret = new_account_key()
        key = StoredKey(
            ApiKeyId(new_id()),
            digest_of(secret, self.pepper),
            shown_part(secret),
            self.clock.now_ms(),
        )
        before = await self.clients.set_secondary(client_id, key)
        if before is None:
            raise ClientNotFoundError
        if before.secondary is not None:
            await self._announce(before.tenant_id, client_id, before.secondary)
        return secret

    async def promote(self, client_id: ClientId) -> None:
        """Make the secondary key the primary one; the old primary key dies at once.

        Raises:
            ClientNotFoundError: No such account.
            NoSecondaryKeyError: There is nothing to promote.
        """
        before = await self.clients.promote(client_id, self.clock.now_ms())
        if before is None:
            if await self.clients.by_id(client_id) is None:
                raise ClientNotFoundError
            raise NoSecondaryKeyError
        if before.primary is not None:
            await self._announce(before.tenant_id, client_id, before.primary)

    async def revoke(self, client_id: ClientId, place: KeyPlace) -> None:
        """Kill the key in that place at once; a client without keys can rotate to get one.

        Raises:
            ClientNotFoundError: No such account.
            NoSuchKeyError: There is no key in that place.
        """
        client = await self.clients.by_id(client_id)
        if client is None:
            raise ClientNotFoundError
        key = client.key_in(place)
        if key is None or not await self.clients.drop_key(
            client_id, place, key.id, self.clock.now_ms()
        ):
            raise NoSuchKeyError(place)
        await self._announce(client.tenant_id, client_id, key)

    async def _announce(self, tenant_id: TenantId, client_id: ClientId, key: StoredKey) -> None:
        await self.announcer.publish(
            ApiKeyRevoked(tenant_id=tenant_id, client_id=client_id, api_key_id=key.id)
        )
