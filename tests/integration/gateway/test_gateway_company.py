"""The front door before the real auth service: the seed's gateway cases, made true."""

from typing import Any

import pytest

from caas.kernel.ids import new_id

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

JUNK = ["Bearer junk", "junk", "Basic dTpw", "Bearer " + "a" * 3000, ""]


@pytest.mark.parametrize("authorization", JUNK)
async def test_ping_and_health_do_not_care(door: Any, authorization: str) -> None:
    """Seed cases 1, 11, 75 and 119: the seed answered 404 to a good token."""
    for path in ("/v1/ping", "/health", "/internal/health"):
        answer = await door.ask("GET", path, headers={"authorization": authorization})
        assert answer.status == 200
        assert "x-ratelimit-limit" not in answer.headers


async def test_a_company_sees_and_changes_itself(door: Any) -> None:
    """Seed cases 26 to 29 and 111 to 113."""
    acme = await door.register()
    refused = await door.ask("GET", "/v1/tenant")
    assert (refused.status, refused.body["statusCode"]) == (401, 401)
    assert refused.body["message"] == "Tenant context required"
    assert refused.headers["www-authenticate"] == 'Bearer realm="caas"'

    for path in ("/v1/tenant", "/v1/tenant/"):
        seen = await door.ask("GET", path, headers=acme.bearer)
        assert (seen.status, seen.body["tenant_id"]) == (200, acme.tenant_id)
    changed = await door.ask(
        "PUT",
        "/v1/tenant/settings",
        {"settings": {"locale": "de", "timezone": "Europe/Vienna"}, "company_name": "Acme 2"},
        acme.bearer,
    )
    again = await door.ask("GET", "/v1/tenant", headers=acme.bearer)
    usage = await door.ask("GET", "/v1/tenant/usage", headers=acme.bearer)

    assert changed.status == 200
    assert again.body == changed.body
    assert again.body["settings"]["timezone"] == "Europe/Vienna"
    assert again.body["company_name"] == "Acme 2"
    assert usage.body | {"as_of": ""} == {
        "tenant_id": acme.tenant_id, "users": 1, "active_sessions": 1, "api_keys": 1, "as_of": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"sample", 400),
        (b"\xff\xfe", 400),
        ({}, 400),
        ({"settings": {}}, 400),
        ({"settings": {}, "company_name": "Acme 2"}, 400),
        ({"settings": None, "company_name": "Acme 2"}, 400),
        ({"settings": {"locale": None}}, 400),
        ({"company_name": None}, 400),
        ({"settings": {"colour": "red"}}, 400),
        ({"settings": {"timezone": "Mars"}}, 400),
        ({"settings": {"locale": "en_US"}}, 400),
        ({"company_name": ""}, 400),
        ({"company_name": "x" * 500}, 400),
        ({"settings": {"locale": {"$ne": ""}}}, 400),
    ],
)
async def test_bad_settings(door: Any, body: object, status: int) -> None:
    """Seed case 112, and what else a body can get wrong."""
    acme = await door.register()
    before = await door.ask("GET", "/v1/tenant", headers=acme.bearer)
    answer = await door.ask("PUT", "/v1/tenant/settings", body, acme.bearer)

    assert (answer.status, answer.body["statusCode"]) == (status, status)
    assert (await door.ask("GET", "/v1/tenant", headers=acme.bearer)).body == before.body


async def test_named_keys(door: Any, other: Any) -> None:
    """Seed cases 30, 31, 78 to 80: shown once, scoped, dead when deleted, on every gateway."""
    acme = await door.register()
    made = await door.ask(
        "POST", "/v1/auth/api-keys", {"name": "robot", "scopes": ["read"]}, acme.bearer
    )
    assert made.status == 201
    key = {"x-api-key": made.body["key"]}

    for listed in (
        (await door.ask("GET", "/v1/auth/api-keys", headers=acme.bearer)).body["items"][0],
        (await door.ask("GET", f"/v1/auth/api-keys/{made.body['id']}", headers=key)).body,
    ):
        assert listed["name"] == "robot"
        assert made.body["key"] not in str(listed)
    assert (await other.ask("GET", "/v1/tenant", headers=key)).status == 200
    refused = await other.ask("PUT", "/v1/tenant/settings", {"company_name": "x"}, key)
    assert (refused.status, refused.body["message"]) == (403, "Missing permission: tenant:write")
    gone = await door.ask("DELETE", f"/v1/auth/api-keys/{made.body['id']}", headers=acme.bearer)
    assert (gone.status, gone.text) == (204, b"")
    assert (await other.ask("GET", "/v1/tenant", headers=key)).status == 401


@pytest.mark.parametrize("scopes", [["sdk:session:create"], ["read", "sdk:session:logout"]])
async def test_no_key_is_mightier_than_its_maker(door: Any, scopes: list[str]) -> None:
    """A user's session can't make a key that opens sessions."""
    acme = await door.register()
    body = {"name": "x", "scopes": scopes}
    refused = await door.ask("POST", "/v1/auth/api-keys", body, acme.bearer)

    assert refused.status == 403
    listed = await door.ask("GET", "/v1/auth/api-keys", headers=acme.bearer)
    assert listed.body["items"] == []


