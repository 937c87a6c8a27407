"""The auth API as callers meet it: the seed's words, nothing internal, nothing forgotten."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from caas.auth.app import create_app
from caas.kernel.ids import new_id
from caas.testing.auth.instance import PASSWORD, PEPPER, SECRET, Answer, Instance, token_part
from caas.testing.http.serving import serving

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

HIDDEN = {
    "_id", "id_", "__v", "revision_id", "password_hash", "digest", "secret_digest", "family",
    "head", "generation", "refresh_jti", "purge_at", "unannounced",
}  # fmt: skip
NO_SERVICE = "Authentication failed: Invalid or missing service secret"


def _inside(body: Any) -> set[str]:
    """Return every member name in a body."""
    if isinstance(body, dict):
        return set(body).union(*(_inside(value) for value in body.values()))
    return set().union(*(_inside(value) for value in body)) if isinstance(body, list) else set()


@pytest.fixture
async def tenant(first: Instance) -> dict[str, Any]:
    """Return a fresh company."""
    return await first.register()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"email": "a@example.com", "password": PASSWORD}, "company_name"),
        ({"company_name": "", "email": "a@example.com", "password": PASSWORD}, "company_name"),
        ({"company_name": 42, "email": "a@example.com", "password": PASSWORD}, "company_name"),
        ({"company_name": "A", "email": {"$ne": ""}, "password": PASSWORD}, "email"),
        ({"company_name": "A", "email": "a@", "password": PASSWORD}, "email"),
        ({"company_name": "A", "email": "a@example.com", "password": "x"}, "password"),
        (
            {"company_name": "A", "email": "a@example.com", "password": PASSWORD, "plan": "gold"},
            "plan",
        ),
        (
            {"company_name": "A", "email": "a@example.com", "password": PASSWORD, "role": "root"},
            "role",
        ),
    ],
)
async def test_registration_of_the_wrong_shape_names_the_member(
    first: Instance, body: Any, path: str
) -> None:
    """Unknown members too, so that nobody registers with a chosen role."""
    refused = await first.post("/client/register", body)

    assert refused.status == 400
    assert path in [error["path"] for error in refused.body["errors"]]
    assert PASSWORD not in refused.text


async def test_repeated_registration_with_one_key_has_one_effect(first: Instance) -> None:
    """A client that lost the answer asks again and gets the same credentials."""
    form = {"company_name": "A", "email": f"a-{new_id()}@example.com", "password": PASSWORD}
    headers = {"idempotency-key": new_id()}

    made = await first.post("/client/register", form, headers=headers)
    again = await first.post("/client/register", form, headers=headers)
    other = await first.post("/client/register", form)

    assert (made.status, again.status, other.status) == (201, 201, 409)
    assert made.body == again.body


async def test_errors_are_in_the_seeds_words(first: Instance, tenant: dict[str, Any]) -> None:
    """Cases 18, 21, 24 and 67 to 70."""
    client_id = tenant["client_id"]
    session = await first.post("/sdk/session", {"user_external_id": "should-fail"})
    key = await first.post(
        "/internal/validate-api-key",
        {"api_key": "caas_invalid_key_12345", "ip_address": "127.0.0.1"},
        service=True,
    )
    token = await first.introspect("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.invalid.payload")

    assert (session.status, session.body["error"]) == (
        401,
        "API key is required in x-api-key header",
    )
    assert (key.status, key.body["valid"], key.body["error"]) == (401, False, "Invalid API key")
    assert (token.status, token.body["valid"], token.body["error"]) == (401, False, "Invalid token")
    for method, path, body in (
        ("GET", f"/ip-whitelist?client_id={client_id}", None),
        ("POST", "/ip-whitelist", {"client_id": client_id, "ip": "10.0.0.1"}),
        ("GET", f"/origin-whitelist?client_id={client_id}", None),
        ("POST", "/origin-whitelist", {"client_id": client_id, "origin": "https://e2etest.com"}),
        ("POST", "/api-keys/rotate", {"client_id": client_id}),
        ("POST", "/api-keys/promote", {}),
    ):
        refused = await first.send(method, f"/api/v1/auth/client{path}", body)
        assert (refused.status, refused.body["error"]) == (401, NO_SERVICE)
        assert "www-authenticate" in refused.headers


async def test_internal_routes_look_at_the_secret_before_the_body(first: Instance) -> None:
    """A stranger learns nothing about shapes."""
    for path in ("/internal/validate", "/internal/validate-api-key", "/internal/sdk-token"):
        for headers in ({}, {"x-service-secret": ""}, {"x-service-secret": SECRET + "0"}):
            refused = await first.post(path, {"nonsense": 1}, headers=headers)
            assert (refused.status, refused.body["error"]) == (401, NO_SERVICE)


async def test_administrator_manages_the_own_account_and_no_other(
    first: Instance, tenant: dict[str, Any]
) -> None:
    """Another account is as missing as one that never was."""
    other = await first.register()
    email = (
        await first.send(
            "GET", f"/api/v1/auth/internal/tenants/{tenant['tenant_id']}", service=True
        )
    ).body["email"]
    login = await first.post("/client/login", {"email": email, "password": PASSWORD})
    token = login.body["access_token"]

    own = await first.post("/client/api-keys/rotate", {}, token=token)
    named = await first.post(
        "/client/api-keys/rotate", {"client_id": tenant["client_id"]}, token=token
    )
    foreign = await first.post(
        "/client/api-keys/rotate", {"client_id": other["client_id"]}, token=token
    )
    missing = await first.post("/client/api-keys/rotate", {"client_id": new_id()}, token=token)

    assert (own.status, named.status) == (200, 200)
    assert (foreign.status, foreign.body) == (404, missing.body)
    user = await first.session(tenant["api_key"])
    refused = await first.post("/client/api-keys/rotate", {}, token=user["access_token"])
    assert refused.status == 401


@pytest.mark.parametrize("path", ["/api/v1/sessions/all", "/api/v1/sessions/others"])
async def test_a_fixed_path_has_its_own_methods_only(first: Instance, path: str) -> None:
    """Neither is a session's id, whatever method is asked for."""
    refused = await first.send("GET", path)
    options = await first.send("OPTIONS", path)

    assert (refused.status, refused.headers["allow"]) == (405, "DELETE, OPTIONS")
    assert (options.status, options.headers["allow"]) == (204, "DELETE, OPTIONS")


