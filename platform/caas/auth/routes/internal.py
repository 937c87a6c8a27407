"""Routes for other services; each needs the service secret."""

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from caas.auth.domain.users import UserData
from caas.auth.errors import ApiKeyNotFoundError, TenantNotFoundError
from caas.auth.routes.access import PAGE_DEFAULT, Cursor, PageLimit, service_only
from caas.auth.schemas.internal import (
    RotatedKey,
    ValidToken,
    key_of,
    new_key_of,
    tenant_of,
    usage_of,
    valid_api_key_of,
)
from caas.auth.schemas.sdk import CheckToken, device_of, sdk_session_of
from caas.auth.service.services import AuthServices
from caas.auth.service.sessions.sdk import Caller
from caas.contracts.auth.api import SdkSession
from caas.contracts.auth.internal import (
    INTERNAL_PREFIX,
    AppToken,
    KeyPage,
    KeyRecord,
    MakeKey,
    NewKey,
    RenameTenant,
    TenantRecord,
    TenantUsage,
    ValidApiKey,
    ValidateApiKey,
)
from caas.kernel.clock import rfc3339
from caas.kernel.errors import ConflictError, ForbiddenError, UnauthenticatedError
from caas.kernel.ids import ApiKeyId, TenantId, is_id
from caas.runtime.http.operations import SERVICE_SECRET, operation

Services = NamedDependency[AuthServices]
SERVICE = (SERVICE_SECRET,)


@post("/validate-api-key", status_code=200, **operation(ForbiddenError, security=SERVICE))
async def validate_api_key(data: JSONBody[ValidateApiKey], auth: Services) -> ValidApiKey:
    """Tell whom an API key belongs to, if it may be used from that address and origin."""
    holder = await auth.key_check.holder_of(
        data.api_key, ip_address=data.ip_address, origin=data.origin
    )
    return valid_api_key_of(holder)


@post("/validate", status_code=200, **operation(UnauthenticatedError, security=SERVICE))
async def introspect_token(data: JSONBody[CheckToken], auth: Services) -> ValidToken:
    """Tell whether a token is good, and whose it is."""
    return ValidToken.of(await auth.checks.claims_of(data.token))


@post(
    "/sdk-token",
    status_code=200,
    **operation(ForbiddenError, security=SERVICE, idempotent=True),
)
async def open_session_with_secret(data: JSONBody[AppToken], auth: Services) -> SdkSession:
    """Open a session with a client's id and API secret."""
    opened = await auth.sdk_sessions.open_with_secret(
        data.app_id,
        data.app_secret,
        external_id=data.user_external_id,
        data=UserData(metadata=data.metadata),
        device=device_of(data.device_info),
        caller=Caller(data.ip_address, data.user_agent),
    )
    return sdk_session_of(opened, auth.socket_urls)


@get("/tenants/{tenant_id:str}", **operation(security=SERVICE))
async def get_tenant(tenant_id: FromPath[str], auth: Services) -> TenantRecord:
    """Show a tenant with its account."""
    return tenant_of(await auth.tenants.find(_tenant(tenant_id)))


@patch("/tenants/{tenant_id:str}", **operation(security=SERVICE))
async def rename_tenant(
    tenant_id: FromPath[str], data: JSONBody[RenameTenant], auth: Services
) -> TenantRecord:
    """Change the company's name."""
    return tenant_of(await auth.tenants.rename(_tenant(tenant_id), data.company_name))


@get("/tenants/{tenant_id:str}/usage", **operation(security=SERVICE))
async def get_tenant_usage(tenant_id: FromPath[str], auth: Services) -> TenantUsage:
    """Count a tenant's users, open sessions and live keys."""
    return usage_of(tenant_id, await auth.tenants.usage(_tenant(tenant_id)))


@post(
    "/tenants/{tenant_id:str}/api-keys",
    **operation(ForbiddenError, ConflictError, security=SERVICE, idempotent=True),
)
async def make_named_key(
    tenant_id: FromPath[str], data: JSONBody[MakeKey], auth: Services
) -> NewKey:
    """Make a named key with no more scopes than its maker holds."""
    return new_key_of(
        await auth.named_keys.make(
            _tenant(tenant_id),
            name=data.name,
            scopes=data.scopes,
            created_by=data.created_by,
            maker_permissions=data.maker_permissions,
            by_member=data.by_member,
        )
    )


@get("/tenants/{tenant_id:str}/api-keys", **operation(security=SERVICE))
async def list_named_keys(
    tenant_id: FromPath[str],
    auth: Services,
    limit: PageLimit = PAGE_DEFAULT,
    cursor: Cursor = None,
) -> KeyPage:
    """List a tenant's named keys, oldest first."""
    after = ApiKeyId(cursor) if cursor is not None else None
    found = await auth.named_keys.page(_tenant(tenant_id), after=after, limit=limit)
    return KeyPage(
        items=[key_of(listed) for listed in found],
        next_cursor=found[-1].key.key.id if len(found) == limit else None,
    )


@get("/tenants/{tenant_id:str}/api-keys/{api_key_id:str}", **operation(security=SERVICE))
async def get_named_key(
    tenant_id: FromPath[str], api_key_id: FromPath[str], auth: Services
) -> KeyRecord:
    """Show one named key."""
    return key_of(await auth.named_keys.find(_tenant(tenant_id), _key(api_key_id)))


@delete(
    "/tenants/{tenant_id:str}/api-keys/{api_key_id:str}",
    **operation(security=SERVICE),
)
async def delete_named_key(
    tenant_id: FromPath[str], api_key_id: FromPath[str], auth: Services
) -> None:
    """Kill a named key at once."""
    await auth.named_keys.delete(_tenant(tenant_id), _key(api_key_id))


@post("/signing-keys/rotate", **operation(ConflictError, security=SERVICE))
async def rotate_signing_key(auth: Services) -> RotatedKey:
    """Publish a new signing key; it signs once every verifier knows it."""
    key = await auth.signing_keys.rotate()
    return RotatedKey(kid=key.kid, activates_at=rfc3339(key.activates_at_ms))


def _tenant(text: str) -> TenantId:
    if not is_id(text):
        raise TenantNotFoundError
    return TenantId(text)


def _key(text: str) -> ApiKeyId:
    if not is_id(text):
        raise ApiKeyNotFoundError
    return ApiKeyId(text)


router = Router(
    INTERNAL_PREFIX,
    guards=[service_only],
    tags=["internal"],
    route_handlers=[
        validate_api_key,
        introspect_token,
        open_session_with_secret,
        get_tenant,
        rename_tenant,
        get_tenant_usage,
        make_named_key,
        list_named_keys,
        get_named_key,
        delete_named_key,
        rotate_signing_key,
    ],
)
