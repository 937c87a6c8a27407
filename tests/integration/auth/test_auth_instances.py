"""Two real instances on one database: races, revocation, rotation of keys."""

import asyncio
from time import monotonic
from typing import Any

import pytest

from caas.kernel.clock import SystemClock, rfc3339
from caas.kernel.ids import new_id
from caas.runtime.data.redis import open_redis
from caas.runtime.identity.revocation import RevocationFeed, RevocationLog
from caas.testing.auth.instance import PASSWORD, Answer, Instance, token_part
from caas.testing.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

HEARD_WITHIN_S = 1.0


async def _refused_soon(instance: Instance, token: str) -> Answer:
    """Ask until the token is refused; nobody who asks more than a second later hears yes.

    What counts is when a question was sent: its answer takes what the machine takes.
    """
    ended_at = monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            asked_at = monotonic()
            answer = await instance.introspect(token)
            if answer.status == 401:
                return answer
            if answer.status == 200:
                assert asked_at <= ended_at + HEARD_WITHIN_S


async def test_fifty_registrations_of_one_address_make_one_tenant(
    first: Instance, second: Instance
) -> None:
    """Half of them at each instance, in two spellings."""
    name = new_id()
    form = {"company_name": "Acme", "password": PASSWORD, "plan": "free"}
    emails = (f"admin-{name}@example.com", f"ADMIN-{name}@Example.com")
    answers = await asyncio.gather(
        *(
            (first, second)[n % 2].post("/client/register", form | {"email": emails[n // 2 % 2]})
            for n in range(50)
        )
    )

    statuses = sorted(answer.status for answer in answers)
    assert statuses == [201] + [409] * 49
    refused = {answer.body["error"] for answer in answers if answer.status == 409}
    assert refused == {"Email already registered"}
    [winner] = [answer.body for answer in answers if answer.status == 201]
    assert await first.key_is_live(winner["api_key"])


async def test_hundred_refreshes_leave_one_head(first: Instance, second: Instance) -> None:
    """Half of them at each instance; every answer holds the same pair, and it goes on from it."""
    tenant = await first.register()
    session = await first.session(tenant["api_key"])
    body = {"refresh_token": session["refresh_token"]}
    answers = await asyncio.gather(
        *((first, second)[n % 2].post("/sdk/refresh", body) for n in range(100))
    )

    assert {answer.status for answer in answers} == {200}
    pairs = {(answer.body["access_token"], answer.body["refresh_token"]) for answer in answers}
    [(access, head)] = pairs
    before, after = token_part(session["access_token"], 1), token_part(access, 1)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed <= {"jti", "iat", "exp"}
    assert (await second.post("/sdk/refresh", {"refresh_token": head})).status == 200
    assert (await first.introspect(access)).status == 200


async def test_reuse_of_an_old_refresh_token_ends_the_session_everywhere(
    first: Instance, second: Instance
) -> None:
    """Found out at one instance, refused at the other."""
    tenant = await first.register()
    session = await first.session(tenant["api_key"])
    one = await first.post("/sdk/refresh", {"refresh_token": session["refresh_token"]})
    two = await second.post("/sdk/refresh", {"refresh_token": one.body["refresh_token"]})
    assert (await second.introspect(two.body["access_token"])).status == 200

    replay = await first.post("/sdk/refresh", {"refresh_token": session["refresh_token"]})

    assert (replay.status, replay.body["error"]) == (401, "Invalid refresh token")
    await _refused_soon(second, two.body["access_token"])
    dead = await second.post("/sdk/refresh", {"refresh_token": two.body["refresh_token"]})
    assert dead.status == 401


async def test_logout_at_one_instance_is_heard_at_the_other_within_a_second(
    first: Instance, second: Instance
) -> None:
    """The other had verified the token before and remembers it."""
    tenant = await first.register()
    gone, stays = [await first.session(tenant["api_key"]) for _ in range(2)]
    for session in (gone, stays):
        assert (await second.introspect(session["access_token"])).status == 200

    logout = await first.post("/sdk/logout", token=gone["access_token"])

    assert (logout.status, logout.body) == (200, {"message": "Logged out successfully"})
    refused = await _refused_soon(second, gone["access_token"])
    assert (refused.status, refused.body["valid"]) == (401, False)
    assert refused.body["error"] == "Session invalid"
    public = await second.post("/validate", {"token": gone["access_token"]})
    assert (public.status, public.body["error"]) == (401, "Session invalid")
    again = await second.post("/sdk/logout", token=gone["access_token"])
    assert again.status == 401
    assert (await second.introspect(stays["access_token"])).status == 200


async def test_any_service_hears_of_a_revocation(first: Instance, redis_url: str) -> None:
    """A feed of its own, as the gateway has one, applies it and knows how fresh it is."""
    tenant = await first.register()
    session = await first.session(tenant["api_key"])
    redis = open_redis(redis_url, client_name="listener")
    log, heard = RevocationLog(), asyncio.Event()
    feed = RevocationFeed(redis, log)
    await feed.start()
    assert await feed.wait_live(PATIENCE_S)
    feed.subscribe(lambda _: heard.set())
    assert not await _is_revoked(log, session)

    await first.post("/sdk/logout", token=session["access_token"])

    async with asyncio.timeout(PATIENCE_S):
        while not await _is_revoked(log, session):
            heard.clear()
            await heard.wait()
    late = RevocationLog()
    late_feed = RevocationFeed(redis, late)
    await late_feed.start()
    assert await late_feed.wait_live(PATIENCE_S)
    assert await _is_revoked(late, session)  # who starts later learns of it too
    for one in (feed, late_feed):
        await one.stop()
    await redis.aclose()


async def _is_revoked(log: RevocationLog, session: dict[str, Any]) -> bool:
    """Ask a log whose process may just have paused."""
    await log.known()
    return log.is_revoked(session["session_id"])


@pytest.mark.parametrize(
    ("path", "ended"),
    [("/api/v1/sessions/others", {1, 2}), ("/api/v1/sessions/all", {0, 1, 2})],
)
async def test_ending_many_sessions_is_heard_at_the_other(
    first: Instance, second: Instance, path: str, ended: set[int]
) -> None:
    """Exactly the named ones of exactly this user."""
    tenant = await first.register()
    mine = [await first.session(tenant["api_key"]) for _ in range(3)]
    bob = await first.session(tenant["api_key"], "bob")
    for session in (*mine, bob):
        assert (await second.introspect(session["access_token"])).status == 200

    answer = await first.send("DELETE", path, token=mine[0]["access_token"])

    assert (answer.status, answer.body["revoked"]) == (200, len(ended))
    for number in ended:
        await _refused_soon(second, mine[number]["access_token"])
    for number in {0, 1, 2} - ended:
        assert (await second.introspect(mine[number]["access_token"])).status == 200
    assert (await second.introspect(bob["access_token"])).status == 200


async def test_promotion_kills_the_old_key_at_the_other_at_once(
    first: Instance, second: Instance
) -> None:
    """No instance remembers a key that it saw alive."""
    tenant = await first.register()
    account = {"client_id": tenant["client_id"]}
    rotated = await first.post("/client/api-keys/rotate", account, service=True)
    fresh = rotated.body["secondary_key"]
    for instance in (first, second):
        assert await instance.key_is_live(tenant["api_key"])
        assert await instance.key_is_live(fresh)

    promoted = await first.post("/client/api-keys/promote", account, service=True)

    assert promoted.status == 200
    for instance in (second, first):
        assert not await instance.key_is_live(tenant["api_key"])
        assert await instance.key_is_live(fresh)


async def test_whitelist_change_binds_the_next_call_at_the_other(
    first: Instance, second: Instance
) -> None:
    """At the key check and at session opening alike."""
    tenant = await first.register()
    entry = {"client_id": tenant["client_id"], "ip": "192.0.2.0/24"}
    added = await first.post("/client/ip-whitelist", entry, service=True)
    assert added.status == 201

    assert not await second.key_is_live(tenant["api_key"])
    for address, status in (("192.0.2.9", 200), ("::ffff:192.0.2.9", 200), ("192.0.3.9", 403)):
        opened = await second.post(
            "/sdk/session",
            {"user_external_id": "alice"},
            service=True,
            headers={"x-api-key": tenant["api_key"], "x-forwarded-for": address},
        )
        assert opened.status == status, opened.text
    claimed = await second.post(
        "/sdk/session",
        {"user_external_id": "alice"},
        headers={"x-api-key": tenant["api_key"], "x-forwarded-for": "192.0.2.9"},
    )
    assert claimed.status == 403  # an outsider does not choose its address


async def test_signing_key_rotates_under_traffic_without_a_failure(
    first: Instance, second: Instance
) -> None:
    """Every token is good at both instances at all times, whichever key signed it."""
    tenant = await first.register()
    early = await first.session(tenant["api_key"])
    kids: set[str] = set()
    fresh_key = asyncio.Event()
    failures: list[str] = []
    stop = asyncio.Event()

    async def check(answer: Answer) -> Answer:
        if answer.status != 200:
            failures.append(answer.text)
        return answer

    async def traffic(issuer: Instance, verifier: Instance) -> None:
        while not stop.is_set():
            session = await issuer.session(tenant["api_key"], new_id())
            kid = token_part(session["access_token"], 0)["kid"]
            if kid not in kids:
                kids.add(kid)
                fresh_key.set()
            await check(await verifier.introspect(session["access_token"]))
            await check(await verifier.post("/validate", {"token": session["access_token"]}))
            await check(await verifier.introspect(early["access_token"]))
            pair = {"refresh_token": session["refresh_token"]}
            renewed = await check(await verifier.post("/sdk/refresh", pair))
            await check(await issuer.introspect(renewed.body["access_token"]))

    running = [
        asyncio.create_task(traffic(issuer, verifier))
        for issuer, verifier in ((first, second), (second, first))
        for _ in range(2)
    ]
    for rotation in (2, 3):
        rotated = await first.post("/internal/signing-keys/rotate", service=True)
        assert rotated.status == 201, rotated.text
        busy = await second.post("/internal/signing-keys/rotate", service=True)
        assert busy.status == 409 or rfc3339(SystemClock().now_ms()) > rotated.body["activates_at"]
        async with asyncio.timeout(PATIENCE_S):
            while len(kids) < rotation:
                fresh_key.clear()
                await fresh_key.wait()
    stop.set()
    await asyncio.gather(*running)

    assert failures == []
    published = await second.send("GET", "/.well-known/jwks.json")
    assert kids <= {key["kid"] for key in published.body["keys"]}
