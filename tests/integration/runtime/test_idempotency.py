"""One effect and one answer for each key, on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar.types import Send

from caas.kernel.errors import UnavailableError
from caas.kernel.ids import new_id
from caas.runtime.data.outages import translate_errors
from caas.runtime.data.redis import Redis, open_redis
from caas.runtime.http import idempotency as module
from caas.runtime.http.fast import FastRequest
from caas.runtime.http.idempotency import Idempotency
from caas.runtime.http.problems import RefusalError
from caas.runtime.identity.peers import PeerTrust
from caas.testing.http.serving import serving
from caas.testing.patience import PATIENCE_S
from caas_observability.setup.tracing import start_server_span

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

SECRET = "platform-secret-of-the-tests"


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Redis]:
    """Give a client of the shared server; keys are random, so tests don't meet."""
    client = open_redis(redis_url, client_name="tests")
    yield client
    await client.aclose()


def request(key: str, body: bytes = b"{}", **headers: str) -> FastRequest:
    """Make a request as the edge would."""
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    with start_server_span("POST") as span:
        pass
    scope = {
        "method": "POST", "path": "/items", "raw_path": b"/items", "query_string": b"",
        "headers": [], "client": ("127.0.0.1", 1), "scheme": "http",
    }  # fmt: skip
    made = FastRequest(
        scope,
        {**fields, b"idempotency-key": key.encode()},
        PeerTrust((), SECRET),
        span,
    )
    made.body = body
    return made


class Route:
    """A route that counts its effects and answers each with another body."""

    def __init__(self, status: int = 201) -> None:
        self.status = status
        self.effects = 0
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, send: Send) -> None:
        """Have an effect and answer."""
        self.effects += 1
        mine = self.effects
        self.started.set()
        await self.go_on.wait()
        headers = [(b"content-type", b"application/json"), (b"x-other", b"1")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"secret-%d" % mine, "more_body": False})


class Answered(list[Any]):
    """Collects what was sent."""

    async def __call__(self, message: Any) -> None:
        """Take one message."""
        self.append(message)

    @property
    def body(self) -> bytes:
        """The body."""
        return b"".join(message.get("body", b"") for message in self)

    @property
    def replayed(self) -> bool:
        """Whether it is marked as a repeat."""
        return (b"idempotency-replayed", b"true") in self[0]["headers"]


async def test_a_hundred_repeats_have_one_effect_and_one_answer(store: Redis) -> None:
    """Side by side, from two instances."""
    key, route = new_id(), Route()
    instances = [Idempotency(store, secret=SECRET), Idempotency(store, secret=SECRET)]
    answers = [Answered() for _ in range(100)]

    await asyncio.gather(
        *(instances[n % 2].serve(request(key), route, answers[n]) for n in range(100))
    )

    assert route.effects == 1
    assert {answer.body for answer in answers} == {b"secret-1"}
    assert {answer[0]["status"] for answer in answers} == {201}
    assert sum(answer.replayed for answer in answers) == 99


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"authorization": "Bearer a"}, {"authorization": "Bearer b"}, id="token"),
        pytest.param({"x_api_key": "a"}, {"x_api_key": "b"}, id="api key"),
        pytest.param({"authorization": "Bearer a"}, {}, id="none"),
    ],
)
async def test_a_key_belongs_to_its_principal(
    store: Redis, first: dict[str, str], second: dict[str, str]
) -> None:
    """Who guesses a key gets nothing of its owner's."""
    key, route, guard = new_id(), Route(), Idempotency(store, secret=SECRET)
    mine, theirs = Answered(), Answered()

    await guard.serve(request(key, b"{}", **first), route, mine)
    await guard.serve(request(key, b"{}", **second), route, theirs)

    assert route.effects == 2
    assert mine.body != theirs.body


async def test_another_body_under_the_same_key_is_422(store: Redis) -> None:
    """Both while the first runs and after it."""
    key, route, guard = new_id(), Route(), Idempotency(store, secret=SECRET)
    route.go_on.clear()
    running = asyncio.create_task(guard.serve(request(key, b"1"), route, Answered()))
    await asyncio.wait_for(route.started.wait(), PATIENCE_S)

    with pytest.raises(RefusalError) as during:
        await guard.serve(request(key, b"2"), route, Answered())
    route.go_on.set()
    await running
    with pytest.raises(RefusalError) as after:
        await guard.serve(request(key, b"2"), route, Answered())

    assert (during.value.status, after.value.status) == (422, 422)
    assert route.effects == 1


