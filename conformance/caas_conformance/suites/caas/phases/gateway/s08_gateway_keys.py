"""S08, API keys: users of a company make named keys for their own programs."""

from typing import Any

from caas_conformance.authoring import TIMESTAMP, UUID, Answer, list_of, nullable, pattern
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Session
from caas_conformance.suites.caas.phases.gateway.s08_gateway_tenant import PHASE, SAMPLE

NAMED_KEY = pattern(r"caas_[a-z]+_[0-9a-f]{64}", "a key with 64 hexadecimal digits")
READ_ONLY = "read"


async def _make(t: CaasContext, session: Session, name: str, *scopes: str) -> Answer:
    answer = await t.gateway.post(
        ops.GATEWAY_KEYS, json={"name": name, "scopes": list(scopes)}, headers=session.bearer
    )
    return ops.keep_secret(t, answer)


@PHASE.case(
    "S08.20",
    "Alice makes an API key",
    proves="A user makes a named key, sees its secret once, and it is accepted at once.",
    requirements=["GW-KEY-01"],
    baseline=[30],
    tags=["apikey"],
)
async def user_makes_a_key(t: CaasContext) -> None:
    """Red when the key is not shown, not accepted, or belongs to no tenant."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    answer = await _make(t, session, "e2e-gateway-key", READ_ONLY)
    with t.check("made", "it is created under its name, with its secret") as check:
        check.status(answer, 201)
        check.matches(
            answer.body,
            {
                "id": UUID,
                "name": "e2e-gateway-key",
                "scopes": [str],
                "key": NAMED_KEY,
                "key_prefix": str,
                "created_at": TIMESTAMP,
            },
        )
    (key,) = t.need(answer, "key")
    validated = await ops.validate_key(t, key)
    with t.check("accepted", "services accept it for that tenant") as check:
        check.status(validated, 200)
        check.equal(validated.at("client.tenant_id"), tenant.tenant_id)
        check.each(validated.at("client.permissions"), pattern(r"\w+:(read|download|query)"))


@PHASE.case(
    "S08.21",
    "The list shows keys and no secrets",
    proves="A company sees exactly its named keys, oldest first, and none of their secrets.",
    requirements=["GW-KEY-04", "GW-KEY-01"],
    baseline=[31, 79],
    tags=["apikey"],
)
async def list_shows_no_secrets(t: CaasContext) -> None:
    """Red when a key is missing, is someone else's, or can be used from the list."""
    tenant = await t.tenants.register()
    other = await (await t.tenants.register()).session("charlie")
    t.given(await _make(t, other, "foreign", READ_ONLY), 201, "make another company's key")
    session = await tenant.session()
    first = await _make(t, session, "first", READ_ONLY)
    second = await _make(t, session, "second", "message:read", "message:write")
    answer = await t.gateway.get(ops.GATEWAY_KEYS, headers=session.bearer)
    with t.check("listed", "both keys, and only they") as check:
        check.status(answer, 200)
        names = answer.at("items").derive("names", lambda items: [i["name"] for i in items])
        check.equal(names, ["first", "second"])
        check.equal(answer.at("items.1.scopes"), ["message:read", "message:write"])
        check.each(
            answer.at("items"),
            {
                "id": UUID,
                "key_prefix": str,
                "created_at": TIMESTAMP,
                "last_used_at": nullable(TIMESTAMP),
            },
        )
    with t.check("no-secrets", "no secret and no hash") as check:
        for made in (first, second):
            (key,) = t.need(made, "key")
            check.lacks(answer.text, key)
        for item in answer.at("items").items():
            check.absent(item, "key", "digest", "hash", "_id")


