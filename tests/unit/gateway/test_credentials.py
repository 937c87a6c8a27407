"""From headers to a caller."""

import pytest

from caas.contracts.auth.identity import Claims, TokenType
from caas.gateway.errors import TenantContextRequiredError
from caas.gateway.service.credentials import Credentials
from caas.gateway.service.plans import Plans
from caas.kernel.errors import UnauthenticatedError, UnavailableError
from caas.testing.gateway import FakeAuthService, tenant_record

pytestmark = pytest.mark.anyio


def claims(tenant_id: str, kind: TokenType = "access") -> Claims:
    """Return the claims of a good token."""
    return Claims(
        jti="j", user_id="u", tenant_id=tenant_id, session_id="s", type=kind, iat=0, exp=9, iss="i",
        aud="a",
    )  # fmt: skip


class FakeChecker:
    """Knows tokens `<tenant>.<type>`; those seen before are answered from memory."""

    def __init__(self) -> None:
        self.seen: dict[str, Claims] = {}

    def verify_cached(self, token: str) -> Claims | None:
        """Return what was verified before."""
        return self.seen.get(token)

    async def verify(self, token: str, *, types: tuple[TokenType, ...] = ("access",)) -> Claims:
        """Verify by spelling."""
        tenant_id, _, kind = token.partition(".")
        found = claims(tenant_id, kind)  # type: ignore[arg-type]
        self.seen[token] = found
        if kind not in types:
            raise UnauthenticatedError("Invalid token")
        return found


@pytest.fixture
def credentials(auth: FakeAuthService) -> Credentials:
    """Return the use case over fakes."""
    return Credentials(FakeChecker(), auth, Plans(auth, 60.0, monotonic=lambda: 0.0))


async def test_a_users_token(credentials: Credentials) -> None:
    """The scheme's case does not matter (RFC 9110, 11.1)."""
    for scheme in (b"Bearer", b"bearer", b"BEARER"):
        who = await credentials.of_bearer(scheme + b" t1.access")
        assert (who.tenant_id, who.kind, who.plan) == ("t1", "user", "free")


async def test_an_administrators_token_holds_everything(credentials: Credentials) -> None:
    """Its type says so, not a claim that a user token might carry."""
    who = await credentials.of_bearer(b"Bearer t2.client")

    assert who.kind == "admin"
    assert "sdk:session:create" in who.permissions


@pytest.mark.parametrize("header", [b"", b"t1.access", b"Basic dTpw", b"Bearer"])
async def test_anything_but_a_bearer_token_names_no_tenant(
    credentials: Credentials, header: bytes
) -> None:
    """Seed case 26's words."""
    with pytest.raises(TenantContextRequiredError, match="Tenant context required"):
        await credentials.of_bearer(header)


async def test_a_refresh_token_is_no_access_token_however_often_shown(
    credentials: Credentials,
) -> None:
    """A cached verification must not let the wrong type through the second time."""
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            await credentials.of_bearer(b"Bearer t1.refresh")


@pytest.mark.parametrize("tenant_id", ["unknown", "gone"])
async def test_a_token_of_a_tenant_that_is_gone_is_no_credential(
    credentials: Credentials, tenant_id: str
) -> None:
    """Unknown and suspended tenants: 401, never 404."""
    with pytest.raises(TenantContextRequiredError):
        await credentials.of_bearer(f"Bearer {tenant_id}.access".encode())


async def test_the_plan_is_asked_once_until_it_changes(
    credentials: Credentials, auth: FakeAuthService
) -> None:
    """The hot path asks nobody; an announced change is seen at the next request."""
    for _ in range(3):
        await credentials.of_bearer(b"Bearer t1.access")
    auth.tenants["t1"] = tenant_record("t1", plan="enterprise")
    assert auth.calls == ["tenant"]
    credentials.plans.forget("t1")

    assert (await credentials.of_bearer(b"Bearer t1.access")).plan == "enterprise"


async def test_an_unknown_plan_is_an_outage_not_a_guess(
    credentials: Credentials, auth: FakeAuthService
) -> None:
    """Guessing would grant somebody else's limit."""
    auth.away = True
    with pytest.raises(UnavailableError):
        await credentials.of_bearer(b"Bearer t1.access")


async def test_a_key_is_asked_about_every_time(
    credentials: Credentials, auth: FakeAuthService
) -> None:
    """A key revoked between two requests is dead at the second."""
    who = await credentials.of_key(b"caas_prod_good", ip_address="127.0.0.1", origin=None)
    assert (who.tenant_id, who.kind, who.plan) == ("t2", "key", "business")
    assert not who.is_member
    auth.member_keys.add("caas_prod_good")
    who = await credentials.of_key(b"caas_prod_good", ip_address="127.0.0.1", origin=None)
    assert who.is_member
    auth.account_keys.clear()

    with pytest.raises(UnauthenticatedError):
        await credentials.of_key(b"caas_prod_good", ip_address="127.0.0.1", origin=None)
