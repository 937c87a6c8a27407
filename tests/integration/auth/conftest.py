"""Real instances of the auth service: processes of their own on one database."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from caas.kernel.ids import new_id
from caas.testing.auth.instance import Instance, start_instance


@pytest.fixture(scope="module")
async def instances(
    mongodb_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Instance, Instance]]:
    """Run two instances on one fresh database."""
    database = f"test_auth_{new_id()[:8]}"
    logs = tmp_path_factory.mktemp("auth-logs")
    pair = await asyncio.gather(
        *(start_instance(mongodb_url, redis_url, database, logs) for _ in range(2))
    )
    yield pair[0], pair[1]
    await asyncio.gather(*(instance.stop() for instance in pair))


@pytest.fixture(scope="module")
def first(instances: tuple[Instance, Instance]) -> Instance:
    """Return one of two instances."""
    return instances[0]


@pytest.fixture(scope="module")
def second(instances: tuple[Instance, Instance]) -> Instance:
    """Return the other of two instances."""
    return instances[1]