@PHASE.case(
    "S08.22",
    "A deleted key is gone and dead",
    proves="A user deletes a key: it leaves the list and is refused everywhere.",
    requirements=["GW-KEY-02"],
    baseline=[80],
    tags=["apikey"],
)
async def deleted_key_is_dead(t: CaasContext) -> None:
    """Red when the key is only hidden, or another key dies with it."""
    session = await (await t.tenants.register()).session()
    kept = await _make(t, session, "kept", READ_ONLY)
    doomed = await _make(t, session, "doomed", READ_ONLY)
    kept_key, doomed_key, doomed_id = *t.need(kept, "key"), *t.need(doomed, "key", "id")
    before = await ops.validate_key(t, doomed_key)
    with t.check("alive-before", "it is accepted before") as check:
        check.status(before, 200)
        check.equal(before.at("valid"), expected=True)
    path = f"{ops.GATEWAY_KEYS}/{doomed_id}"
    deleted = await t.gateway.delete(path, headers=session.bearer)
    with t.check("deleted", "the deletion is confirmed") as check:
        check.status(deleted, (200, 204), because="the seed never showed a successful deletion")
    refused = await ops.validate_key(t, doomed_key)
    alive = await ops.validate_key(t, kept_key)
    with t.check("dead", "it is refused, and the other one is not") as check:
        check.problem(
            refused, 401, code="auth.api_key_invalid", valid=False, error="Invalid API key"
        )
        check.status(alive, 200)
        check.equal(alive.at("valid"), expected=True)
    listed = await t.gateway.get(ops.GATEWAY_KEYS, headers=session.bearer)
    again = await t.gateway.delete(path, headers=session.bearer)
    with t.check("gone", "it has left the list and is a 404 from now on") as check:
        check.matches(listed.at("items"), list_of({"name": "kept"}, at_least=1, at_most=1))
        check.problem(again, 404, code="not_found", statusCode=404)


@PHASE.case(
    "S08.23",
    "A key that does not exist is a 404",
    proves="Deleting or reading a key by an id that names nothing is a 404, whatever its form.",
    requirements=["GW-KEY-06"],
    baseline=[80],
    tags=["apikey", "negative"],
)
async def unknown_key_is_404(t: CaasContext) -> None:
    """Red as the seed was, when the 404 is about the tenant and not about the key."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    for name, key_id in (("sample", "sample-id"), ("uuid", ops.UNKNOWN_ID)):
        for method in ("GET", "DELETE"):
            answer = await t.gateway.request(
                method, f"{ops.GATEWAY_KEYS}/{key_id}", headers=session.bearer
            )
            with t.check(f"missing-{name}-{method.lower()}", f"{method} {name} is a 404") as check:
                check.problem(
                    answer, 404, code="not_found", statusCode=404, message="API key not found"
                )
                check.lacks(answer.text, tenant.tenant_id)


@PHASE.case(
    "S08.24",
    "A key never holds more than its maker",
    proves="Neither a user nor a key can make a key that may do more than they may.",
    requirements=["GW-KEY-03"],
    baseline=[30],
    tags=["apikey", "negative", "security"],
)
async def no_more_scopes_than_the_maker(t: CaasContext) -> None:
    """Red when scopes are stored as they are asked for."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    reader = await _make(t, session, "reader", READ_ONLY)
    (read_key,) = t.need(reader, "key")
    limited = await tenant.session("program", api_key=tenant.api_key)
    answer = await _make(t, limited, "too-much", "sdk:session:create")
    with t.check("refused", "a scope that the user does not hold is a 403") as check:
        check.problem(answer, 403, code="forbidden", statusCode=403)
        check.absent(answer, "key", "id")
    validated = await ops.validate_key(t, read_key)
    with t.check("read-only", "the read key writes nothing") as check:
        check.status(validated, 200)
        permissions = validated.at("client.permissions")
        for scope in ("message:write", "apikey:write", "tenant:write", "sdk:session:create"):
            check.lacks(permissions, scope)
    listed = await t.gateway.get(ops.GATEWAY_KEYS, headers=session.bearer)
    with t.check("not-made", "the refused key was not made") as check:
        check.matches(listed.at("items"), list_of({"name": "reader"}, at_least=1, at_most=1))


