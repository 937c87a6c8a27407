"""Who may pass, and how often: decided once for each request, before its body is read.

Own routes ask through a guard, passed-on ones directly; both leave the rate limit's headers on
whatever answer the request gets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from caas.contracts.auth.api import Plan
from caas.gateway.domain import Principal
from caas.gateway.errors import TenantContextRequiredError
from caas.gateway.operations.operation import PUBLIC, TENANT, Need
from caas.gateway.service.credentials import Credentials
from caas.kernel.errors import ForbiddenError, UnauthenticatedError
from caas.runtime.http.fast import FastRequest
from caas.runtime.identity.peers import site_of
from caas.runtime.ratelimit import Limit, RateLimiter

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Admission:
    """Authenticates and counts.

    A tenant's requests are counted together, whoever of it makes them; requests without a
    credential, or with a bad one, by the client's address, an IPv6 one by its /64.
    """

    credentials: Credentials
    limiter: RateLimiter
    by_plan: Mapping[Plan, Limit]
    anonymous: Limit

    async def admit(self, request: FastRequest, need: Need) -> Principal | None:
        """Return the caller, None where none is asked for.

        Raises:
            UnauthenticatedError: No credential, or a bad one.
            ForbiddenError: A key that may not be used from there.
            RateLimitedError: The quota is spent.
            UnavailableError: A credential can't be checked at present.
        """
        if not need.tenant:
            await self._charge_address(request)
            return None
        principal = await self._known(request, need)
        await self._charge(request, "tenant:" + principal.tenant_id, self.by_plan[principal.plan])
        return principal

    async def identify(self, request: FastRequest) -> str:
        """Name the caller for its idempotency keys; a good credential is counted by the guard.

        What a credential may do is part of the name: keys of one client are one actor, and the
        answer to the one that may make keys is not for the one that may not.

        Raises:
            UnauthenticatedError, ForbiddenError, RateLimitedError, UnavailableError: As `admit`.
        """
        if b"authorization" not in request.fields and b"x-api-key" not in request.fields:
            return "anonymous"
        principal = await self._known(request, TENANT)
        held = ",".join(principal.permissions)
        kind = "member's key" if principal.by_member else principal.kind
        return f"{principal.tenant_id}:{kind}:{principal.actor}:{held}"

    async def _known(self, request: FastRequest, need: Need) -> Principal:
        """Return the caller, and count one who shows no good credential: guessing costs, too."""
        try:
            return await self._principal(request, need)
        except (UnauthenticatedError, ForbiddenError):
            await self._charge_address(request)
            raise

    async def _principal(self, request: FastRequest, need: Need) -> Principal:
        fields = request.fields
        authorization = fields.get(b"authorization")
        if authorization is not None:
            return await self.credentials.of_bearer(authorization)
        api_key = fields.get(b"x-api-key")
        if api_key is None or not need.api_key:
            raise TenantContextRequiredError
        return await self.credentials.of_key(
            api_key, ip_address=request.client_ip, origin=fields.get(b"origin")
        )

    async def _charge_address(self, request: FastRequest) -> None:
        await self._charge(request, "address:" + site_of(request.client_ip), self.anonymous)

    async def _charge(self, request: FastRequest, subject: str, limit: Limit) -> None:
        decision = self.limiter.take(subject, limit)
        if decision is None:
            decision = await self.limiter.acquire(subject, limit)
        request.answer_headers.extend(decision.headers())
        if not decision.allowed:
            raise decision.error()


def exchange_of(connection: Connection) -> FastRequest:
    """Return the request as the edge sees it."""
    exchange: FastRequest = connection.scope["caas_request"]  # type: ignore[typeddict-item]  # edge's
    return exchange


async def tenant_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Let callers of a tenant pass, with a token or a key; raise what `Admission` raises."""
    admission: Admission = connection.app.state.admission
    connection.state.principal = await admission.admit(exchange_of(connection), TENANT)


async def anyone(connection: Connection, _: BaseRouteHandler) -> None:
    """Let everybody pass who has quota left; raise `RateLimitedError` for others."""
    admission: Admission = connection.app.state.admission
    await admission.admit(exchange_of(connection), PUBLIC)


async def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Return whom `tenant_only` let pass."""
    principal: Principal = request.state.principal
    return principal