async def test_administration_can_be_reserved(door: Any) -> None:
    """`members_can_administer: false`, set by a member, undone by the administrator alone."""
    email = "admin-" + (await door.register()).tenant_id + "@e2etest.com"
    password = "Test1234!@#$"
    made = await door.ask(
        "POST",
        "/v1/client/register",
        {"company_name": "B", "email": email, "password": password},
    )
    opened = await door.ask(
        "POST", "/v1/sdk/session", {"user_external_id": "u"}, {"x-api-key": made.body["api_key"]}
    )
    login = await door.ask("POST", "/v1/client/login", {"email": email, "password": password})
    member = {"authorization": f"Bearer {opened.body['access_token']}"}
    admin = {"authorization": f"Bearer {login.body['access_token']}"}
    path, reserve = "/v1/tenant/settings", {"settings": {"members_can_administer": False}}
    statuses = [
        (await door.ask("PUT", path, reserve, member)).status,
        (await door.ask("PUT", path, {"company_name": "C"}, member)).status,
        (await door.ask("GET", "/v1/tenant", headers=member)).status,
        (await door.ask("PUT", path, {"company_name": "C"}, admin)).status,
    ]

    assert statuses == [200, 403, 200, 200]


async def test_a_members_key_is_bound_by_a_later_reservation(door: Any, other: Any) -> None:
    """Not by deleting it: what it may do is decided at each use, at every gateway."""
    email, password = f"{new_id()}@e2etest.com", "Test1234!@#$"
    made = await door.ask(
        "POST", "/v1/client/register", {"company_name": "B", "email": email, "password": password}
    )
    opened = await door.ask(
        "POST", "/v1/sdk/session", {"user_external_id": "u"}, {"x-api-key": made.body["api_key"]}
    )
    login = await door.ask("POST", "/v1/client/login", {"email": email, "password": password})
    member = {"authorization": f"Bearer {opened.body['access_token']}"}
    admin = {"authorization": f"Bearer {login.body['access_token']}"}

    async def make_key(maker: dict[str, str]) -> dict[str, str]:
        scopes = ["tenant:read", "tenant:write", "apikey:write"]
        key = await door.ask("POST", "/v1/auth/api-keys", {"name": "k", "scopes": scopes}, maker)
        assert key.status == 201, key.text
        return {"x-api-key": key.body["key"]}

    async def rename(caller: dict[str, str]) -> int:
        body = {"company_name": "C"}
        status: int = (await other.ask("PUT", "/v1/tenant/settings", body, caller)).status
        return status

    members = await make_key(member)
    keys_key, admins = await make_key(members), await make_key(admin)
    callers = (members, keys_key, admins, admin)
    before = [await rename(caller) for caller in callers]
    reserve = {"settings": {"members_can_administer": False}}
    assert (await door.ask("PUT", "/v1/tenant/settings", reserve, admin)).status == 200
    after = [await rename(caller) for caller in callers]
    read = await other.ask("GET", "/v1/tenant", headers=members)

    assert (before, after) == ([200] * 4, [403, 403, 200, 200])
    assert read.status == 200


async def test_app_tokens(door: Any) -> None:
    """Seed cases 33 and 34: the registered client's id and secret."""
    acme = await door.register()
    body = {"app_id": acme.client_id, "app_secret": acme.api_secret, "user_external_id": "bob"}
    opened = await door.ask("POST", "/v1/auth/sdk/token", body)
    bearer = {"authorization": f"Bearer {opened.body['access_token']}"}

    assert opened.status == 200
    assert (await door.ask("GET", "/v1/tenant", headers=bearer)).status == 200
    for wrong in ({"app_secret": acme.api_key}, {"app_id": acme.tenant_id}):
        refused = await door.ask("POST", "/v1/auth/sdk/token", body | wrong)
        assert (refused.status, refused.body["message"]) == (401, "Invalid app credentials")


async def test_sessions(door: Any, other: Any) -> None:
    """Seed cases 32, 77 and 81 to 84: list, one, others, all; ended means ended everywhere."""
    acme = await door.register()
    second = await door.ask(
        "POST", "/v1/sdk/session", {"user_external_id": "alice"}, {"x-api-key": acme.api_key}
    )
    second_bearer = {"authorization": f"Bearer {second.body['access_token']}"}
    listed = await door.ask("GET", "/v1/sessions?limit=10", headers=acme.bearer)
    one = await door.ask("GET", f"/v1/sessions/{acme.session_id}", headers=acme.bearer)
    assert {s["session_id"] for s in listed.body["sessions"]} == {
        acme.session_id,
        second.body["session_id"],
    }
    assert one.body["is_current"] is True

    ended = await door.ask("DELETE", "/v1/sessions/others", headers=acme.bearer)
    assert (ended.status, ended.body["revoked"]) == (200, 1)
    assert await _refused_soon(other, second_bearer)
    out = await door.ask("POST", "/v1/auth/logout", headers=acme.bearer)
    assert out.status == 200
    assert await _refused_soon(other, acme.bearer)


