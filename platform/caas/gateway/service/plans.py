"""Which plan a tenant has, remembered: it decides the rate limit of every request."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from caas.contracts.auth.api import Plan
from caas.gateway.errors import TenantContextRequiredError
from caas.gateway.ports import AuthService
from caas.kernel.errors import NotFoundError

PLANS_MAX = 20_000


@dataclass(slots=True)
class Plans:
    """Asks the auth service once per tenant and `cached_s`, or after `forget`."""

    auth: AuthService
    cached_s: float
    monotonic: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[Plan, float]] = field(default_factory=dict)

    def known(self, tenant_id: str) -> Plan | None:
        """Return the plan from memory, or None."""
        entry = self._known.get(tenant_id)
        return entry[0] if entry is not None and self.monotonic() < entry[1] else None

    async def of(self, tenant_id: str) -> Plan:
        """Return the tenant's plan.

        Raises:
            TenantContextRequiredError: No such tenant, or it is not active: a credential for
                it is none.
            UnavailableError: It is not known and can't be asked for.
        """
        plan = self.known(tenant_id)
        if plan is not None:
            return plan
        try:
            tenant = await self.auth.tenant(tenant_id)
        except NotFoundError:
            raise TenantContextRequiredError from None
        if tenant.status != "active":
            raise TenantContextRequiredError
        self.learn(tenant_id, tenant.plan)
        return tenant.plan

    def learn(self, tenant_id: str, plan: Plan) -> None:
        """Remember what an answer of the auth service said."""
        self._known.pop(tenant_id, None)
        if len(self._known) >= PLANS_MAX:
            del self._known[next(iter(self._known))]
        self._known[tenant_id] = (plan, self.monotonic() + self.cached_s)

    def forget(self, tenant_id: str) -> None:
        """Ask again at the next request: the tenant has changed."""
        self._known.pop(tenant_id, None)
