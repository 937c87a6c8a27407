"""The gateway's own routes: ping, the caller's company, API keys, tokens for apps."""

from typing import Annotated, Any

from litestar import Request, Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from caas.contracts.auth.api import SdkSession
from caas.contracts.auth.internal import AppToken
from caas.gateway.domain import Principal
from caas.gateway.routes.admission import anyone, exchange_of, tenant_only
from caas.gateway.schemas import (
    ApiKeyPage,
    ApiKeyView,
    AppCredentials,
    CompanyView,
    CreatedKey,
    CreateKey,
    Pong,
    UpdateTenant,
    UsageView,
)
from caas.gateway.service.tenants import TenantService
from caas.kernel.errors import (
    ConflictError,
    ForbiddenError,
    RateLimitedError,
    UnauthenticatedError,
)
from caas.runtime.http.operations import API_KEY, BEARER, operation

PAGE_MAX = 100
PAGE_DEFAULT = 50
USER_AGENT_MAX_CHARS = 512

Caller = NamedDependency[Principal]
Tenants = NamedDependency[TenantService]
PageLimit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
Cursor = Annotated[
    str | None, QueryParameter(max_length=100, description="`next_cursor` of the page before.")
]

_CREDENTIALS = (BEARER, API_KEY)
_READS: dict[str, Any] = operation(RateLimitedError, ForbiddenError, security=_CREDENTIALS)
_WRITES: dict[str, Any] = _READS


@get("/v1/ping", tags=["public"], **operation())
async def ping() -> Pong:
    """Answer, whatever the request shows."""
    return Pong()


@get("/", **_READS)
async def get_tenant(principal: Caller, tenants: Tenants) -> CompanyView:
    """Show the caller's own company."""
    return CompanyView.of(await tenants.describe(principal))


@get("/usage", **_READS)
async def get_usage(principal: Caller, tenants: Tenants) -> UsageView:
    """Count the company's users, open sessions and live keys."""
    return UsageView.of(await tenants.usage(principal))


@put("/settings", **_WRITES)
async def update_settings(
    data: JSONBody[UpdateTenant], principal: Caller, tenants: Tenants
) -> CompanyView:
    """Change the company's settings, its name, or both; the next request sees it."""
    return CompanyView.of(await tenants.change(principal, *data.to_domain()))


@post(
    "/",
    **operation(
        RateLimitedError, ForbiddenError, ConflictError, security=_CREDENTIALS, idempotent=True
    ),
)
async def create_api_key(
    data: JSONBody[CreateKey], principal: Caller, tenants: Tenants
) -> CreatedKey:
    """Make a named key with no more scopes than the caller holds; it is shown this once."""
    return CreatedKey.of(await tenants.make_key(principal, data.name, data.scopes))


@get("/", **_READS)
async def list_api_keys(
    principal: Caller, tenants: Tenants, limit: PageLimit = PAGE_DEFAULT, cursor: Cursor = None
) -> ApiKeyPage:
    """List the company's named keys, oldest first."""
    return ApiKeyPage.of(await tenants.keys(principal, limit=limit, cursor=cursor))


@get("/{api_key_id:str}", **_READS)
async def get_api_key(api_key_id: FromPath[str], principal: Caller, tenants: Tenants) -> ApiKeyView:
    """Show one named key."""
    return ApiKeyView.of(await tenants.key(principal, api_key_id))


@delete("/{api_key_id:str}", **_WRITES)
async def delete_api_key(api_key_id: FromPath[str], principal: Caller, tenants: Tenants) -> None:
    """Kill a named key; every instance refuses it from then on."""
    await tenants.delete_key(principal, api_key_id)


@post(
    "/v1/auth/sdk/token",
    status_code=200,
    guards=[anyone],
    tags=["sdk"],
    **operation(RateLimitedError, UnauthenticatedError, ForbiddenError, idempotent=True),
)
async def open_app_session(
    data: JSONBody[AppCredentials], tenants: Tenants, request: Request[Any, Any, Any]
) -> SdkSession:
    """Open a session with a registered client's id and secret, for back ends."""
    return await tenants.open_app_session(
        AppToken(
            app_id=data.app_id,
            app_secret=data.app_secret,
            ip_address=exchange_of(request).client_ip,
            user_agent=request.headers.get("user-agent", "")[:USER_AGENT_MAX_CHARS],
            user_external_id=data.user_external_id,
            metadata=data.metadata,
        )
    )


tenant_router = Router(
    "/v1/tenant",
    guards=[tenant_only],
    tags=["tenant"],
    route_handlers=[get_tenant, get_usage, update_settings],
)
keys_router = Router(
    "/v1/auth/api-keys",
    guards=[tenant_only],
    tags=["api keys"],
    route_handlers=[create_api_key, list_api_keys, get_api_key, delete_api_key],
)