async def test_nothing_internal_is_in_any_answer(first: Instance, tenant: dict[str, Any]) -> None:
    """No storage id, hash, digest, generation or token id of the session."""
    session = await first.session(tenant["api_key"])
    token = session["access_token"]
    tenant_path = f"/api/v1/auth/internal/tenants/{tenant['tenant_id']}"
    answers: list[Answer] = [
        await first.post("/validate", {"token": token}),
        await first.introspect(token),
        await first.send("GET", "/api/v1/users/profile", token=token),
        await first.send(
            "PUT", "/api/v1/users/profile", {"name": "A", "preferences": {"a": 1}}, token=token
        ),
        await first.send("GET", "/api/v1/sessions", token=token),
        await first.send("GET", f"/api/v1/sessions/{session['session_id']}", token=token),
        await first.send("GET", tenant_path, service=True),
        await first.send("GET", f"{tenant_path}/usage", service=True),
        await first.send("GET", f"{tenant_path}/api-keys", service=True),
        await first.post("/sdk/refresh", {"refresh_token": session["refresh_token"]}),
    ]

    for answer in answers:
        assert answer.status == 200, answer.text
        assert not _inside(answer.body) & HIDDEN
        assert tenant["api_key"] not in answer.text


async def test_sessions_of_others_are_missing_in_the_same_words(
    first: Instance, tenant: dict[str, Any]
) -> None:
    """Of another user and of another tenant; ids that are none likewise."""
    other = await first.register()
    alice = await first.session(tenant["api_key"])
    bob = await first.session(tenant["api_key"], "bob")
    foreign = await first.session(other["api_key"])
    bodies = []
    for session_id in (bob["session_id"], foreign["session_id"], new_id(), "sample-id"):
        for method in ("GET", "DELETE"):
            answer = await first.send(
                method, f"/api/v1/sessions/{session_id}", token=alice["access_token"]
            )
            assert answer.status == 404
            bodies.append(answer.text)

    assert len(set(bodies)) == 1
    for session in (bob, foreign):
        assert (await first.introspect(session["access_token"])).status == 200


