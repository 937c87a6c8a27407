"""What a tenant sees and changes of itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from caas.contracts.auth.api import SdkSession
from caas.contracts.auth.internal import (
    AppToken,
    KeyPage,
    KeyRecord,
    MakeKey,
    NewKey,
    TenantRecord,
    TenantUsage,
)
from caas.gateway.domain import (
    Principal,
    SettingsChange,
    TenantSettings,
    check_administration,
    check_change,
    check_reopening,
)
from caas.gateway.ports import AuthService, SettingsStore
from caas.kernel.clock import Clock
from caas.kernel.errors import InvalidInputError

TENANT_READ = "tenant:read"
TENANT_WRITE = "tenant:write"
KEY_READ = "apikey:read"
KEY_WRITE = "apikey:write"


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant: its account, which the auth service owns, and its settings, which are here."""

    record: TenantRecord
    settings: TenantSettings


@dataclass(frozen=True, slots=True)
class TenantService:
    """Describes and changes the caller's own tenant; no other can be named."""

    auth: AuthService
    store: SettingsStore
    clock: Clock

    async def describe(self, principal: Principal) -> Company:
        """Return the caller's company."""
        principal.require(TENANT_READ)
        record = await self.auth.tenant(principal.tenant_id)
        return Company(record, await self.store.find(principal.tenant_id))

    async def usage(self, principal: Principal) -> TenantUsage:
        """Count what the caller's company uses."""
        principal.require(TENANT_READ)
        return await self.auth.usage(principal.tenant_id)

    async def change(
        self, principal: Principal, change: SettingsChange, company_name: str | None
    ) -> Company:
        """Change settings, the company's name, or both.

        Everything is checked before anything is written; the name, which another service
        checks, is written first, so that a refusal there leaves the settings alone.

        Raises:
            InvalidInputError: Nothing is to change, or a value breaks a rule.
            AdministrationReservedError: An end user or a key of one, and the tenant reserves
                this; or any key that would end the reservation.
        """
        await self._may_write(principal, TENANT_WRITE)
        values = change.values()
        if not values and company_name is None:
            raise InvalidInputError("Give settings, company_name, or both")
        check_change(change)
        tenant_id = principal.tenant_id
        if change.members_can_administer and principal.kind != "admin":
            # Whoever holds an administrator's key was given rights, not the say over others'.
            check_reopening(await self.store.find(tenant_id))
        if company_name is None:
            record = await self.auth.tenant(tenant_id)
        else:
            record = await self.auth.rename(tenant_id, company_name)
        if not values:
            return Company(record, await self.store.find(tenant_id))
        settings = await self.store.change(tenant_id, values, self.clock.now_ms())
        return Company(record, settings)

    async def make_key(self, principal: Principal, name: str, scopes: Sequence[str]) -> NewKey:
        """Make a named key that holds *scopes*; its secret is shown this once.

        Raises:
            ForbiddenError: The caller may not make keys, or none of these scopes.
            InvalidInputError: The name or a scope breaks a rule.
        """
        await self._may_write(principal, KEY_WRITE)
        order = MakeKey(
            name=name,
            scopes=list(scopes),
            created_by=principal.actor,
            maker_permissions=list(principal.permissions),
            by_member=principal.is_member,
        )
        return await self.auth.make_key(principal.tenant_id, order)

    async def keys(self, principal: Principal, *, limit: int | None, cursor: str | None) -> KeyPage:
        """Return a page of the company's named keys, oldest first."""
        principal.require(KEY_READ)
        return await self.auth.keys(principal.tenant_id, limit=limit, cursor=cursor)

    async def key(self, principal: Principal, key_id: str) -> KeyRecord:
        """Return one named key; raise `NotFoundError` if the company has none by that id."""
        principal.require(KEY_READ)
        return await self.auth.key(principal.tenant_id, key_id)

    async def delete_key(self, principal: Principal, key_id: str) -> None:
        """Kill a named key at once; raise `NotFoundError` if the company has none by that id."""
        await self._may_write(principal, KEY_WRITE)
        await self.auth.delete_key(principal.tenant_id, key_id)

    async def open_app_session(self, order: AppToken) -> SdkSession:
        """Open a session with a client's id and secret, which name the tenant themselves.

        Raises:
            UnauthenticatedError: Unknown id or wrong secret.
            ForbiddenError: The client's whitelist doesn't have the address.
        """
        return await self.auth.app_token(order)

    async def _may_write(self, principal: Principal, permission: str) -> None:
        principal.require(permission)
        if principal.is_member:
            check_administration(principal, permission, await self.store.find(principal.tenant_id))
