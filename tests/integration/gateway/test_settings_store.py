"""Every settings store keeps the same promises."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from caas.gateway.domain import TenantSettings
from caas.gateway.ports import SettingsStore
from caas.gateway.store import MongoSettingsStore
from caas.testing.gateway import MemorySettingsStore

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


@pytest.fixture(params=["memory", "mongo"])
async def store(
    request: pytest.FixtureRequest, mongodb_url: str, database: str
) -> AsyncIterator[SettingsStore]:
    """Return each store in turn, empty."""
    if request.param == "memory":
        yield MemorySettingsStore()
        return
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongodb_url)
    async with client:
        yield MongoSettingsStore.of(client[database])
        await client.drop_database(database)


async def test_unknown_tenants_have_the_defaults(store: SettingsStore) -> None:
    """Nobody has to be set up before the first read."""
    assert await store.find("t") == TenantSettings()


async def test_a_change_sets_what_it_names(store: SettingsStore) -> None:
    """And keeps what others set; the answer is what the next read gives."""
    await store.change("t", {"locale": "de", "members_can_administer": False}, 1)
    after = await store.change("t", {"timezone": "Asia/Tokyo"}, 2)

    assert after == TenantSettings("de", "Asia/Tokyo", members_can_administer=False)
    assert await store.find("t") == after
    assert await store.find("other") == TenantSettings()
