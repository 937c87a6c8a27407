"""The auth use cases over fakes."""

from collections.abc import Awaitable, Callable

import pytest

from caas.auth.domain.sessions import Device
from caas.auth.domain.users import UserData
from caas.auth.service.accounts import Registered
from caas.auth.service.services import AuthServices
from caas.auth.service.sessions.sdk import Caller, Opened
from caas.testing.auth.issuer import Issuer
from caas.testing.auth.use_cases import FakeAuth

Register = Callable[..., Awaitable[Registered]]
OpenSession = Callable[..., Awaitable[Opened]]

HOME = Caller("198.51.100.7", "unit test", None)


@pytest.fixture
def fake() -> FakeAuth:
    """Return the fakes behind `auth`."""
    return FakeAuth()


@pytest.fixture
async def auth(fake: FakeAuth) -> AuthServices:
    """Return the use cases with a first signing key."""
    services = fake.build()
    await services.signing_keys.load()
    return services


@pytest.fixture
def register(auth: AuthServices) -> Register:
    """Return a function that registers a company."""

    async def run(email: str = "admin@acme.example.com") -> Registered:
        return await auth.accounts.register(
            company_name="Acme", email=email, password="Correct-horse-7", plan="business"
        )

    return run


@pytest.fixture
def open_session(auth: AuthServices) -> OpenSession:
    """Return a function that opens a session with a key."""

    async def run(
        api_key: str,
        external_id: str = "alice",
        caller: Caller = HOME,
        ttl_s: int | None = None,
    ) -> Opened:
        return await auth.sdk_sessions.open_for(
            await auth.sdk_sessions.opener_of(api_key, caller),
            external_id=external_id,
            data=UserData(email=f"{external_id}@users.example.com", username=external_id.title()),
            device=Device(device_type="web"),
            caller=caller,
            ttl_s=ttl_s,
        )

    return run


@pytest.fixture
def issuer() -> Issuer:
    """Return an issuer with one key, which the verifier knows."""
    return Issuer()
