"""What the gateway's use cases need from outside.

Implementations translate their driver's exceptions: what can't be reached is `UnavailableError`.
"""

from collections.abc import Mapping
from typing import Protocol

from caas.contracts.auth.api import SdkSession
from caas.contracts.auth.identity import Claims, TokenType
from caas.contracts.auth.internal import (
    AppToken,
    KeyClient,
    KeyPage,
    KeyRecord,
    MakeKey,
    NewKey,
    TenantRecord,
    TenantUsage,
)
from caas.gateway.domain import TenantSettings


class AuthService(Protocol):
    """The auth service's internal routes; its refusals come back as the kernel's errors."""

    async def validate_key(self, api_key: str, *, ip_address: str, origin: str | None) -> KeyClient:
        """Return whom a live key belongs to.

        Raises:
            UnauthenticatedError: No live key is spelt like this.
            ForbiddenError: The client's whitelists don't have the address or the origin.
        """
        ...

    async def tenant(self, tenant_id: str) -> TenantRecord:
        """Return the tenant; raise `NotFoundError` if there is none."""
        ...

    async def rename(self, tenant_id: str, company_name: str) -> TenantRecord:
        """Change the company's name; raise `InvalidInputError` when it breaks a rule."""
        ...

    async def usage(self, tenant_id: str) -> TenantUsage:
        """Count what the tenant uses."""
        ...

    async def make_key(self, tenant_id: str, order: MakeKey) -> NewKey:
        """Make a named key; raise `ForbiddenError` when it would hold more than its maker."""
        ...

    async def keys(self, tenant_id: str, *, limit: int | None, cursor: str | None) -> KeyPage:
        """Return a page of named keys."""
        ...

    async def key(self, tenant_id: str, key_id: str) -> KeyRecord:
        """Return one key; raise `NotFoundError` if the tenant has none by that id."""
        ...

    async def delete_key(self, tenant_id: str, key_id: str) -> None:
        """Kill a key; raise `NotFoundError` if the tenant has none by that id."""
        ...

    async def app_token(self, order: AppToken) -> SdkSession:
        """Open a session with an app's id and secret; raise `UnauthenticatedError`."""
        ...


class SettingsStore(Protocol):
    """Keeps what tenants chose."""

    async def find(self, tenant_id: str) -> TenantSettings:
        """Return the tenant's settings; the defaults when it never changed one."""
        ...

    async def change(
        self, tenant_id: str, values: Mapping[str, str | bool], now_ms: int
    ) -> TenantSettings:
        """Set these and no others in one step; return all as they are now."""
        ...


class TokenChecker(Protocol):
    """Verifies tokens; see `caas.runtime.identity.tokens.TokenVerifier`."""

    def verify_cached(self, token: str) -> Claims | None:
        """Return the claims of a token verified before, or None; raise when it ended."""
        ...

    async def verify(self, token: str, *, types: tuple[TokenType, ...] = ...) -> Claims:
        """Return the claims of a good token of one of *types*."""
        ...