async def _refused_soon(door: Any, headers: dict[str, str]) -> bool:
    """Ask until the revocation has arrived; the issue allows it a second."""
    for _ in range(200):
        if (await door.ask("GET", "/v1/tenant", headers=headers)).status == 401:
            return True
    return False


async def test_logout_reads_its_optional_body(door: Any) -> None:
    """Seed case 77 sent `sample`; nothing is ended then."""
    acme = await door.register()
    for body in (b"sample", {"session_id": "x"}):
        assert (await door.ask("POST", "/v1/auth/logout", body, acme.bearer)).status == 400
    assert (await door.ask("GET", "/v1/tenant", headers=acme.bearer)).status == 200

    assert (await door.ask("POST", "/v1/auth/logout", {}, acme.bearer)).status == 200


async def test_nothing_of_another_tenant_can_be_told_from_nothing(door: Any) -> None:
    """Status, body and headers of B's answer for A's things and for things that never were."""
    a, b = await door.register(), await door.register()
    made = await door.ask("POST", "/v1/auth/api-keys", {"name": "k", "scopes": ["read"]}, a.bearer)
    assert made.status == 201
    missing = "11111111-2222-4333-8444-555555555555"
    for method, path, mine in (
        ("GET", "/v1/auth/api-keys/", made.body["id"]),
        ("DELETE", "/v1/auth/api-keys/", made.body["id"]),
        ("GET", "/v1/sessions/", a.session_id),
        ("DELETE", "/v1/sessions/", a.session_id),
    ):
        foreign = await door.ask(method, path + mine, headers=b.bearer)
        unknown = await door.ask(method, path + missing, headers=b.bearer)
        assert foreign.status == 404
        assert foreign.text == unknown.text
        assert foreign.headers.keys() == unknown.headers.keys()
    forged = {"x-tenant-id": a.tenant_id, "x-user-id": "admin", "x-caas-tenant": a.tenant_id}
    seen = await door.ask("GET", "/v1/tenant", headers=b.bearer | forged)

    assert seen.body["tenant_id"] == b.tenant_id
    for path in (f"/v1/auth/api-keys/{made.body['id']}", f"/v1/sessions/{a.session_id}"):
        assert (await door.ask("GET", path, headers=a.bearer)).status == 200


async def test_creating_twice_with_one_idempotency_key_is_once(door: Any) -> None:
    """A repeat gets the same secret, whichever service makes it."""
    acme = await door.register()
    key = {"idempotency-key": "k-1"}
    body = {"name": "once", "scopes": ["read"]}
    made = [
        (await door.ask("POST", "/v1/auth/api-keys", body, acme.bearer | key)).body["key"]
        for _ in range(2)
    ]
    registration = {
        "company_name": "X",
        "email": f"{acme.tenant_id}@x.com",
        "password": "Aa1!xyzw90",
    }
    registered = [
        await door.ask("POST", "/v1/client/register", registration, key) for _ in range(2)
    ]
    listed = await door.ask("GET", "/v1/auth/api-keys", headers=acme.bearer)

    assert made[0] == made[1]
    assert [r.status for r in registered] == [201, 201]
    assert registered[0].body == registered[1].body
    assert len(listed.body["items"]) == 1


async def test_the_document_is_true_and_stable(door: Any, other: Any) -> None:
    """OpenAPI 3.1, equal bytes on two instances, every passed-on path in it."""
    doors = [door, other]
    texts = [(await door.ask("GET", "/documentation/json")).text for door in doors]
    document = (await doors[0].ask("GET", "/documentation/json")).body

    assert texts[0] == texts[1]
    assert document["openapi"].startswith("3.1")
    for path in ("/v1/ping", "/v1/tenant", "/v1/sessions/{session_id}", "/v1/client/register"):
        assert path in document["paths"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/v1/sessions", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/sessions/x", "DELETE, GET, HEAD, OPTIONS"),
        ("GET", "/v1/sessions/all", "DELETE, OPTIONS"),
        ("GET", "/v1/sessions/others", "DELETE, OPTIONS"),
        ("GET", "/v1/sdk/refresh", "OPTIONS, POST"),
    ],
)
async def test_methods_of_passed_on_paths(door: Any, method: str, path: str, allow: str) -> None:
    """405 and OPTIONS name the same methods; a CORS preflight does as well."""
    refused = await door.ask(method, path)
    options = await door.ask("OPTIONS", path)

    assert (refused.status, refused.headers["allow"]) == (405, allow)
    assert (options.status, options.headers["allow"]) == (204, allow)
