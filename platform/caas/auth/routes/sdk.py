"""Sessions of end users: open, refresh, end; and the public token check."""

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from caas.auth.routes.access import (
    AnyRequest,
    caller_of,
    claims_of,
    opener_of,
    opens_sessions,
    signed_in,
)
from caas.auth.schemas.sdk import (
    CheckedToken,
    CheckToken,
    device_of,
    sdk_session_of,
    session_state_of,
    tokens_of,
    user_data_of,
)
from caas.auth.service.services import AuthServices
from caas.contracts.auth.api import Message, OpenSession, RefreshSession, SdkSession, Tokens
from caas.kernel.errors import ForbiddenError, UnauthenticatedError
from caas.kernel.ids import SessionId, TenantId
from caas.runtime.http.operations import API_KEY, BEARER, operation

Services = NamedDependency[AuthServices]


@post(
    "/sdk/session",
    status_code=200,
    guards=[opens_sessions],
    **operation(UnauthenticatedError, ForbiddenError, security=(API_KEY,), idempotent=True),
)
async def open_sdk_session(
    data: JSONBody[OpenSession], auth: Services, request: AnyRequest
) -> SdkSession:
    """Open a session for one of the tenant's users, who is made on first sight."""
    opened = await auth.sdk_sessions.open_for(
        opener_of(request),
        external_id=data.user_external_id,
        data=user_data_of(data.user_data),
        device=device_of(data.device_info),
        caller=caller_of(request),
        ttl_s=data.ttl_s,
    )
    return sdk_session_of(opened, auth.socket_urls)


@post("/sdk/refresh", status_code=200, **operation(UnauthenticatedError))
async def refresh_sdk_session(data: JSONBody[RefreshSession], auth: Services) -> Tokens:
    """Trade a refresh token for a new pair.

    The token just before the newest one returns the same pair again for 10 seconds; an older
    one ends the session.
    """
    return tokens_of(await auth.sdk_sessions.refresh(data.refresh_token))


@post(
    "/sdk/logout",
    status_code=200,
    guards=[signed_in],
    **operation(security=(BEARER,)),
)
async def log_out(auth: Services, request: AnyRequest) -> Message:
    """End the session of the token; every service refuses its tokens from then on."""
    claims = claims_of(request)
    await auth.endings.end(
        TenantId(claims.tenant_id), SessionId(claims.session_id), reason="logout"
    )
    return Message(message="Logged out successfully")


@post("/validate", status_code=200, **operation(UnauthenticatedError))
async def validate_token(data: JSONBody[CheckToken], auth: Services) -> CheckedToken:
    """Tell whether a token is good, and show its claims and session to whoever holds it."""
    claims, session = await auth.checks.claims_and_session_of(data.token)
    state = session_state_of(session, now_ms=auth.clock.now_ms(), current=claims.session_id)
    return CheckedToken(valid=True, payload=claims, session=state)


router = Router(
    "/api/v1/auth",
    tags=["sdk"],
    route_handlers=[open_sdk_session, refresh_sdk_session, log_out, validate_token],
)