async def test_a_repeat_gives_up_waiting_with_409(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting is bounded."""
    monkeypatch.setattr(module, "WAIT_MAX_S", 0.02)
    key, route, guard = new_id(), Route(), Idempotency(store, secret=SECRET)
    route.go_on.clear()
    running = asyncio.create_task(guard.serve(request(key), route, Answered()))
    await asyncio.wait_for(route.started.wait(), PATIENCE_S)

    with pytest.raises(RefusalError) as refused:
        await guard.serve(request(key), route, Answered())
    route.go_on.set()
    await running

    assert refused.value.status == 409


@pytest.mark.parametrize("status", [400, 401, 409, 429, 500, 503])
async def test_a_refusal_frees_the_key(store: Redis, status: int) -> None:
    """It had no effect, so a repeat is judged anew."""
    key, guard = new_id(), Idempotency(store, secret=SECRET)
    refusing, working = Route(status), Route()

    await guard.serve(request(key), refusing, Answered())
    await guard.serve(request(key), working, Answered())

    assert (refusing.effects, working.effects) == (1, 1)


async def test_a_crash_frees_the_key_at_once(store: Redis) -> None:
    """The exception goes on, the key doesn't stay taken."""

    async def crash(_: Send) -> None:
        raise RuntimeError("broken")

    key, route, guard = new_id(), Route(), Idempotency(store, secret=SECRET)
    with pytest.raises(RuntimeError, match="broken"):
        await guard.serve(request(key), crash, Answered())

    await guard.serve(request(key), route, Answered())

    assert route.effects == 1


async def test_a_holder_that_dies_loses_its_key_by_expiry(
    store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody renews the lease of a killed process, and its late answer overwrites nothing."""
    monkeypatch.setattr(module, "LEASE_MS", 50)
    monkeypatch.setattr(module, "LEASE_RENEW_EVERY_S", 60.0)
    key, dead, route = new_id(), Route(), Route()
    guard = Idempotency(store, secret=SECRET)
    dead.go_on.clear()
    late = asyncio.create_task(guard.serve(request(key), dead, Answered()))
    await asyncio.wait_for(dead.started.wait(), PATIENCE_S)

    monkeypatch.undo()
    first, repeat = Answered(), Answered()
    route.effects = 10
    await guard.serve(request(key), route, first)
    dead.go_on.set()
    await late
    await guard.serve(request(key), route, repeat)

    assert (first.body, repeat.body) == (b"secret-11", b"secret-11")


async def test_a_dump_of_the_store_holds_no_secret(store: Redis) -> None:
    """Neither the answer, nor the key, nor a hash that passwords can be tried against."""
    sent = request(new_id(), b'{"password":"hunter2"}')
    key = sent.fields[b"idempotency-key"]
    principal = await module.principal_by_credentials(sent)
    name = module._Seal.derive(principal, sent, key, SECRET.encode()).name

    await Idempotency(store, secret=SECRET).serve(sent, Route(), Answered())

    kept = await store.get(name)
    assert isinstance(kept, bytes)
    dump = name.encode() + kept
    assert all(part not in dump for part in (key, b"secret-1", b"hunter2"))
    assert 0 < await store.ttl(name) <= module.ANSWER_KEPT_S


async def test_another_platform_secret_reads_nothing(store: Redis) -> None:
    """The record's name and its seal depend on the secret."""
    key, route = new_id(), Route()
    await Idempotency(store, secret=SECRET).serve(request(key), route, Answered())

    await Idempotency(store, secret="another-secret").serve(request(key), route, Answered())

    assert route.effects == 2


@pytest.mark.parametrize("key", ["", "a" * 256, "a b", "é", "a\x7f"])
async def test_a_malformed_key_is_refused(store: Redis, key: str) -> None:
    """1 to 255 visible ASCII characters."""
    with pytest.raises(RefusalError) as refused:
        await Idempotency(store, secret=SECRET).serve(request(key), Route(), Answered())

    assert refused.value.status == 400


async def test_without_its_store_nothing_is_done(free_port: int) -> None:
    """503 before the effect: a retry is then safe."""
    client = open_redis(f"redis://127.0.0.1:{free_port}", client_name="tests")
    route = Route()

    with pytest.raises(UnavailableError), translate_errors():
        await Idempotency(client, secret=SECRET).serve(request(new_id()), route, Answered())

    assert route.effects == 0
    await client.aclose()


async def test_through_the_edge(build_app: Any, wire_to: Any, store: Redis) -> None:
    """A declared POST honours the header, with every edge header on the repeat as well."""
    key = new_id().encode()
    headers = b"Content-Type: application/json\r\nIdempotency-Key: %s\r\n"
    app = build_app(running={"idempotency": Idempotency(store, secret=SECRET)})
    async with serving(app) as url:
        wire = wire_to(url)
        answers = await asyncio.gather(
            *(wire.post("/items", b'{"name":"a"}', headers % key) for _ in range(20))
        )
        other = await wire.post("/items", b'{"name":"b"}', headers % key)
        refused = await wire.post("/items", b'{"name":"taken"}', headers % new_id().encode())

    assert {(a.status, a.body) for a in answers} == {(201, b'{"id":"1","name":"a"}')}
    assert {a.header("content-type") for a in answers} == {"application/json"}
    assert len({a.header("x-correlation-id") for a in answers}) == 20
    assert sum(a.header("idempotency-replayed") == "true" for a in answers) == 19
    assert (other.status, refused.status) == (422, 409)
