"""The auth service's internal routes, over the pooled client and a circuit breaker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from caas.contracts.auth.api import SdkSession
from caas.contracts.auth.internal import (
    INTERNAL_PREFIX,
    AppToken,
    KeyClient,
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
from caas.gateway.settings import GatewayKnobs
from caas.kernel.errors import (
    CaasError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
    UnavailableError,
)
from caas.runtime.calls.breaker import BreakerPolicy, CircuitBreaker, State
from caas.runtime.calls.client import (
    ClientLimits,
    ClientResponse,
    Fetched,
    HttpClient,
    UpstreamBusyError,
    UpstreamError,
)
from caas_observability.setup.logs import get_logger

_JSON = (b"content-type", b"application/json")
_SUCCESS_MAX = 299
_INVALID = 400
_LIMITED = 429
_PLAIN: Mapping[int, type[CaasError]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
}
_OURS_REFUSED = "service_authentication_failed"

Answer = TypeVar("Answer")

_log = get_logger("caas.gateway.clients")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document of a service behind, as far as it is passed on."""

    type: str = ""
    detail: str = ""
    error: Any = ""
    errors: list[dict[str, Any]] = []
    valid: bool | None = None

    def broken_rules(self) -> tuple[tuple[str, str], ...]:
        """Return `(path, message)` for each."""
        return tuple((str(e.get("path", "")), str(e.get("message", ""))) for e in self.errors)


_decode_refusal = msgspec.json.Decoder(Refusal).decode


def read_refusal(body: bytes) -> Refusal:
    """Read a problem document; anything else is an empty one."""
    try:
        return _decode_refusal(body)
    except msgspec.MsgspecError:
        return Refusal()


@dataclass(frozen=True, slots=True)
class Upstream:
    """One service behind: its client, guarded by its circuit."""

    client: HttpClient
    breaker: CircuitBreaker

    async def request(self, method: bytes, target: bytes, **options: Any) -> ClientResponse:
        """Call as `HttpClient.request` does; raise `CircuitOpenError` without calling."""
        breaker = self.breaker
        ticket = breaker.enter()
        try:
            response = await self.client.request(method, target, **options)
        except UpstreamBusyError:
            breaker.abandoned(ticket)  # our own queue; says nothing about the service
            raise
        except UpstreamError:
            breaker.failed(ticket)
            raise
        except BaseException:
            breaker.abandoned(ticket)
            raise
        breaker.succeeded(ticket)
        return response

    async def fetch(self, method: bytes, target: bytes, **options: Any) -> Fetched:
        """Call and read the whole answer."""
        response = await self.request(method, target, **options)
        return Fetched(response.status, response.headers, await response.read())


def open_upstream(service: str, url: str, knobs: GatewayKnobs) -> Upstream:
    """Return the service called *service* at *url*; it is connected to on first use."""
    limits = ClientLimits(
        connections_max=knobs.upstream_connections_max,
        connect_s=knobs.upstream_connect_s,
        first_byte_s=knobs.upstream_total_s,
        total_s=knobs.upstream_total_s,
    )
    policy = BreakerPolicy(
        failures_max=knobs.breaker_failures_max,
        open_s=knobs.breaker_open_s,
        open_max_s=knobs.breaker_open_max_s,
    )
    breaker = CircuitBreaker(service, policy, on_change=_circuit_changed)
    return Upstream(HttpClient(url, limits=limits), breaker)


def _circuit_changed(service: str, state: State) -> None:
    _log.warning("circuit changed", upstream=service, state=state)


