"""What was ended and lives on, and what dies with it."""

from typing import Any

from faults.mutant import mutant, part


@mutant("L04", red="L04.G07 L04.A34", place="")
def keys_cached() -> None:
    """The gateway believes a key for a minute without asking again."""
    client = part("caas.gateway.clients:AuthClient")
    validate_key = client.validate_key
    known: dict[Any, Any] = {}

    async def cached(self: Any, key: str, *, ip_address: str, origin: Any) -> Any:
        if key not in known:
            known[key] = await validate_key(self, key, ip_address=ip_address, origin=origin)
        return known[key]

    client.validate_key = cached


@mutant("L04", red="L04.G07 L04.A34")
def deleted_key_stays() -> None:
    """Deleting a key is acknowledged and forgets to delete it."""
    store = part("caas.auth.store.keys:MongoNamedKeyStore")

    async def remove(self: Any, tenant_id: Any, key_id: Any) -> bool:
        return await self.find(tenant_id, key_id) is not None

    store.remove = remove


@mutant("L04", red="L04.G07 L04.A34")
def neighbours_deleted() -> None:
    """Deleting one key deletes every key of the tenant."""
    store = part("caas.auth.store.keys:MongoNamedKeyStore")

    async def remove(self: Any, tenant_id: Any, _key_id: Any) -> bool:
        done = await self._raw.delete_many({"tenant_id": tenant_id})
        return bool(done.deleted_count)

    store.remove = remove


@mutant("L04", "S16", red="L04.A19 L04.G10")
def all_sessions_ended() -> None:
    """Ending one session ends every session of its user."""
    endings = part("caas.auth.service.sessions.endings:Endings")

    async def end_own(self: Any, tenant_id: Any, holder_id: Any, _session_id: Any) -> None:
        await self.end_all(tenant_id, holder_id, spare=None, reason="revoked")

    endings.end_own = end_own


@mutant("L04", red="L04.A19 L04.G10")
def ended_session_shown() -> None:
    """A session that has ended is still shown by its id."""
    session = part("caas.auth.domain.sessions:Session")

    session.is_open = lambda _self, _now_ms: True


@mutant("L04", red="L04.A19 L04.G10")
def endings_not_announced() -> None:
    """The end of a session is stored, and nobody else is told."""
    endings = part("caas.auth.service.sessions.endings:Endings")

    async def _announce(*_: Any) -> None: ...

    endings._announce = _announce


@mutant("L04", red="L04.A07 L04.A10")
def entries_stay() -> None:
    """Removing an address or origin from a list is acknowledged and not done."""
    whitelists = part("caas.auth.service.whitelists:Whitelists")

    async def remove(self: Any, client_id: Any, whitelist: Any, text: str) -> str:
        if text not in await self.entries(client_id, whitelist):
            raise part("caas.auth.errors:EntryNotFoundError")
        return text

    whitelists.remove = remove
