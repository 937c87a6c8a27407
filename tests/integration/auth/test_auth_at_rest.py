"""What a thief of the database finds: nothing that opens anything. Nor does a reader of logs."""

import base64
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from redis.asyncio import Redis

from caas.kernel.ids import new_id
from caas.runtime.data.mongo import open_mongo
from caas.testing.auth.instance import PASSWORD, PEPPER, SECRET, Instance, start_instance

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def _use_everything(instance: Instance) -> list[str]:
    """Send each secret that there is through the service; return them all."""
    tenant = await instance.register()
    account = {"client_id": tenant["client_id"]}
    login = await instance.post(
        "/client/login",
        {"email": (await _tenant(instance, tenant))["email"], "password": PASSWORD},
    )
    wrong = f"wrong-{new_id()}"
    await instance.post("/client/login", {"email": "nobody@example.com", "password": wrong})
    rotated = await instance.post(
        "/client/api-keys/rotate",
        account,
        service=True,
        headers={"idempotency-key": f"rotate-{tenant['client_id']}"},
    )
    named = await instance.post(
        f"/internal/tenants/{tenant['tenant_id']}/api-keys",
        {"name": "bot", "scopes": ["read"], "created_by": "u", "maker_permissions": ["user:read",
         "conversation:read", "message:read", "media:download", "search:query", "analytics:read",
         "tenant:read", "apikey:read"]},
        service=True,
    )  # fmt: skip
    session = await instance.session(tenant["api_key"])
    renewed = await instance.post("/sdk/refresh", {"refresh_token": session["refresh_token"]})
    by_secret = await instance.post(
        "/internal/sdk-token",
        {
            "app_id": tenant["client_id"],
            "app_secret": tenant["api_secret"],
            "ip_address": "192.0.2.1",
        },
        service=True,
    )
    for answer in (login, named, renewed, by_secret):
        assert answer.status in {200, 201}, answer.text
    await instance.introspect(session["access_token"])
    await instance.key_is_live(named.body["key"])
    await instance.post("/sdk/logout", token=by_secret.body["access_token"])
    tokens = [
        answer[name]
        for answer in (session, renewed.body, by_secret.body)
        for name in ("access_token", "refresh_token")
    ]
    return [
        PASSWORD,
        wrong,
        SECRET,
        PEPPER,
        tenant["api_key"],
        tenant["api_secret"],
        rotated.body["secondary_key"],
        named.body["key"],
        login.body["access_token"],
        *tokens,
    ]


async def _tenant(instance: Instance, tenant: dict[str, Any]) -> dict[str, Any]:
    path = f"/api/v1/auth/internal/tenants/{tenant['tenant_id']}"
    return dict((await instance.send("GET", path, service=True)).body)


def _forms(secret: str) -> Iterator[bytes]:
    """Spell a secret in the ways a store may hold it."""
    yield secret.encode()
    yield secret[::-1].encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")
    if secret.count(".") == 2:
        signature = secret.rpartition(".")[2]
        yield signature.encode()
        yield base64.urlsafe_b64decode(signature + "==")
        return  # a signature may hold a "_" 64 characters before its end, too
    body = secret.rpartition("_")[2]
    if len(body) == 64:
        yield body.encode()
        yield bytes.fromhex(body)
        yield base64.b64encode(bytes.fromhex(body)).rstrip(b"=")


async def test_dump_and_logs_hold_nothing_usable(
    mongodb_url: str, redis_url: str, database: str, tmp_path: Any
) -> None:
    """Every collection as BSON, every Redis key in its raw form, and the service's whole log."""
    instance = await start_instance(mongodb_url, redis_url, database, tmp_path)
    secrets = await _use_everything(instance)
    await instance.stop()

    client = open_mongo(mongodb_url, app_name="dump", traced=False)
    dump: dict[str, bytes] = {}
    for name in await client[database].list_collection_names():
        documents = await client[database][name].find({}).to_list()
        dump[name] = b"".join(bson.encode(document) for document in documents)
    await client.drop_database(database)
    await client.close()
    async with Redis.from_url(redis_url) as redis:
        async for key in redis.scan_iter(count=1000):
            dump[f"redis {key!r}"] = key + (await redis.dump(key) or b"")
    dump["log"] = instance.log.read_bytes()

    assert {"clients", "api_keys", "users", "sessions", "signing_keys"} <= dump.keys()
    assert b"argon2id" in dump["clients"]
    assert b'"event"' in dump["log"]
    found = [
        (place, secret[:12])
        for secret in secrets
        for form in _forms(secret)
        for place, content in dump.items()
        if form in content
    ]
    assert found == []
