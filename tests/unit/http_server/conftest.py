"""The server under test, on both event loops."""

from collections.abc import AsyncIterator

import pytest

from caas.testing.http.raw import Running, echo, run_server


@pytest.fixture
async def echoing() -> AsyncIterator[Running]:
    """Serve `echo`."""
    async with run_server(echo) as running:
        yield running


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run each test on both loops: their transports share no code."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}