async def test_ended_session_is_gone_from_the_list(first: Instance, tenant: dict[str, Any]) -> None:
    """And deleting it again is a 404."""
    sessions = [await first.session(tenant["api_key"]) for _ in range(3)]
    token = sessions[0]["access_token"]
    path = f"/api/v1/sessions/{sessions[1]['session_id']}"

    ended = [(await first.send("DELETE", path, token=token)).status for _ in range(2)]
    listed = await first.send("GET", "/api/v1/sessions", token=token)

    assert ended == [200, 404]
    found = {one["session_id"]: one["is_current"] for one in listed.body["sessions"]}
    assert found == {sessions[0]["session_id"]: True, sessions[2]["session_id"]: False}


async def _narrow_session(first: Instance, tenant: dict[str, Any], *scopes: str) -> dict[str, Any]:
    """Open a session for Alice with a key that holds *scopes* and may open sessions."""
    made = await first.post(
        f"/internal/tenants/{tenant['tenant_id']}/api-keys",
        {
            "name": "kiosk",
            "scopes": ["sdk:session:create", *scopes],
            "created_by": tenant["client_id"],
            "maker_permissions": ["sdk:session:create", *scopes],
        },
        service=True,
    )
    return await first.session(made.body["key"])


async def test_narrow_session_reaches_nothing_of_the_user_but_itself(
    first: Instance, tenant: dict[str, Any]
) -> None:
    """Else every key that opens sessions could sign a user out everywhere and rename them."""
    alice = await first.session(tenant["api_key"])
    narrow = await _narrow_session(first, tenant, "message:read")
    token = narrow["access_token"]
    assert narrow["user"]["user_id"] == alice["user"]["user_id"]
    refused = [
        await first.send(method, path, body, token=token)
        for method, path, body in (
            ("GET", "/api/v1/users/profile", None),
            ("PUT", "/api/v1/users/profile", {"name": "Mallory"}),
            ("PUT", "/api/v1/users/profile", {"nonsense": 1}),
            ("GET", "/api/v1/sessions", None),
            ("GET", f"/api/v1/sessions/{alice['session_id']}", None),
            ("DELETE", f"/api/v1/sessions/{alice['session_id']}", None),
            ("DELETE", f"/api/v1/sessions/{new_id()}", None),
            ("DELETE", "/api/v1/sessions/others", None),
            ("DELETE", "/api/v1/sessions/all", None),
        )
    ]

    assert {(r.status, r.body["type"]) for r in refused} == {
        (403, "urn:caas:error:auth.permission_missing")
    }
    assert (await first.introspect(alice["access_token"])).status == 200
    profile = await first.send("GET", "/api/v1/users/profile", token=alice["access_token"])
    assert profile.body["name"] != "Mallory"
    itself = f"/api/v1/sessions/{narrow['session_id']}"
    assert (await first.post("/validate", {"token": token})).status == 200
    assert (await first.send("GET", itself, token=token)).body["is_current"] is True
    assert (await first.send("DELETE", itself, token=token)).status == 200
    assert (await first.introspect(token)).status == 401


async def test_narrow_session_logs_itself_out_and_refreshes(
    first: Instance, tenant: dict[str, Any]
) -> None:
    """Whatever its permissions: both concern the token in hand alone."""
    narrow = await _narrow_session(first, tenant)

    fresh = await first.post("/sdk/refresh", {"refresh_token": narrow["refresh_token"]})
    assert fresh.status == 200
    out = await first.post("/sdk/logout", token=fresh.body["access_token"])

    assert out.status == 200
    assert (await first.introspect(fresh.body["access_token"])).status == 401


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [("user:read", [200, 403, 200, 403]), ("user:write", [403, 200, 403, 200])],
)
async def test_user_permissions_open_what_they_say(
    first: Instance, tenant: dict[str, Any], scope: str, statuses: list[int]
) -> None:
    """`user:read` shows, `user:write` changes and ends; neither does the other's."""
    token = (await _narrow_session(first, tenant, scope))["access_token"]
    answers = [
        await first.send("GET", "/api/v1/users/profile", token=token),
        await first.send("PUT", "/api/v1/users/profile", {"name": "A"}, token=token),
        await first.send("GET", "/api/v1/sessions", token=token),
        await first.send("DELETE", "/api/v1/sessions/others", token=token),
    ]

    assert [answer.status for answer in answers] == statuses


