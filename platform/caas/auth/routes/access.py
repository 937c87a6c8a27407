"""Who may call: guards that run before the body is looked at, and what they found out."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from msgspec import UnsetType

from caas.auth.domain.scopes import check_permission
from caas.auth.errors import ApiKeyMissingError, ClientNotFoundError
from caas.auth.service.keys.check import KeyHolder
from caas.auth.service.services import AuthServices
from caas.auth.service.sessions.sdk import Caller
from caas.contracts.auth.identity import Claims, TokenType
from caas.kernel.errors import UnauthenticatedError
from caas.kernel.ids import ClientId
from caas.runtime.http.fast import FastRequest
from caas.runtime.identity.service_secret import SERVICE_SECRET_HEADER, ServiceAuthenticationError

API_KEY_HEADER = "x-api-key"
PAGE_MAX = 100
PAGE_DEFAULT = 50

Connection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

PageLimit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)]
Cursor = Annotated[
    str | None, QueryParameter(max_length=100, description="`next_cursor` of the page before.")
]


class CredentialMissingError(UnauthenticatedError):
    """The request has no `Authorization: Bearer` header."""

    code = "auth.credential_missing"

    def __init__(self) -> None:
        super().__init__("Authentication required")


def services_of(connection: Connection) -> AuthServices:
    """Return the use cases of the running service."""
    services: AuthServices = connection.app.state.auth
    return services


def service_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Let other services pass; raise `ServiceAuthenticationError` for anyone else."""
    services_of(connection).secret.require(connection.headers.get(SERVICE_SECRET_HEADER))


async def opens_sessions(connection: Connection, _: BaseRouteHandler) -> None:
    """Let requests pass whose API key may open sessions from where they come.

    Raises:
        ApiKeyMissingError: The request shows no key.
        ApiKeyInvalidError, AddressNotAllowedError, OriginNotAllowedError: As `KeyCheck`.
        PermissionMissingError: The key lacks the scope.
    """
    key = connection.headers.get(API_KEY_HEADER)
    if not key:
        raise ApiKeyMissingError
    services = services_of(connection)
    opener = await services.sdk_sessions.opener_of(key, caller_of(connection))
    connection.state.opener = opener


async def user_only(connection: Connection, _: BaseRouteHandler) -> None:
    """Let end users pass; raise `UnauthenticatedError` for anyone else."""
    await _authenticate(connection, ("access",))


async def signed_in(connection: Connection, _: BaseRouteHandler) -> None:
    """Let end users and administrators pass; raise `UnauthenticatedError` for anyone else."""
    await _authenticate(connection, ("access", "client"))


def holding(permission: str) -> Guard:
    """Return a guard, to follow `signed_in` or `user_only`, for what concerns the whole user.

    It raises `PermissionMissingError` for a token without *permission*.
    """

    async def check(connection: Connection, _: BaseRouteHandler) -> None:
        check_permission(connection.state.claims, permission)

    return check


def holding_or_itself(permission: str) -> Guard:
    """Return `holding` for the routes of one session, which the session itself always passes."""

    async def check(connection: Connection, _: BaseRouteHandler) -> None:
        claims: Claims = connection.state.claims
        if connection.path_params["session_id"] != claims.session_id:
            check_permission(claims, permission)

    return check


async def service_or_administrator(connection: Connection, _: BaseRouteHandler) -> None:
    """Let other services pass, and clients' administrators.

    Raises:
        ServiceAuthenticationError: No valid service secret, and no bearer token at all.
        UnauthenticatedError: A bearer token that is no good administrator's.
    """
    secret = services_of(connection).secret
    if secret.matches(connection.headers.get(SERVICE_SECRET_HEADER)):
        connection.state.claims = None
    elif _bearer(connection) is None:
        raise ServiceAuthenticationError
    else:
        await _authenticate(connection, ("client",))


def claims_of(request: AnyRequest) -> Claims:
    """Return the claims of the bearer that a guard let pass."""
    claims: Claims = request.state.claims
    return claims


def managed_client(request: AnyRequest, named: str | UnsetType | None) -> ClientId:
    """Return the account that the caller of `service_or_administrator` may manage.

    Raises:
        ClientNotFoundError: A service named none, or an administrator another than their own.
    """
    claims: Claims | None = request.state.claims
    given = named if isinstance(named, str) else None
    if claims is None:
        if given is None:
            raise ClientNotFoundError
        return ClientId(given)
    own = claims.client_id
    if own is None or (given is not None and given != own):
        raise ClientNotFoundError
    return ClientId(own)


def opener_of(request: AnyRequest) -> KeyHolder:
    """Return whom the key belongs to that `opens_sessions` let pass."""
    opener: KeyHolder = request.state.opener
    return opener


def caller_of(request: Connection) -> Caller:
    """Return where the request comes from, as far as trusted proxies tell."""
    exchange: FastRequest = request.scope["caas_request"]  # type: ignore[typeddict-item]  # edge's
    return Caller(
        ip_address=exchange.client_ip,
        user_agent=request.headers.get("user-agent", ""),
        origin=request.headers.get("origin"),
    )


def _bearer(connection: Connection) -> str | None:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def _authenticate(connection: Connection, types: tuple[TokenType, ...]) -> None:
    token = _bearer(connection)
    if token is None:
        raise CredentialMissingError
    connection.state.claims = await services_of(connection).verifier.verify(token, types=types)
