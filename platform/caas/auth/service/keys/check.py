"""Who a key belongs to, and whether it may be used from there."""

from dataclasses import dataclass

from caas.auth.domain.clients import Client
from caas.auth.domain.keys import digest_of, is_named, is_well_formed, same_digest
from caas.auth.domain.whitelists import address_allowed, origin_allowed, parse_address
from caas.auth.errors import (
    AddressNotAllowedError,
    ApiKeyInvalidError,
    AppCredentialsInvalidError,
    OriginNotAllowedError,
)
from caas.auth.ports import ClientStore, NamedKeyStore
from caas.auth.service.keys.uses import KeyUses
from caas.contracts.auth.identity import CLIENT_PERMISSIONS
from caas.kernel.ids import ApiKeyId, ClientId, is_id

_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """What a valid key stands for.

    Attributes:
        permissions: What the bearer of the key may do.
        named: Whether users made the key; sessions it opens then hold no more than it does.
        by_member: Whether end users did, see `NamedKey`.
    """

    client: Client
    permissions: tuple[str, ...]
    named: bool
    by_member: bool = False


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """Recognises keys; asks the store each time, so that a dead key is dead at once."""

    clients: ClientStore
    named_keys: NamedKeyStore
    uses: KeyUses
    pepper: bytes

    async def holder_of(self, api_key: str, *, ip_address: str, origin: str | None) -> KeyHolder:
        """Return whom a live key belongs to, if it may be used from there.

        Args:
            api_key: As presented.
            ip_address: Where the caller is.
            origin: The caller's `Origin`; None when it sent none.

        Raises:
            FieldInvalidError: The address is none.
            ApiKeyInvalidError: No live key is spelt like this.
            AddressNotAllowedError: The client lists addresses, and not this one.
            OriginNotAllowedError: The client lists origins, and not this one.
        """
        address = parse_address(ip_address)
        if not is_well_formed(api_key):
            raise ApiKeyInvalidError
        digest = digest_of(api_key, self.pepper)
        key_id, holder = await (
            self._by_named(digest) if is_named(api_key) else self._by_account(digest)
        )
        if holder.client.status != "active":
            raise ApiKeyInvalidError
        if not address_allowed(address, holder.client.ip_whitelist):
            raise AddressNotAllowedError
        if not origin_allowed(origin, holder.client.origin_whitelist):
            raise OriginNotAllowedError
        self.uses.note(key_id)
        return holder

    async def app_of(self, app_id: str, app_secret: str, *, ip_address: str) -> Client:
        """Return the client that an app id and secret belong to.

        A secret is for back ends, which have no web origin; only the address is checked.

        Raises:
            FieldInvalidError: The address is none.
            AppCredentialsInvalidError: Unknown id or wrong secret.
            AddressNotAllowedError: The client lists addresses, and not this one.
        """
        address = parse_address(ip_address)
        client = await self.clients.by_id(ClientId(app_id)) if is_id(app_id) else None
        stored = client.secret_digest if client is not None else _NO_DIGEST
        matches = same_digest(stored, digest_of(app_secret, self.pepper))
        if client is None or not matches or client.status != "active":
            raise AppCredentialsInvalidError
        if not address_allowed(address, client.ip_whitelist):
            raise AddressNotAllowedError
        return client

    async def _by_account(self, digest: str) -> tuple[ApiKeyId, KeyHolder]:
        client = await self.clients.by_key_digest(digest)
        key = client.key_with(digest) if client is not None else None
        if client is None or key is None:
            raise ApiKeyInvalidError
        return key.id, KeyHolder(client, CLIENT_PERMISSIONS, named=False)

    async def _by_named(self, digest: str) -> tuple[ApiKeyId, KeyHolder]:
        found = await self.named_keys.by_digest(digest)
        if found is None or not same_digest(found.key.digest, digest):
            raise ApiKeyInvalidError
        client = await self.clients.by_id(found.client_id)
        if client is None:
            raise ApiKeyInvalidError
        return found.key.id, KeyHolder(client, found.scopes, named=True, by_member=found.by_member)
