"""A repeat under one `Idempotency-Key` needs a credential that is good now."""

import pytest

from caas.kernel.ids import new_id
from caas.testing.auth.instance import Instance

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def test_a_replaced_key_gets_no_tokens_again(first: Instance) -> None:
    """Neither with the old key after a promotion, nor from an address that is shut out."""
    tenant = await first.register()
    managed = {"client_id": tenant["client_id"]}
    order = {"user_external_id": "alice"}
    headers = {"x-api-key": tenant["api_key"], "idempotency-key": new_id()}

    opened = await first.post("/sdk/session", order, headers=headers)
    repeat = await first.post("/sdk/session", order, headers=headers)
    await first.post("/client/ip-whitelist", managed | {"ip": "192.0.2.1"}, service=True)
    elsewhere = await first.post("/sdk/session", order, headers=headers)
    await first.post("/client/api-keys/rotate", managed, service=True)
    await first.post("/client/api-keys/promote", managed, service=True)
    dead = await first.post("/sdk/session", order, headers=headers)

    assert (opened.status, repeat.status) == (200, 200)
    assert opened.body == repeat.body
    assert (elsewhere.status, dead.status) == (403, 401)


async def test_a_stranger_is_not_told_that_a_key_is_in_use(first: Instance) -> None:
    """Guards come before the words about the `Idempotency-Key`."""
    tenant = await first.register()
    once = {"idempotency-key": new_id()}
    managed = {"client_id": tenant["client_id"]}
    bad = {"x-service-secret": "wrong"}

    statuses = [
        (await first.post("/client/api-keys/rotate", managed, headers=bad | once)).status
        for _ in range(2)
    ]

    assert statuses == [401, 401]
