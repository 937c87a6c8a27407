"""Repeats under one `Idempotency-Key` are held to the rules that the first request kept."""

from collections.abc import Sequence
from typing import Any

import pytest

from caas.kernel.ids import new_id

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

KEYS = "/v1/auth/api-keys"


async def _key(door: Any, bearer: dict[str, str], scopes: Sequence[str]) -> Any:
    made = await door.ask("POST", KEYS, {"name": "k", "scopes": scopes}, bearer)
    assert made.status == 201, made.text
    return made.body


async def test_a_lesser_key_does_not_get_the_answer_to_a_greater_one(door: Any) -> None:
    """Both are of one client; the answer holds the secret of a key that only one may make."""
    acme = await door.register()
    may = {"x-api-key": (await _key(door, acme.bearer, ["apikey:write"]))["key"]}
    may_not = {"x-api-key": (await _key(door, acme.bearer, ["user:read"]))["key"]}
    order, once = {"name": "made", "scopes": ["apikey:write"]}, {"idempotency-key": "1"}

    made = await door.ask("POST", KEYS, order, may | once)
    stolen = await door.ask("POST", KEYS, order, may_not | once)

    assert (made.status, stolen.status) == (201, 403)
    assert made.body["key"] not in stolen.text.decode()


async def test_a_dead_key_gets_no_answer_again(door: Any) -> None:
    """The session was opened while it lived; its tokens are not handed out anew."""
    acme = await door.register()
    admin = await door.ask("POST", KEYS, {"name": "k", "scopes": ["apikey:write"]}, acme.bearer)
    key = {"x-api-key": admin.body["key"]}
    order, once = {"name": "made", "scopes": []}, {"idempotency-key": new_id()}

    first = await door.ask("POST", KEYS, order, key | once)
    repeat = await door.ask("POST", KEYS, order, key | once)
    await door.ask("DELETE", f"{KEYS}/{admin.body['id']}", headers=acme.bearer)
    late = await door.ask("POST", KEYS, order, key | once)

    assert (first.status, repeat.status, late.status) == (201, 201, 401)
