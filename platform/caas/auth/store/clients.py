"""Client accounts in MongoDB. Every change is one command on one document."""

from dataclasses import dataclass

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from caas.auth.domain.clients import Client
from caas.auth.domain.keys import KeyPlace, StoredKey
from caas.auth.errors import EmailTakenError
from caas.auth.ports import Whitelist
from caas.auth.store.documents import ClientDocument, Raw
from caas.auth.store.mapping import of_raw_or_none, to_raw
from caas.kernel.ids import ApiKeyId, ClientId, TenantId
from caas.runtime.data.outages import translate_errors


@dataclass(frozen=True, slots=True)
class MongoClientStore:
    """A `ClientStore`; `open_collections` must have run."""

    @property
    def _raw(self) -> AsyncCollection[Raw]:
        return ClientDocument.get_pymongo_collection()

    async def add(self, client: Client) -> None:
        """Store a new account; raise `EmailTakenError` if its `email_key` has one."""
        with translate_errors():
            try:
                await ClientDocument.model_validate(to_raw(client)).insert()
            except DuplicateKeyError:
                raise EmailTakenError from None

    async def by_id(self, client_id: ClientId) -> Client | None:
        """Return the account, or None."""
        return await self._find({"_id": client_id})

    async def by_tenant(self, tenant_id: TenantId) -> Client | None:
        """Return the account that owns the tenant, or None."""
        return await self._find({"tenant_id": tenant_id})

    async def by_email_key(self, email_key: str) -> Client | None:
        """Return the account registered under the address, or None."""
        return await self._find({"email_key": email_key})

    async def by_key_digest(self, digest: str) -> Client | None:
        """Return the account whose primary or secondary key has that digest, or None."""
        return await self._find({"$or": [{"primary.digest": digest}, {"secondary.digest": digest}]})

    async def set_secondary(self, client_id: ClientId, key: StoredKey) -> Client | None:
        """Put *key* in the secondary place; return the account as it was before, or None."""
        stored = {
            "id": key.id,
            "digest": key.digest,
            "shown": key.shown,
            "created_at_ms": key.created_at_ms,
        }
        return await self._change(
            {"_id": client_id},
            {"$set": {"secondary": stored, "updated_at_ms": key.created_at_ms}},
            after=ReturnDocument.BEFORE,
        )

    async def promote(self, client_id: ClientId, now_ms: int) -> Client | None:
        """Move the secondary key to the primary place in one step; None if there is none."""
        moved = {"primary": "$secondary", "secondary": None, "updated_at_ms": now_ms}
        return await self._change(
            {"_id": client_id, "secondary": {"$ne": None}},
            [{"$set": moved}],
            after=ReturnDocument.BEFORE,
        )

    async def drop_key(
        self, client_id: ClientId, place: KeyPlace, key_id: ApiKeyId, now_ms: int
    ) -> bool:
        """Remove that key from that place; tell whether it was there."""
        with translate_errors():
            done = await self._raw.update_one(
                {"_id": client_id, f"{place}.id": key_id},
                {"$set": {place: None, "updated_at_ms": now_ms}},
            )
        return done.modified_count == 1

    async def rename(self, tenant_id: TenantId, company_name: str, now_ms: int) -> Client | None:
        """Change the company's name; return the account as it is now, or None."""
        return await self._change(
            {"tenant_id": tenant_id},
            {"$set": {"company_name": company_name, "updated_at_ms": now_ms}},
            after=ReturnDocument.AFTER,
        )

    async def list_entry(
        self, client_id: ClientId, whitelist: Whitelist, entry: str, *, entries_max: int
    ) -> bool:
        """Add *entry* unless it is there; tell whether it is there now, False when full."""
        room = {f"{whitelist}.{entries_max - 1}": {"$exists": False}}
        with translate_errors():
            done = await self._raw.update_one(
                {"_id": client_id, "$or": [room, {whitelist: entry}]},
                {"$addToSet": {whitelist: entry}},
            )
        return done.matched_count == 1

    async def unlist_entry(self, client_id: ClientId, whitelist: Whitelist, entry: str) -> bool:
        """Remove *entry*; tell whether it was there."""
        with translate_errors():
            done = await self._raw.update_one({"_id": client_id}, {"$pull": {whitelist: entry}})
        return done.modified_count == 1

    async def _find(self, query: Raw) -> Client | None:
        with translate_errors():
            return of_raw_or_none(await self._raw.find_one(query), Client)

    async def _change(self, query: Raw, change: Raw | list[Raw], *, after: bool) -> Client | None:
        with translate_errors():
            raw = await self._raw.find_one_and_update(query, change, return_document=after)
        return of_raw_or_none(raw, Client)
