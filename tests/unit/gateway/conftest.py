"""Shared by the gateway's unit tests."""

import pytest

from caas.contracts.auth.api import Plan
from caas.gateway.domain import Kind, Principal
from caas.gateway.service.tenants import TenantService
from caas.testing.clock import FakeClock
from caas.testing.gateway import FakeAuthService, MemorySettingsStore, tenant_record

EVERYTHING = ("tenant:read", "tenant:write", "apikey:read", "apikey:write")


def principal(
    tenant_id: str = "t1",
    *,
    kind: Kind = "user",
    permissions: tuple[str, ...] = EVERYTHING,
    plan: Plan = "free",
    by_member: bool = False,
) -> Principal:
    """Return a caller."""
    return Principal(tenant_id, kind, "alice", permissions, plan, by_member)


@pytest.fixture
def caller() -> object:
    """Return the maker of callers; test modules can't import this file."""
    return principal


@pytest.fixture
def auth() -> FakeAuthService:
    """Return an auth service that knows two tenants."""
    return FakeAuthService(
        tenants={
            "t1": tenant_record("t1"),
            "t2": tenant_record("t2", plan="business"),
            "gone": tenant_record("gone", status="suspended"),
        },
        account_keys={"caas_prod_good": "t2"},
    )


@pytest.fixture
def store() -> MemorySettingsStore:
    """Return an empty store."""
    return MemorySettingsStore()


@pytest.fixture
def tenants(auth: FakeAuthService, store: MemorySettingsStore) -> TenantService:
    """Return the use cases over fakes."""
    return TenantService(auth, store, FakeClock())