async def test_wrong_passwords_are_limited_for_the_guesser_only(first: Instance) -> None:
    """429 with `Retry-After`, even for the right password; the owner gets in from elsewhere."""
    email = f"admin-{new_id()}@example.com"
    await first.register(email)

    async def log_in(password: str, address: str) -> Answer:
        return await first.post(
            "/client/login",
            {"email": email, "password": password},
            service=True,
            headers={"x-forwarded-for": address},
        )

    guesses = [(await log_in(f"guess {n}", "203.0.113.5")).status for n in range(7)]
    blocked = await log_in(PASSWORD, "203.0.113.5")

    assert guesses == [401] * 5 + [429] * 2
    assert blocked.status == 429
    assert 1 <= int(blocked.headers["retry-after"]) <= 900
    assert (await log_in(PASSWORD, "198.51.100.5")).status == 200


@pytest.fixture
async def app_client(
    mongodb_url: str, redis_url: str, database: str
) -> AsyncIterator[tuple[Any, aiohttp.ClientSession]]:
    """Serve the app in this process, so that its fast route can be taken away."""
    app = create_app(
        environ={
            "MONGODB_URI": mongodb_url,
            "REDIS_URL": redis_url,
            "CAAS_MONGODB_DATABASE": database,
            "CAAS_SERVICE_SECRET": SECRET,
            "CAAS_KEY_PEPPER": PEPPER,
        }
    )
    async with serving(app) as url, aiohttp.ClientSession(url) as client:
        yield app, client


async def test_fast_token_check_answers_as_the_documented_one(
    app_client: tuple[Any, aiohttp.ClientSession],
) -> None:
    """Case by case the same status and the same body."""
    app, client = app_client
    service = {"x-service-secret": SECRET}
    form = {
        "company_name": "A",
        "email": f"a-{new_id()}@example.com",
        "password": PASSWORD,
    }
    async with client.post("/api/v1/auth/client/register", json=form) as made:
        key = (await made.json())["api_key"]
    sessions = []
    for _ in range(2):
        async with client.post(
            "/api/v1/auth/sdk/session",
            json={"user_external_id": "alice"},
            headers={"x-api-key": key},
        ) as opened:
            sessions.append(await opened.json())
    gone = {"authorization": f"Bearer {sessions[1]['access_token']}"}
    async with client.post("/api/v1/auth/sdk/logout", headers=gone) as left:
        assert left.status == 200
    good, ended = (session["access_token"] for session in sessions)
    claims = token_part(good, 1)
    json = {"content-type": "application/json"}
    requests: list[tuple[dict[str, str], bytes]] = [
        (service | json, msgspec.json.encode({"token": token}))
        for token in (good, ended, sessions[0]["refresh_token"], good + "x", "", "x" * 9000)
    ] + [
        (service | json, body)
        for body in (
            b"{}", b"[]", b"null", b'"x"', b'{"token":1}', b'{"token":null}',
            b'{"token":{"$gt":""}}',
            b'{"token":"a","more":1}', b'{"token":"a"', b"", b"{", b'{"token":"\\ud800"}', b"\xff",
        )
    ] + [
        (json, b"{}"),
        (json | {"x-service-secret": "wrong"}, msgspec.json.encode({"token": good})),
        (service | {"content-type": "text/plain"}, msgspec.json.encode({"token": good})),
    ]  # fmt: skip

    async def answers() -> list[tuple[int, Any]]:
        got = []
        for headers, body in requests * 2:
            async with client.post(
                "/api/v1/auth/internal/validate", data=body, headers=headers
            ) as answer:
                document = await answer.json(content_type=None)
                got.append((answer.status, {k: v for k, v in document.items() if k != "detail"}))
        return got

    fast = await answers()
    app.install({}, {}, None)
    documented = await answers()

    assert fast[0][0] == 200
    assert fast[0][1]["payload"]["session_id"] == claims["session_id"]
    assert [status for status, _ in fast] == [status for status, _ in documented]
    for (_, sent), (_, quick), (_, slow) in zip(requests * 2, fast, documented, strict=True):
        assert not sent or _refusal(quick) == _refusal(slow)


def _refusal(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out the words of a malformed body, which tell where it is malformed or don't."""
    malformed = body.get("type") == "urn:caas:error:malformed_json"
    return {k: v for k, v in body.items() if k != "error"} if malformed else body
