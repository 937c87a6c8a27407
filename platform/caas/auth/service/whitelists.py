"""A client's IP and origin whitelists."""

from dataclasses import dataclass

from caas.auth.domain.clients import Client
from caas.auth.domain.whitelists import ENTRIES_MAX, parse_network, parse_origin
from caas.auth.errors import (
    ClientNotFoundError,
    EntryNotFoundError,
    FieldInvalidError,
    ListFullError,
)
from caas.auth.ports import Announcer, ClientStore, Whitelist
from caas.contracts.auth.identity import TenantChanged
from caas.kernel.ids import ClientId


def canonical_entry(whitelist: Whitelist, entry: str) -> str:
    """Return *entry* as it is stored, so that two spellings are one.

    Raises:
        FieldInvalidError: It is no network, or no origin.
    """
    if whitelist == "ip_whitelist":
        return str(parse_network(entry))
    return parse_origin(entry)


@dataclass(frozen=True, slots=True)
class Whitelists:
    """Reads and changes who may use a client's keys; a change binds the very next call."""

    clients: ClientStore
    announcer: Announcer

    async def entries(self, client_id: ClientId, whitelist: Whitelist) -> tuple[str, ...]:
        """Return the entries, oldest first; raise `ClientNotFoundError` if there is no client."""
        client = await self._client(client_id)
        return client.ip_whitelist if whitelist == "ip_whitelist" else client.origin_whitelist

    async def add(self, client_id: ClientId, whitelist: Whitelist, entry: str) -> str:
        """Add an entry and return its canonical form; one that is there already stays.

        Raises:
            FieldInvalidError: It is no network, or no origin.
            ClientNotFoundError: No such account.
            ListFullError: The list has `ENTRIES_MAX` entries.
        """
        client = await self._client(client_id)
        canonical = canonical_entry(whitelist, entry)
        listed = await self.clients.list_entry(
            client_id, whitelist, canonical, entries_max=ENTRIES_MAX
        )
        if not listed:
            raise ListFullError("whitelist entries", ENTRIES_MAX)
        await self._announce(client)
        return canonical

    async def remove(self, client_id: ClientId, whitelist: Whitelist, entry: str) -> str:
        """Remove an entry, in whatever spelling, and return its canonical form.

        Raises:
            ClientNotFoundError: No such account.
            EntryNotFoundError: It is not listed, as nothing is that is no network or origin.
        """
        client = await self._client(client_id)
        try:
            canonical = canonical_entry(whitelist, entry)
        except FieldInvalidError:
            raise EntryNotFoundError from None
        if not await self.clients.unlist_entry(client_id, whitelist, canonical):
            raise EntryNotFoundError
        await self._announce(client)
        return canonical

    async def _client(self, client_id: ClientId) -> Client:
        client = await self.clients.by_id(client_id)
        if client is None:
            raise ClientNotFoundError
        return client

    async def _announce(self, client: Client) -> None:
        await self.announcer.publish(TenantChanged(tenant_id=client.tenant_id, client_id=client.id))
