"""From what a request shows to who is calling."""

from dataclasses import dataclass

from caas.contracts.auth.identity import TokenType, permissions_of
from caas.gateway.domain import Principal
from caas.gateway.errors import TenantContextRequiredError
from caas.gateway.ports import AuthService, TokenChecker
from caas.gateway.service.plans import Plans

TOKEN_TYPES: tuple[TokenType, ...] = ("access", "client")
_SCHEME = b"bearer "


@dataclass(frozen=True, slots=True)
class Credentials:
    """Checks bearer tokens here and API keys with the auth service.

    A key is asked for each time: one that was revoked or replaced is dead at once, which no
    cache could promise.
    """

    checker: TokenChecker
    auth: AuthService
    plans: Plans

    async def of_bearer(self, authorization: bytes) -> Principal:
        """Return the bearer of a token.

        Raises:
            TenantContextRequiredError: Not a bearer token, or of a tenant that is gone.
            UnauthenticatedError: The token is bad, expired, revoked or of another type.
            UnavailableError: That can't be known at present.
        """
        if authorization[:7].lower() != _SCHEME:
            raise TenantContextRequiredError
        token = authorization[7:].decode("latin-1")
        claims = self.checker.verify_cached(token)
        if claims is None or claims.type not in TOKEN_TYPES:
            claims = await self.checker.verify(token, types=TOKEN_TYPES)
        plan = self.plans.known(claims.tenant_id) or await self.plans.of(claims.tenant_id)
        return Principal(
            claims.tenant_id,
            "user" if claims.type == "access" else "admin",
            claims.user_id,
            permissions_of(claims),
            plan,
        )

    async def of_key(self, api_key: bytes, *, ip_address: str, origin: bytes | None) -> Principal:
        """Return the tenant's program that holds a key.

        Raises:
            UnauthenticatedError: No live key is spelt like this.
            ForbiddenError: It may not be used from there.
            UnavailableError: The auth service can't be asked.
        """
        client = await self.auth.validate_key(
            api_key.decode("latin-1"),
            ip_address=ip_address,
            origin=None if origin is None else origin.decode("latin-1"),
        )
        self.plans.learn(client.tenant_id, client.plan)
        return Principal(
            client.tenant_id,
            "key",
            client.client_id,
            client.permissions,
            client.plan,
            client.by_member,
        )
