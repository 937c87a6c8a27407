"""Rate limits over several gateways on one Valkey."""

import asyncio
import secrets
from collections import Counter
from typing import Any

import pytest

from caas.kernel.ids import new_id

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def test_two_gateways_share_one_limit(platform: Any) -> None:
    """Never over it, at least 99 % of it, whoever asks; and the plan decides."""
    knobs = {"limit_free_requests": "400", "limit_business_requests": "9000"}
    knobs["rate_window_s"] = "600"
    doors = [await platform.gateway(**knobs) for _ in range(2)]
    free, business = await doors[0].register("free"), await doors[0].register("business")
    seen: Counter[str] = Counter()

    async def client(door: Any) -> None:
        for _ in range(60):
            answer = await door.ask("GET", "/v1/sessions", headers=free.bearer)
            while answer.status == 503 and "x-ratelimit-limit" not in answer.headers:
                # The machine paused: not known in time whose token it is, so nothing was counted.
                answer = await door.ask("GET", "/v1/sessions", headers=free.bearer)
            assert answer.status in {200, 429, 503}
            seen["refused" if answer.status == 429 else "admitted"] += 1

    await asyncio.gather(*(client(door) for door in doors for _ in range(4)))
    last = await doors[1].ask("GET", "/v1/sessions", headers=free.bearer)
    other = await doors[1].ask("GET", "/v1/sessions", headers=business.bearer)

    assert seen.total() == 480
    assert 396 <= seen["admitted"] <= 400
    assert last.status == 429
    assert last.body["type"] == "urn:caas:error:rate_limited"
    assert last.headers["retry-after"] == last.headers["x-ratelimit-reset"]
    assert 1 <= int(last.headers["x-ratelimit-reset"]) <= 600
    assert (last.headers["x-ratelimit-limit"], last.headers["x-ratelimit-remaining"]) == (
        "400",
        "0",
    )
    assert (other.status, other.headers["x-ratelimit-limit"]) == (200, "9000")


async def test_guessing_costs(platform: Any) -> None:
    """Bad credentials are counted by address, and refused when there were too many."""
    door = await platform.gateway(limit_anonymous_requests="10", rate_window_s="600")
    statuses = [
        (await door.ask("GET", "/v1/tenant", headers={"authorization": f"Bearer {n}"})).status
        for n in range(12)
    ]

    # The address is shared by every test of this server: some of the ten may be spent.
    assert statuses[-2:] == [429, 429]
    assert set(statuses) <= {401, 429}


async def test_ipv6_neighbours_share_one_limit(platform: Any) -> None:
    """A /64 is one caller: its 2^64 addresses are no way around the limit."""
    door = await platform.gateway(limit_anonymous_requests="5", rate_window_s="600")
    network = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"

    async def guess(address: str) -> int:
        headers = {
            "x-api-key": "caas_prod_guess",
            "x-service-secret": platform.environ["CAAS_SERVICE_SECRET"],
            "x-forwarded-for": address,
        }
        status: int = (await door.ask("GET", "/v1/tenant", headers=headers)).status
        return status

    neighbours = [await guess(f"{network}::{n:x}") for n in range(1, 8)]
    stranger = await guess(f"2001:db9:{network[9:]}::1")

    assert neighbours == [401] * 5 + [429] * 2
    assert stranger == 401


async def test_health_is_never_limited(platform: Any) -> None:
    """A probe must not fail because clients are busy."""
    door = await platform.gateway(limit_anonymous_requests="1", rate_window_s="600")
    for _ in range(5):
        assert (await door.ask("GET", "/v1/ping")).status == 200
        assert (await door.ask("GET", "/health")).status == 200


async def test_repeats_and_guesses_under_a_key_are_counted(platform: Any) -> None:
    """An `Idempotency-Key` is no way around the rate limit."""
    door = await platform.gateway(
        limit_free_requests="12", limit_anonymous_requests="10", rate_window_s="600"
    )
    path, acme = "/v1/auth/api-keys", await (await platform.gateway()).register("free")
    order, once = {"name": "made", "scopes": []}, {"idempotency-key": new_id()}
    repeats = [(await door.ask("POST", path, order, acme.bearer | once)).status for _ in range(14)]
    guesses = [
        (await door.ask("POST", path, order, {"x-api-key": f"k{n}"} | once)).status
        for n in range(12)
    ]

    assert (repeats[0], repeats[-1]) == (201, 429)
    assert set(repeats) == {201, 429}
    # The address is shared by every test of this server: some of the ten may be spent.
    assert guesses[-1] == 429
    assert set(guesses) <= {401, 429}
