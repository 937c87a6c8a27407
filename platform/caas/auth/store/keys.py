"""Named keys, and when keys were last used, in MongoDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pymongo import ASCENDING, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from caas.auth.domain.keys import NamedKey, StoredKey
from caas.auth.store.documents import KeyUseDocument, NamedKeyDocument, Raw
from caas.kernel.ids import ApiKeyId, ClientId, TenantId
from caas.runtime.data.outages import translate_errors


@dataclass(frozen=True, slots=True)
class MongoNamedKeyStore:
    """A `NamedKeyStore`; `open_collections` must have run."""

    @property
    def _raw(self) -> AsyncCollection[Raw]:
        return NamedKeyDocument.get_pymongo_collection()

    async def add(self, key: NamedKey) -> None:
        """Store a new key."""
        document = NamedKeyDocument(
            id=key.key.id,
            tenant_id=key.tenant_id,
            client_id=key.client_id,
            name=key.name,
            scopes=list(key.scopes),
            created_by=key.created_by,
            by_member=key.by_member,
            digest=key.key.digest,
            shown=key.key.shown,
            created_at_ms=key.key.created_at_ms,
        )
        with translate_errors():
            await document.insert()

    async def by_digest(self, digest: str) -> NamedKey | None:
        """Return the key with that digest, or None."""
        return await self._find({"digest": digest})

    async def find(self, tenant_id: TenantId, key_id: ApiKeyId) -> NamedKey | None:
        """Return the tenant's key, or None."""
        return await self._find({"_id": key_id, "tenant_id": tenant_id})

    async def page(
        self, tenant_id: TenantId, *, after: ApiKeyId | None, limit: int
    ) -> list[NamedKey]:
        """Return up to *limit* keys, oldest first, that come after that key."""
        query: Raw = {"tenant_id": tenant_id}
        with translate_errors():
            if after is not None:
                mark = await self._raw.find_one({"_id": after, "tenant_id": tenant_id})
                if mark is None:
                    return []
                at_ms = mark["created_at_ms"]
                query["$or"] = [
                    {"created_at_ms": {"$gt": at_ms}},
                    {"created_at_ms": at_ms, "_id": {"$gt": after}},
                ]
            found = self._raw.find(query).sort([("created_at_ms", ASCENDING), ("_id", ASCENDING)])
            return [_key_of(raw) for raw in await found.limit(limit).to_list()]

    async def remove(self, tenant_id: TenantId, key_id: ApiKeyId) -> bool:
        """Forget the key; tell whether it was there."""
        with translate_errors():
            done = await self._raw.delete_one({"_id": key_id, "tenant_id": tenant_id})
        return done.deleted_count == 1

    async def count(self, tenant_id: TenantId) -> int:
        """Return how many keys the tenant has."""
        with translate_errors():
            return await self._raw.count_documents({"tenant_id": tenant_id})

    async def _find(self, query: Raw) -> NamedKey | None:
        with translate_errors():
            raw = await self._raw.find_one(query)
        return None if raw is None else _key_of(raw)


def _key_of(raw: Raw) -> NamedKey:
    return NamedKey(
        StoredKey(ApiKeyId(raw["_id"]), raw["digest"], raw["shown"], raw["created_at_ms"]),
        TenantId(raw["tenant_id"]),
        ClientId(raw["client_id"]),
        raw["name"],
        tuple(raw["scopes"]),
        raw["created_by"],
        raw.get("by_member", True),  # older keys don't say
    )


@dataclass(frozen=True, slots=True)
class MongoKeyUseStore:
    """A `KeyUseStore`; `open_collections` must have run."""

    async def record(self, uses_ms: Mapping[str, int]) -> None:
        """Note the uses; an older time than the one known changes nothing."""
        if not uses_ms:
            return
        writes = [
            UpdateOne({"_id": key_id}, {"$max": {"last_used_at_ms": at_ms}}, upsert=True)
            for key_id, at_ms in uses_ms.items()
        ]
        with translate_errors():
            await KeyUseDocument.get_pymongo_collection().bulk_write(writes, ordered=False)

    async def last_uses_ms(self, key_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the last known use of each key that was ever used."""
        with translate_errors():
            found = KeyUseDocument.get_pymongo_collection().find({"_id": {"$in": list(key_ids)}})
            return {raw["_id"]: raw["last_used_at_ms"] for raw in await found.to_list()}