def _refused_key(
    case_id: str, what: str, options: dict[str, Any], reason: dict[str, Any], baseline: list[int]
) -> None:
    """Make the case that a key asked for with *options* is a 400 for that *reason*."""

    @PHASE.case(
        case_id,
        f"{what} makes no key",
        proves="A malformed request for a key is a 400 and makes nothing.",
        requirements=["GW-KEY-05", "HTTP-01"],
        baseline=baseline,
        tags=["apikey", "negative", "validation"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when a key is made, or the answer is titled as a server error."""
        session = await (await t.tenants.register()).session()
        sent = dict(options)
        sent["headers"] = {**session.bearer, **sent.get("headers", {})}
        answer = ops.keep_secret(t, await t.gateway.post(ops.GATEWAY_KEYS, **sent))
        with t.check("refused", "400 that says what is wrong") as check:
            check.problem(answer, 400, **reason, statusCode=400, title="Bad Request", message=str)
            check.absent(answer, "key")
        listed = await t.gateway.get(ops.GATEWAY_KEYS, headers=session.bearer)
        with t.check("none-made", "the company has no named key") as check:
            check.status(listed, 200)
            check.empty(listed.at("items"))


MALFORMED: tuple[tuple[str, str, dict[str, Any], dict[str, Any], list[int]], ...] = (
    ("S08.25", "A word that is no JSON", SAMPLE, {"code": "malformed_json"}, [78]),
    ("S08.26", "An empty name", {"json": {"name": "", "scopes": ["read"]}},
     ops.breaks("name", "length >= 1"), [30]),
    ("S08.27", "No name", {"json": {"scopes": ["read"]}}, ops.breaks("name", "missing"), [30]),
    ("S08.28", "An unknown scope", {"json": {"name": "x", "scopes": ["everything"]}},
     ops.breaks("scopes[0]", "unknown scope"), [30]),
    ("S08.29", "Scopes that are no list", {"json": {"name": "x", "scopes": "read"}},
     ops.breaks("scopes", "got `str`"), [30]),
    ("S08.30", "A chosen key", {"json": {"name": "x", "scopes": ["read"], "key": "mine"}},
     ops.breaks("key", "unknown field"), [30]),
)  # fmt: skip
for _row in MALFORMED:
    _refused_key(*_row)


@PHASE.case(
    "S08.31",
    "Keys are listed page by page",
    proves="A long list comes in pages; every key is on exactly one of them.",
    requirements=["GW-KEY-07"],
    baseline=[31],
    tags=["apikey", "paging"],
)
async def list_is_paged(t: CaasContext) -> None:
    """Red when a page repeats or skips a key, or the cursor never ends."""
    session = await (await t.tenants.register()).session()
    names = [f"key-{n}" for n in range(5)]
    for name in names:
        t.given(await _make(t, session, name, READ_ONLY), 201, "make a key")
    pages: list[Answer] = []
    cursor: Any = None
    for _ in range(len(names)):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        pages.append(await t.gateway.get(ops.GATEWAY_KEYS, query=query, headers=session.bearer))
        cursor = pages[-1].at("next_cursor").value
        if not isinstance(cursor, str):
            break
    with t.check("pages", "2, 2 and 1 keys, in the order they were made") as check:
        for number, wanted in enumerate((names[:2], names[2:4], names[4:])):
            page = pages[number] if number < len(pages) else pages[-1]
            check.status(page, 200)
            check.equal(page.at("items").derive("names", _names), wanted)
        check.equal(pages[-1].at("next_cursor"), None)


def _names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


@PHASE.case(
    "S08.32",
    "One key is shown without its secret",
    proves="A user looks a key up by its id; another company does not find it.",
    requirements=["GW-KEY-04", "GW-KEY-06"],
    baseline=[31],
    tags=["apikey"],
)
async def one_key_is_shown(t: CaasContext) -> None:
    """Red when the key is not the one asked for, shows its secret, or is found by a stranger."""
    session = await (await t.tenants.register()).session()
    stranger = await (await t.tenants.register()).session("mallory")
    made = await _make(t, session, "looked-up", READ_ONLY)
    key_id, key = t.need(made, "id", "key")
    answer = await t.gateway.get(f"{ops.GATEWAY_KEYS}/{key_id}", headers=session.bearer)
    foreign = await t.gateway.get(f"{ops.GATEWAY_KEYS}/{key_id}", headers=stranger.bearer)
    with t.check("shown", "it is that key, without its secret") as check:
        check.status(answer, 200)
        check.matches(answer.body, {"id": key_id, "name": "looked-up"})
        check.absent(answer, "key")
        check.lacks(answer.text, key)
    with t.check("foreign", "to another company it does not exist") as check:
        check.problem(foreign, 404, code="not_found")
