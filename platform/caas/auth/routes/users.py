"""What users see and change of themselves: profile and sessions.

Which of it a session with few permissions may do is said in `caas.auth.domain.scopes`.
"""

from typing import Any

from litestar import Router, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UnsetType

from caas.auth.domain.scopes import READ_USER, WRITE_USER
from caas.auth.errors import SessionNotFoundError
from caas.auth.routes.access import (
    PAGE_DEFAULT,
    AnyRequest,
    Cursor,
    PageLimit,
    claims_of,
    holding,
    holding_or_itself,
    signed_in,
    user_only,
)
from caas.auth.schemas.sdk import Profile, UpdateProfile, session_state_of
from caas.auth.service.services import AuthServices
from caas.contracts.auth.api import SessionPage, SessionsEnded, SessionState
from caas.kernel.errors import ForbiddenError
from caas.kernel.ids import SessionId, TenantId, UserId, is_id
from caas.runtime.http.operations import BEARER, operation

Services = NamedDependency[AuthServices]
BEARER_ONLY: dict[str, Any] = operation(ForbiddenError, security=(BEARER,))


@get("/profile", guards=[user_only, holding(READ_USER)], **BEARER_ONLY)
async def get_profile(auth: Services, request: AnyRequest) -> Profile:
    """Show the token's user."""
    return Profile.of(await auth.profiles.find(claims_of(request)))


@put("/profile", guards=[user_only, holding(WRITE_USER)], **BEARER_ONLY)
async def update_profile(
    data: JSONBody[UpdateProfile], auth: Services, request: AnyRequest
) -> Profile:
    """Replace the user's name, preferences, or both."""
    return Profile.of(
        await auth.profiles.update(
            claims_of(request),
            name=None if isinstance(data.name, UnsetType) else data.name,
            preferences=None if isinstance(data.preferences, UnsetType) else data.preferences,
        )
    )


@get("/", guards=[signed_in, holding(READ_USER)], **BEARER_ONLY)
async def list_sessions(
    auth: Services, request: AnyRequest, limit: PageLimit = PAGE_DEFAULT, cursor: Cursor = None
) -> SessionPage:
    """List the holder's open sessions, newest first."""
    claims = claims_of(request)
    after = SessionId(cursor) if cursor is not None else None
    found = await auth.checks.own_sessions(claims, after=after, limit=limit)
    now_ms = auth.clock.now_ms()
    shown = [session_state_of(one, now_ms=now_ms, current=claims.session_id) for one in found]
    return SessionPage(sessions=shown, next_cursor=found[-1].id if len(found) == limit else None)


@get("/{session_id:str}", guards=[signed_in, holding_or_itself(READ_USER)], **BEARER_ONLY)
async def get_session(
    session_id: FromPath[str], auth: Services, request: AnyRequest
) -> SessionState:
    """Show one of the holder's open sessions."""
    claims = claims_of(request)
    session = await auth.checks.own_session(claims, _session_id(session_id))
    return session_state_of(session, now_ms=auth.clock.now_ms(), current=claims.session_id)


@delete(
    "/{session_id:str}",
    status_code=200,
    guards=[signed_in, holding_or_itself(WRITE_USER)],
    **BEARER_ONLY,
)
async def end_session(
    session_id: FromPath[str], auth: Services, request: AnyRequest
) -> SessionsEnded:
    """End one of the holder's sessions."""
    claims = claims_of(request)
    await auth.endings.end_own(
        TenantId(claims.tenant_id), UserId(claims.user_id), _session_id(session_id)
    )
    return SessionsEnded(message="Session revoked", revoked=1)


@delete("/others", status_code=200, guards=[signed_in, holding(WRITE_USER)], **BEARER_ONLY)
async def end_other_sessions(auth: Services, request: AnyRequest) -> SessionsEnded:
    """End the holder's sessions but the token's own."""
    claims = claims_of(request)
    ended = await auth.endings.end_all(
        TenantId(claims.tenant_id),
        UserId(claims.user_id),
        spare=SessionId(claims.session_id),
        reason="revoked others",
    )
    return SessionsEnded(message="Other sessions revoked", revoked=ended)


@delete("/all", status_code=200, guards=[signed_in, holding(WRITE_USER)], **BEARER_ONLY)
async def end_all_sessions(auth: Services, request: AnyRequest) -> SessionsEnded:
    """End the holder's sessions, the token's own included."""
    claims = claims_of(request)
    ended = await auth.endings.end_all(
        TenantId(claims.tenant_id), UserId(claims.user_id), spare=None, reason="revoked all"
    )
    return SessionsEnded(message="All sessions revoked", revoked=ended)


def _session_id(text: str) -> SessionId:
    if not is_id(text):
        raise SessionNotFoundError
    return SessionId(text)


profile_router = Router(
    "/api/v1/users", tags=["profile"], route_handlers=[get_profile, update_profile]
)
sessions_router = Router(
    "/api/v1/sessions",
    tags=["sessions"],
    route_handlers=[
        list_sessions,
        get_session,
        end_session,
        end_other_sessions,
        end_all_sessions,
    ],
)
