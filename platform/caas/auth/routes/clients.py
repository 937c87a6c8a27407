"""Client accounts: registration, login, their keys and whitelists."""

from typing import Annotated

from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from caas.auth.ports import Whitelist
from caas.auth.routes.access import AnyRequest, caller_of, managed_client, service_or_administrator
from caas.auth.schemas.clients import (
    AddIp,
    AddOrigin,
    IpEntry,
    KeyOwner,
    OriginEntry,
    RevokeKey,
    SecondaryKey,
    WhitelistView,
    client_login_of,
    registration_of,
)
from caas.auth.service.services import AuthServices
from caas.contracts.auth.api import ClientLogin, Login, Message, Register, Registration
from caas.kernel.errors import (
    ConflictError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
)
from caas.runtime.http.operations import BEARER, SERVICE_SECRET, operation

ClientIdQuery = Annotated[str | None, QueryParameter(max_length=100)]
EntryQuery = Annotated[str, QueryParameter(max_length=1000)]
Services = NamedDependency[AuthServices]

ADMINISTRATION = (SERVICE_SECRET, BEARER)


@post("/register", **operation(ConflictError, idempotent=True))
async def register_client(data: JSONBody[Register], auth: Services) -> Registration:
    """Register a company: an account, a tenant, a key and a secret, shown this once."""
    return registration_of(
        await auth.accounts.register(
            company_name=data.company_name, email=data.email, password=data.password, plan=data.plan
        )
    )


@post("/login", status_code=200, **operation(UnauthenticatedError, RateLimitedError))
async def log_client_in(data: JSONBody[Login], auth: Services, request: AnyRequest) -> ClientLogin:
    """Sign a client's administrator in; wrong passwords are limited."""
    caller = caller_of(request)
    return client_login_of(
        await auth.accounts.login(
            email=data.email,
            password=data.password,
            ip_address=caller.ip_address,
            user_agent=caller.user_agent,
        )
    )


@post(
    "/api-keys/rotate",
    status_code=200,
    guards=[service_or_administrator],
    **operation(NotFoundError, security=ADMINISTRATION, idempotent=True),
)
async def rotate_api_key(
    data: JSONBody[KeyOwner], auth: Services, request: AnyRequest
) -> SecondaryKey:
    """Make a secondary key; both keys work until it is promoted."""
    secret = await auth.account_keys.rotate(managed_client(request, data.client_id))
    return SecondaryKey(
        secondary_key=secret,
        message="Secondary key created. Deploy it, then promote it; both keys work until then.",
    )


@post(
    "/api-keys/promote",
    status_code=200,
    guards=[service_or_administrator],
    **operation(NotFoundError, ConflictError, security=ADMINISTRATION),
)
async def promote_api_key(data: JSONBody[KeyOwner], auth: Services, request: AnyRequest) -> Message:
    """Make the secondary key the primary one; the old primary key dies at once."""
    await auth.account_keys.promote(managed_client(request, data.client_id))
    return Message(message="Secondary key promoted to primary. Old primary key revoked.")


@post(
    "/api-keys/revoke",
    status_code=200,
    guards=[service_or_administrator],
    **operation(NotFoundError, ConflictError, security=ADMINISTRATION),
)
async def revoke_api_key(data: JSONBody[RevokeKey], auth: Services, request: AnyRequest) -> Message:
    """Kill the primary or the secondary key at once."""
    await auth.account_keys.revoke(managed_client(request, data.client_id), data.key)
    return Message(message=f"The {data.key} key is revoked.")


async def _entries(
    auth: AuthServices, request: AnyRequest, named: str | None, whitelist: Whitelist
) -> WhitelistView:
    client_id = managed_client(request, named)
    entries = await auth.whitelists.entries(client_id, whitelist)
    return WhitelistView(client_id=client_id, items=list(entries))


@get(
    "/ip-whitelist",
    guards=[service_or_administrator],
    **operation(NotFoundError, security=ADMINISTRATION),
)
async def list_ip_whitelist(
    auth: Services, request: AnyRequest, client_id: ClientIdQuery = None
) -> WhitelistView:
    """List the addresses that may use the client's keys; none means all."""
    return await _entries(auth, request, client_id, "ip_whitelist")


@post(
    "/ip-whitelist",
    guards=[service_or_administrator],
    **operation(NotFoundError, ConflictError, security=ADMINISTRATION),
)
async def add_to_ip_whitelist(
    data: JSONBody[AddIp], auth: Services, request: AnyRequest
) -> IpEntry:
    """Add an address or block; from then on only listed ones may use the client's keys."""
    client_id = managed_client(request, data.client_id)
    return IpEntry(
        client_id=client_id, ip=await auth.whitelists.add(client_id, "ip_whitelist", data.ip)
    )


@delete(
    "/ip-whitelist",
    status_code=200,
    guards=[service_or_administrator],
    **operation(NotFoundError, security=ADMINISTRATION),
)
async def remove_from_ip_whitelist(
    auth: Services, request: AnyRequest, ip: EntryQuery, client_id: ClientIdQuery = None
) -> IpEntry:
    """Remove an address or block, in whatever spelling."""
    owner = managed_client(request, client_id)
    return IpEntry(client_id=owner, ip=await auth.whitelists.remove(owner, "ip_whitelist", ip))


@get(
    "/origin-whitelist",
    guards=[service_or_administrator],
    **operation(NotFoundError, security=ADMINISTRATION),
)
async def list_origin_whitelist(
    auth: Services, request: AnyRequest, client_id: ClientIdQuery = None
) -> WhitelistView:
    """List the web origins that may use the client's keys; none means all."""
    return await _entries(auth, request, client_id, "origin_whitelist")


@post(
    "/origin-whitelist",
    guards=[service_or_administrator],
    **operation(NotFoundError, ConflictError, security=ADMINISTRATION),
)
async def add_to_origin_whitelist(
    data: JSONBody[AddOrigin], auth: Services, request: AnyRequest
) -> OriginEntry:
    """Add a web origin; from then on only listed ones may use the client's keys."""
    client_id = managed_client(request, data.client_id)
    added = await auth.whitelists.add(client_id, "origin_whitelist", data.origin)
    return OriginEntry(client_id=client_id, origin=added)


@delete(
    "/origin-whitelist",
    status_code=200,
    guards=[service_or_administrator],
    **operation(NotFoundError, security=ADMINISTRATION),
)
async def remove_from_origin_whitelist(
    auth: Services, request: AnyRequest, origin: EntryQuery, client_id: ClientIdQuery = None
) -> OriginEntry:
    """Remove a web origin, in whatever spelling."""
    owner = managed_client(request, client_id)
    removed = await auth.whitelists.remove(owner, "origin_whitelist", origin)
    return OriginEntry(client_id=owner, origin=removed)


router = Router(
    "/api/v1/auth/client",
    tags=["clients"],
    route_handlers=[
        register_client,
        log_client_in,
        rotate_api_key,
        promote_api_key,
        revoke_api_key,
        list_ip_whitelist,
        add_to_ip_whitelist,
        remove_from_ip_whitelist,
        list_origin_whitelist,
        add_to_origin_whitelist,
        remove_from_origin_whitelist,
    ],
)
