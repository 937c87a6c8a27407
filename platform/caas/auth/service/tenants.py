"""A tenant as the gateway shows and changes it."""

from dataclasses import dataclass

from caas.auth.domain.clients import Client, parse_name
from caas.auth.errors import TenantNotFoundError
from caas.auth.ports import Announcer, ClientStore, NamedKeyStore, SessionStore, UserStore
from caas.contracts.auth.api import COMPANY_NAME_MAX_CHARS
from caas.contracts.auth.identity import TenantChanged
from caas.kernel.clock import Clock
from caas.kernel.ids import TenantId


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tenant uses, counted at `as_of_ms`.

    Attributes:
        api_keys: Live keys: the client's own and the named ones.
    """

    users: int
    active_sessions: int
    api_keys: int
    as_of_ms: int


@dataclass(frozen=True, slots=True)
class Tenants:
    """Describes, renames and counts."""

    clients: ClientStore
    users: UserStore
    sessions: SessionStore
    named_keys: NamedKeyStore
    announcer: Announcer
    clock: Clock

    async def find(self, tenant_id: TenantId) -> Client:
        """Return the account that owns the tenant; raise `TenantNotFoundError` if none does."""
        client = await self.clients.by_tenant(tenant_id)
        if client is None:
            raise TenantNotFoundError
        return client

    async def rename(self, tenant_id: TenantId, company_name: str) -> Client:
        """Change the company's name.

        Raises:
            FieldInvalidError: The name breaks a rule.
            TenantNotFoundError: No such tenant.
        """
        name = parse_name(company_name, path="company_name", max_chars=COMPANY_NAME_MAX_CHARS)
        client = await self.clients.rename(tenant_id, name, self.clock.now_ms())
        if client is None:
            raise TenantNotFoundError
        await self.announcer.publish(TenantChanged(tenant_id=tenant_id, client_id=client.id))
        return client

    async def usage(self, tenant_id: TenantId) -> Usage:
        """Count what the tenant uses; raise `TenantNotFoundError` if there is none."""
        client = await self.find(tenant_id)
        now_ms = self.clock.now_ms()
        own_keys = sum(key is not None for key in (client.primary, client.secondary))
        return Usage(
            users=await self.users.count(tenant_id),
            active_sessions=await self.sessions.count_open(tenant_id, now_ms),
            api_keys=own_keys + await self.named_keys.count(tenant_id),
            as_of_ms=now_ms,
        )