@dataclass(frozen=True, slots=True)
class AuthClient:
    """The auth service over HTTP; see `caas.gateway.ports.AuthService`.

    The service secret is in the headers alone, which are shown nowhere.
    """

    upstream: Upstream
    service_secret: str = field(repr=False)

    async def validate_key(self, api_key: str, *, ip_address: str, origin: str | None) -> KeyClient:
        """Return whom a live key belongs to."""
        asked = ValidateApiKey(api_key=api_key, ip_address=ip_address, origin=origin)
        answer = await self._call(b"POST", "/validate-api-key", ValidApiKey, asked)
        return answer.client

    async def tenant(self, tenant_id: str) -> TenantRecord:
        """Return the tenant."""
        return await self._call(b"GET", _tenant(tenant_id), TenantRecord)

    async def rename(self, tenant_id: str, company_name: str) -> TenantRecord:
        """Change the company's name."""
        order = RenameTenant(company_name=company_name)
        return await self._call(b"PATCH", _tenant(tenant_id), TenantRecord, order)

    async def usage(self, tenant_id: str) -> TenantUsage:
        """Count what the tenant uses."""
        return await self._call(b"GET", _tenant(tenant_id, "/usage"), TenantUsage)

    async def make_key(self, tenant_id: str, order: MakeKey) -> NewKey:
        """Make a named key."""
        return await self._call(b"POST", _tenant(tenant_id, "/api-keys"), NewKey, order)

    async def keys(self, tenant_id: str, *, limit: int | None, cursor: str | None) -> KeyPage:
        """Return a page of named keys."""
        given = {"limit": limit, "cursor": cursor}
        query = urlencode({name: value for name, value in given.items() if value is not None})
        path = _tenant(tenant_id, "/api-keys") + (f"?{query}" if query else "")
        return await self._call(b"GET", path, KeyPage)

    async def key(self, tenant_id: str, key_id: str) -> KeyRecord:
        """Return one key."""
        return await self._call(b"GET", _tenant(tenant_id, "/api-keys/", key_id), KeyRecord)

    async def delete_key(self, tenant_id: str, key_id: str) -> None:
        """Kill a key."""
        await self._fetch(b"DELETE", _tenant(tenant_id, "/api-keys/", key_id), None)

    async def app_token(self, order: AppToken) -> SdkSession:
        """Open a session with an app's id and secret."""
        return await self._call(b"POST", "/sdk-token", SdkSession, order)

    async def _call(
        self, method: bytes, path: str, kind: type[Answer], body: msgspec.Struct | None = None
    ) -> Answer:
        fetched = await self._fetch(method, path, body)
        try:
            return msgspec.json.decode(fetched.body, type=kind)
        except msgspec.MsgspecError as error:
            raise UnavailableError("A service behind this one gave an unreadable answer") from error

    async def _fetch(self, method: bytes, path: str, body: msgspec.Struct | None) -> Fetched:
        headers = [(b"x-service-secret", self.service_secret.encode())]
        if body is not None:
            headers.append(_JSON)
        fetched = await self.upstream.fetch(
            method,
            (INTERNAL_PREFIX + path).encode("ascii"),
            headers=headers,
            body=None if body is None else msgspec.json.encode(body),
        )
        if fetched.status > _SUCCESS_MAX:
            raise _error_of(fetched)
        return fetched


def _tenant(tenant_id: str, rest: str = "", key_id: str = "") -> str:
    return f"/tenants/{quote(tenant_id, safe='')}{rest}{quote(key_id, safe='')}"


def _error_of(fetched: Fetched) -> CaasError:
    """Return what a refusal means here; what only concerns us two becomes an outage."""
    refusal = read_refusal(fetched.body)
    if refusal.type.endswith(_OURS_REFUSED):
        error = UnavailableError("A service behind this one is unavailable")
        error.add_note("the auth service refused the service secret")
        return error
    wait_s = retry_after_s(fetched.headers)
    if fetched.status == _INVALID:
        return InvalidInputError(refusal.detail, errors=refusal.broken_rules())
    if fetched.status == _LIMITED:
        return RateLimitedError(refusal.detail, retry_after_s=wait_s)
    if fetched.status in _PLAIN:
        return _PLAIN[fetched.status](refusal.detail)
    away = UnavailableError("A service behind this one is unavailable", retry_after_s=wait_s)
    away.add_note(f"{fetched.status} from the auth service")
    return away


def retry_after_s(headers: list[tuple[bytes, bytes]]) -> int:
    """Return the seconds a service asked to wait; 1 when it didn't say."""
    value = next((v for n, v in headers if n == b"retry-after"), b"")
    return max(1, int(value)) if value.isdigit() else 1
