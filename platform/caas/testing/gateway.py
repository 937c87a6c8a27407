"""Fakes of what the gateway needs from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from caas.contracts.auth.api import Plan, SdkSession, SessionUser
from caas.contracts.auth.identity import CLIENT_PERMISSIONS
from caas.contracts.auth.internal import (
    AppToken,
    KeyClient,
    KeyPage,
    KeyRecord,
    MakeKey,
    NewKey,
    Status,
    TenantRecord,
    TenantUsage,
)
from caas.gateway.domain import TenantSettings
from caas.kernel.errors import NotFoundError, UnauthenticatedError, UnavailableError
from caas.kernel.ids import new_id

MADE_AT = "2026-02-24T20:14:20.885Z"


def tenant_record(
    tenant_id: str, *, plan: Plan = "free", status: Status = "active"
) -> TenantRecord:
    """Return a tenant as the auth service describes it."""
    return TenantRecord(
        tenant_id=tenant_id,
        client_id=f"client-of-{tenant_id}",
        company_name="Acme",
        email="admin@acme.example",
        plan=plan,
        status=status,
        created_at=MADE_AT,
        updated_at=MADE_AT,
    )


@dataclass(slots=True)
class FakeAuthService:
    """An `AuthService` in memory.

    Attributes:
        tenants: By id.
        keys_by_tenant: Named keys by tenant and key id.
        account_keys: The tenants' own keys, by the key itself.
        member_keys: Those of them that an end user made.
        calls: Names of the methods called.
        away: Every call fails as an outage would.
    """

    tenants: dict[str, TenantRecord] = field(default_factory=dict)
    keys_by_tenant: dict[str, dict[str, KeyRecord]] = field(default_factory=dict)
    account_keys: dict[str, str] = field(default_factory=dict)
    member_keys: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    orders: list[MakeKey] = field(default_factory=list)
    away: bool = False

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.away:
            raise UnavailableError("away")

    async def validate_key(self, api_key: str, *, ip_address: str, origin: str | None) -> KeyClient:
        """Recognise `account_keys` alone."""
        del ip_address, origin
        self._note("validate_key")
        if api_key not in self.account_keys:
            raise UnauthenticatedError("Invalid API key")
        tenant = await self.tenant(self.account_keys[api_key])
        return KeyClient(
            client_id=tenant.client_id,
            tenant_id=tenant.tenant_id,
            plan=tenant.plan,
            permissions=CLIENT_PERMISSIONS,
            rate_limit_tier=tenant.plan,
            by_member=api_key in self.member_keys,
        )

    async def tenant(self, tenant_id: str) -> TenantRecord:
        """Return the tenant."""
        self._note("tenant")
        if tenant_id not in self.tenants:
            raise NotFoundError("Tenant not found")
        return self.tenants[tenant_id]

    async def rename(self, tenant_id: str, company_name: str) -> TenantRecord:
        """Change the name."""
        self._note("rename")
        record = await self.tenant(tenant_id)
        changed = TenantRecord(
            **{f: getattr(record, f) for f in record.__struct_fields__ if f != "company_name"},
            company_name=company_name,
        )
        self.tenants[tenant_id] = changed
        return changed

    async def usage(self, tenant_id: str) -> TenantUsage:
        """Count the named keys."""
        self._note("usage")
        keys = len(self.keys_by_tenant.get(tenant_id, {}))
        return TenantUsage(
            tenant_id=tenant_id, users=0, active_sessions=0, api_keys=keys, as_of=MADE_AT
        )

    async def make_key(self, tenant_id: str, order: MakeKey) -> NewKey:
        """Make a key without looking at what its maker holds."""
        self._note("make_key")
        self.orders.append(order)
        key_id = new_id()
        self.keys_by_tenant.setdefault(tenant_id, {})[key_id] = KeyRecord(
            id=key_id,
            name=order.name,
            scopes=order.scopes,
            key_prefix="caas_key_00",
            created_at=MADE_AT,
            created_by=order.created_by,
            last_used_at=None,
        )
        return NewKey(
            id=key_id,
            name=order.name,
            scopes=order.scopes,
            key=f"caas_key_{key_id}",
            key_prefix="caas_key_00",
            created_at=MADE_AT,
        )

    async def keys(self, tenant_id: str, *, limit: int | None, cursor: str | None) -> KeyPage:
        """Return all on one page."""
        del limit, cursor
        self._note("keys")
        return KeyPage(
            items=list(self.keys_by_tenant.get(tenant_id, {}).values()), next_cursor=None
        )

    async def key(self, tenant_id: str, key_id: str) -> KeyRecord:
        """Return one key of that tenant."""
        self._note("key")
        if key_id not in self.keys_by_tenant.get(tenant_id, {}):
            raise NotFoundError("API key not found")
        return self.keys_by_tenant[tenant_id][key_id]

    async def delete_key(self, tenant_id: str, key_id: str) -> None:
        """Forget one key of that tenant."""
        await self.key(tenant_id, key_id)
        del self.keys_by_tenant[tenant_id][key_id]

    async def app_token(self, order: AppToken) -> SdkSession:
        """Open a session for anyone."""
        self._note("app_token")
        return SdkSession(
            access_token="a",  # noqa: S106 - nobody's
            refresh_token="r",  # noqa: S106 - nobody's
            expires_in=900,
            token_type="Bearer",  # noqa: S106 - a scheme's name
            user=SessionUser(user_id="u", external_id=order.user_external_id or "", tenant_id="t"),
            session_id="s",
            socket_urls=[],
        )


@dataclass(slots=True)
class MemorySettingsStore:
    """A `SettingsStore` in memory."""

    settings: dict[str, TenantSettings] = field(default_factory=dict)

    async def find(self, tenant_id: str) -> TenantSettings:
        """Return the tenant's settings; the defaults when it never changed one."""
        return self.settings.get(tenant_id, TenantSettings())

    async def change(
        self, tenant_id: str, values: Mapping[str, str | bool], now_ms: int
    ) -> TenantSettings:
        """Set these and no others."""
        del now_ms
        changed = replace(await self.find(tenant_id), **values)  # type: ignore[arg-type]
        self.settings[tenant_id] = changed
        return changed
