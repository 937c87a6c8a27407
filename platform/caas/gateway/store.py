"""Tenant settings in MongoDB, one document a tenant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from caas.gateway.domain import TenantSettings
from caas.runtime.data.outages import translate_errors

COLLECTION = "gateway_tenant_settings"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MongoSettingsStore:
    """A `SettingsStore`; the tenant's id is the document's, so no index is needed."""

    collection: AsyncCollection[Document]

    @classmethod
    def of(cls, database: AsyncDatabase[Document]) -> "MongoSettingsStore":
        """Return the store in *database*."""
        return cls(database[COLLECTION])

    async def find(self, tenant_id: str) -> TenantSettings:
        """Return the tenant's settings; the defaults when it never changed one."""
        with translate_errors():
            return _read(await self.collection.find_one({"_id": tenant_id}))

    async def change(
        self, tenant_id: str, values: Mapping[str, str | bool], now_ms: int
    ) -> TenantSettings:
        """Set these and no others in one step; return all as they are now."""
        with translate_errors():
            return _read(
                await self.collection.find_one_and_update(
                    {"_id": tenant_id},
                    {"$set": {**values, "updated_at_ms": now_ms}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            )


def _read(document: Document | None) -> TenantSettings:
    return msgspec.convert(document or {}, TenantSettings)
