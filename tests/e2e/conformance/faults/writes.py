"""Writes that are lost, overwrite others, or change more than they say."""

from typing import Any

from faults.mutant import change_request, mutant, part


@mutant("L05", red="L05.G03", place="gateway")
def time_zone_dropped() -> None:
    """The time zone is taken and not stored."""
    store = part("caas.gateway.store:MongoSettingsStore")
    change = store.change

    async def dropping(self: Any, tenant_id: str, values: Any, now_ms: int) -> Any:
        kept = {k: v for k, v in values.items() if k != "timezone"}
        return await change(self, tenant_id, kept, now_ms)

    store.change = dropping


@mutant("L05", red="L05.G03", place="gateway")
def settings_reset() -> None:
    """A change of one setting brings the others back to their defaults."""
    store = part("caas.gateway.store:MongoSettingsStore")
    change = store.change

    async def resetting(self: Any, tenant_id: str, values: Any, now_ms: int) -> Any:
        await self.collection.delete_one({"_id": tenant_id})
        return await change(self, tenant_id, values, now_ms)

    store.change = resetting


@mutant("L05", red="L05.A29")
def name_lower_case() -> None:
    """A company's name is stored in small letters."""
    change_request(
        "auth", "PATCH", "/api/v1/auth/internal/tenants/*",
        body=lambda b: {**b, "company_name": b["company_name"].lower()},
    )  # fmt: skip


@mutant("L05", red="L05.A23")
def preferences_forgotten() -> None:
    """A new name forgets the user's preferences."""
    store = part("caas.auth.store.users:MongoUserStore")
    update = store.update_profile

    async def forgetting(
        self: Any, *identity: Any, name: Any, preferences: Any, now_ms: int
    ) -> Any:
        emptied = {} if name is not None and preferences is None else preferences
        return await update(self, *identity, name=name, preferences=emptied, now_ms=now_ms)

    store.update_profile = forgetting


@mutant("L05", red="L05.G03", place="gateway")
def gateway_remembers_names() -> None:
    """The gateway goes on showing a company's name as it first saw it."""
    client = part("caas.gateway.clients:AuthClient")
    tenant = client.tenant
    seen: dict[str, Any] = {}

    async def first_seen(self: Any, tenant_id: str) -> Any:
        if tenant_id not in seen:
            seen[tenant_id] = await tenant(self, tenant_id)
        return seen[tenant_id]

    client.tenant = first_seen


@mutant("L05", red="L05.A23")
def lost_update() -> None:
    """Two changes at once: each writes the whole document that it read."""
    store = part("caas.auth.store.users:MongoUserStore")

    async def whole(
        self: Any, tenant_id: Any, user_id: Any, *, name: Any, preferences: Any, now_ms: int
    ) -> Any:
        asyncio = part("asyncio")
        raw = await self._raw.find_one({"_id": user_id, "tenant_id": tenant_id})
        await asyncio.sleep(0.05)
        raw["updated_at_ms"] = now_ms
        raw["name"] = raw["name"] if name is None else name
        raw["preferences"] = raw["preferences"] if preferences is None else dict(preferences)
        await self._raw.replace_one({"_id": user_id}, raw)
        return await self.find(tenant_id, user_id)

    store.update_profile = whole


@mutant("L05", red="L05.G03", place="gateway")
def locale_touches_zone() -> None:
    """A change of the locale changes the time zone with it."""
    store = part("caas.gateway.store:MongoSettingsStore")
    change = store.change

    async def touching(self: Any, tenant_id: str, values: Any, now_ms: int) -> Any:
        if "locale" in values and "timezone" not in values:
            values = {**values, "timezone": "Europe/Vienna"}
        return await change(self, tenant_id, values, now_ms)

    store.change = touching


@mutant("L05", red="L05.A29")
def rename_acknowledged_only() -> None:
    """A rename is acknowledged with the new name and not stored."""
    store = part("caas.auth.store.clients:MongoClientStore")

    async def rename(self: Any, tenant_id: Any, company_name: str, _now_ms: int) -> Any:
        structs = part("dataclasses")
        found = await self.by_tenant(tenant_id)
        return found and structs.replace(found, company_name=company_name)

    store.rename = rename
