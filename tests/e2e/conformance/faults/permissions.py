"""Permissions that are not asked for, asked for too much, or tell what is somebody else's."""

from typing import Any

from faults.mutant import mutant, part, rewrite_answer


@mutant("X01", "L01", red="X01.03 L01.G06", place="")
def tenant_check_removed() -> None:
    """A named key is found whoever asks."""
    store = part("caas.auth.store.keys:MongoNamedKeyStore")

    async def find(self: Any, _tenant_id: str, key_id: str) -> Any:
        return await self._find({"_id": key_id})

    store.find = find


@mutant("L01", red="L01.G01 L01.G02 L01.G03 L01.G04 L01.G05", place="gateway")
def no_scope_at_the_gateway() -> None:
    """The gateway asks nobody for a permission."""
    principal = part("caas.gateway.domain:Principal")

    principal.require = lambda _self, _permission: None


@mutant("L01", red="L01.G07", place="gateway")
def deleting_keys_takes_reading() -> None:
    """Who may read keys may delete them."""
    service = part("caas.gateway.service.tenants:TenantService")

    async def delete_key(self: Any, principal: Any, key_id: str) -> None:
        principal.require("apikey:read")
        await self.auth.delete_key(principal.tenant_id, key_id)

    service.delete_key = delete_key


@mutant("L01", red="L01.G02", place="gateway")
def usage_for_everybody() -> None:
    """What a company uses is shown without a permission."""
    service = part("caas.gateway.service.tenants:TenantService")

    async def usage(self: Any, principal: Any) -> Any:
        return await self.auth.usage(principal.tenant_id)

    service.usage = usage


@mutant("L01", red="L01.A22 L01.A23 L01.A17")
def no_scope_for_users() -> None:
    """A session of a narrow key may read and change the whole user."""
    access = part("caas.auth.routes.access")

    access.check_permission = lambda _claims, _permission: None


@mutant("L01", red="L01.A18")
def other_sessions_shown() -> None:
    """Any user of a tenant may look at any session of it, by its id."""
    checks = part("caas.auth.service.sessions.checks:Checks")

    async def own_session(self: Any, claims: Any, session_id: str) -> Any:
        found = await self.sessions.find(claims.tenant_id, session_id)
        if found is None or not found.is_open(self.clock.now_ms()):
            raise part("caas.auth.errors:SessionNotFoundError")
        return found

    checks.own_session = own_session


@mutant("S14", "L01", red="S14.05 L01.A19")
def other_sessions_ended() -> None:
    """Any user of a tenant may end any session of it, by its id."""
    endings = part("caas.auth.service.sessions.endings:Endings")

    async def end_own(self: Any, tenant_id: Any, _holder: Any, session_id: Any) -> None:
        if not await self.end(tenant_id, session_id, reason="revoked"):
            raise part("caas.auth.errors:SessionNotFoundError")

    endings.end_own = end_own


@mutant("L01", red="L01.A05 L01.A06 L01.A02")
def administrators_manage_anybody() -> None:
    """An administrator may name another client's account."""
    access, clients = part("caas.auth.routes.access"), part("caas.auth.routes.clients")

    def managed_client(request: Any, named: Any) -> Any:
        claims = request.state.claims
        if isinstance(named, str):
            return named
        return claims.client_id

    access.managed_client = clients.managed_client = managed_client


@mutant("L01", red="L01.A25 L01.A28 L01.A32")
def any_service_secret() -> None:
    """Routes between services open to whoever asks."""
    secret = part("caas.runtime.identity.service_secret:ServiceSecret")

    secret.require = lambda _self, _presented: None


@mutant("L01", red="L01.A05")
def token_types_unchecked() -> None:
    """An administrator's token is taken for a user's, and the other way round."""
    access = part("caas.auth.routes.access")
    authenticate = access._authenticate

    async def any_type(connection: Any, _types: Any) -> None:
        await authenticate(connection, ("access", "client"))

    access._authenticate = any_type


@mutant("L01", red="L01.A13")
def any_key_opens_sessions() -> None:
    """A key without the scope opens sessions."""
    sdk = part("caas.auth.service.sessions.sdk")

    sdk.OPEN_PERMISSION = "user:read"


@mutant("L01", red="L01.A22")
def sessions_hold_everything() -> None:
    """A session holds everything, whatever the key that opened it holds."""
    sdk = part("caas.auth.service.sessions.sdk")

    sdk.session_permissions = lambda _scopes: part("caas.contracts.auth.identity").USER_PERMISSIONS


@mutant("S08", "L20", red="S08.24 L20.G05", place="")
def keys_widen() -> None:
    """A key may hold more than its maker does."""
    named = part("caas.auth.service.keys.named")
    scopes = part("caas.auth.domain.scopes")

    named.grant = lambda wanted, _maker: scopes.expand_scopes(wanted)


@mutant("L01", red="L01.G06", place="gateway")
def strangers_are_told() -> None:
    """The refusal of another's key says that it exists."""
    store = part("caas.auth.store.keys:MongoNamedKeyStore")
    find = store.find

    async def telling(self: Any, tenant_id: str, key_id: str) -> Any:
        found = await find(self, tenant_id, key_id)
        if found is None and await self._find({"_id": key_id}) is not None:
            raise part("caas.kernel.errors:NotFoundError")("This key is not yours")
        return found

    store.find = telling


@mutant("L01", red="L01.G09", place="gateway")
def readers_refused() -> None:
    """A session that may read sessions is refused at the gateway."""

    def refused(status: int, body: Any, _: Any) -> Any:
        if status == 200:
            refusal = ("title", "detail", "error", "message")
            return 403, {"status": 403, "statusCode": 403, **dict.fromkeys(refusal, "no")}
        return status, body

    rewrite_answer("gateway", "GET", "/v1/sessions/*", refused)
