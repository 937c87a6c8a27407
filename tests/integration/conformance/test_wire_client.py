"""The wire client sends exactly what it is told and keeps exactly what came back."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from caas.testing.patience import PATIENCE_S
from caas_conformance.authoring.context import CaseContext, Environment
from caas_conformance.authoring.polling import WAIT_MAX_S
from caas_conformance.errors import CaseStoppedError, EnvironmentBrokenError
from caas_conformance.testing import Asked, Said, ScriptedService
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.client import Endpoint
from caas_conformance.wire.connection import CAPTURED_BYTES_MAX
from caas_conformance.wire.evidence import MISSING
from caas_conformance.wire.trace_context import AttemptTrace

pytestmark = pytest.mark.anyio


@pytest.fixture
async def t(service: ScriptedService) -> AsyncIterator[CaseContext]:
    """A case's context in front of the scripted service."""
    environment = Environment({service.name: Endpoint(service.name, f"{service.url}/base")})
    context = CaseContext(environment, AttemptTrace("run-12345678", "Z01.01", 1), ())
    yield context
    context.close()


async def test_what_is_sent_is_what_is_captured(t: CaseContext, service: ScriptedService) -> None:
    """The report's raw request is the bytes that the service received."""
    service.route("POST", "/base/things", Said(201, {"id": 1}))
    answer = await t.service("auth-service").post(
        "/things", json={"a": "ü"}, headers={"X-Own": "1"}, query={"q": "a b"}
    )
    record = t.wire.exchanges[0]

    assert answer.status == 201
    assert service.wire_bytes == record.sent
    assert record.sent.startswith(b"POST /base/things?q=a+b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert record.sent.endswith(b"\r\n\r\n" + msgspec.json.encode({"a": "ü"}))
    asked = service.asked[0]
    assert asked.headers["x-own"] == "1"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["traceparent"] == f"00-{t.trace.trace_id}-{record.span_id}-01"
    assert asked.headers["x-correlation-id"] == "12345678.Z01.01.1.x1"


async def test_headers_of_a_case_replace_or_remove_ours(
    t: CaseContext, service: ScriptedService
) -> None:
    """A case that forges a header must not be traced as if it had not."""
    service.route("GET", "/base/", Said(200, {}))
    await t.service("auth-service").get("/", headers={"TraceParent": "nonsense", "accept": None})

    assert service.asked[0].headers["traceparent"] == "nonsense"
    assert "accept" not in service.asked[0].headers
    assert not t.wire.exchanges[0].is_traced


async def test_connections_are_kept_for_the_attempt(
    t: CaseContext, service: ScriptedService
) -> None:
    """Only the first exchange of a kept connection has a time of connecting."""
    service.route("GET", "/base/", Said(200, {}))
    for _ in range(3):
        await t.service("auth-service").get("/")

    assert [bool(x.connected_at) for x in t.wire.exchanges] == [True, False, False]


async def test_parallel_requests_get_their_own_answers(
    t: CaseContext, service: ScriptedService
) -> None:
    """Fifty at once, each answered with what it asked."""
    service.route("POST", "/base/echo", lambda asked: Said(200, asked.json))
    answers = await asyncio.gather(
        *(t.service("auth-service").post("/echo", json={"n": n}) for n in range(50))
    )

    assert [answer.at("n").value for answer in answers] == list(range(50))
    assert [answer.exchange_id for answer in answers] == [f"x{n}" for n in range(1, 51)]


CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\nx-trailer: 1\r\n\r\n'
)
INTERIM = (
    b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    b'HTTP/1.1 200 Fine\r\ncontent-length: 8\r\n\r\n{"a": 1}'
)
UNTIL_CLOSE = b'HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{"a": 1}'


@pytest.mark.parametrize("wire", [CHUNKED, INTERIM, UNTIL_CLOSE])
async def test_every_framing_is_read(t: CaseContext, service: ScriptedService, wire: bytes) -> None:
    """Chunks, informational answers and bodies that end with the connection."""
    service.route("GET", "/base/", Said(wire=wire))
    answer = await t.service("auth-service").get("/")

    assert answer.status == 200
    assert answer.at("a").value == 1
    assert b"".join(t.wire.exchanges[0].received) == wire


async def test_repeated_headers_keep_order_and_case(
    t: CaseContext, service: ScriptedService
) -> None:
    """Two cookies stay two headers."""
    wire = b"HTTP/1.1 204 No Content\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n"
    service.route("GET", "/base/", Said(wire=wire))
    answer = await t.service("auth-service").get("/")

    assert answer.headers == [("Set-Cookie", "a=1"), ("set-cookie", "b=2")]
    assert answer.header("SET-COOKIE").value == "a=1, b=2"


async def test_an_answer_to_head_has_no_body(t: CaseContext, service: ScriptedService) -> None:
    """Its content-length says what GET would send."""
    service.route("HEAD", "/base/", Said(200, {"long": "x" * 50}))
    answer = await t.service("auth-service").head("/")

    assert (answer.status, answer.content) == (200, b"")
    assert answer.header("content-length").value == "61"


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nab",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here",
    ],
)
async def test_a_broken_answer_is_the_platforms_failure(
    t: CaseContext, service: ScriptedService, wire: bytes
) -> None:
    """It is recorded as a failed check, and the case stops."""
    service.route("GET", "/base/", Said(wire=wire))
    with pytest.raises(CaseStoppedError):
        await t.service("auth-service").get("/")

    assert [check.id for check in t.checks] == ["answered-1"]
    assert t.checks[0].failed
    assert t.wire.exchanges[0].error


async def test_no_answer_in_time_is_the_platforms_failure(
    t: CaseContext, service: ScriptedService
) -> None:
    """The wait has a limit, and what it waited for is on record."""
    never = asyncio.Event()

    async def hang(_: Asked) -> Said:
        await never.wait()
        return Said()

    service.route("GET", "/base/", hang)
    with pytest.raises(CaseStoppedError, match="no whole answer within"):
        await t.service("auth-service").get("/", timeout_s=0.05)
    never.set()

    assert t.wire.sut_wait_s >= 0.05


async def test_nobody_listening_is_the_environments_fault() -> None:
    """A refused connection says nothing about behaviour."""
    environment = Environment({"auth-service": Endpoint("auth-service", "http://127.0.0.1:1")})
    context = CaseContext(environment, AttemptTrace("run", "Z01.01", 1), ())
    with pytest.raises(EnvironmentBrokenError, match=r"127\.0\.0\.1:1"):
        await context.service("auth-service").get("/")

    assert context.checks == []


@pytest.mark.parametrize(
    "message",
    [
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nhost: a\r\nx-\xff: \x01\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
async def test_raw_bytes_go_out_unchanged(
    t: CaseContext, service: ScriptedService, message: bytes
) -> None:
    """Malformed on purpose: nothing is added, nothing is mended."""
    await t.raw("auth-service", message)

    assert service.wire_bytes == message
    assert t.wire.exchanges[0].sent == message
    assert t.wire.exchanges[0].protocol == "raw"


HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


async def test_a_kept_connection_that_was_closed_is_replaced(
    t: CaseContext, service: ScriptedService
) -> None:
    """An idempotent request is sent once more, and the exchange says so (RFC 9112, 9.3.1)."""
    service.route("GET", "/base/first", Said(wire=HELLO, after="keep"))
    service.route("*", "/base/", _closes_once(service))
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        await t.service("auth-service").get("/first")
        answer = await t.service("auth-service").request(method, "/")
        record = t.wire.exchanges[-1]

        assert (answer.status, record.error, record.retried) == (200, "", True)
        assert record.notes == [
            "sent again on a fresh connection: the connection was closed without an answer"
        ]
        assert record.connected_at


def _closes_once(service: ScriptedService) -> Callable[[Asked], Said]:
    """Close instead of answering, on each first request for a path and method."""

    def answer(asked: Asked) -> Said:
        times = sum((a.method, a.path) == (asked.method, asked.path) for a in service.asked)
        return Said(wire=b"") if times == 1 else Said(200, {})

    return answer


@pytest.mark.parametrize(("method", "kept"), [("POST", True), ("PATCH", True), ("GET", False)])
async def test_what_may_have_happened_is_not_sent_again(
    t: CaseContext, service: ScriptedService, *, method: str, kept: bool
) -> None:
    """Not what has an effect each time, and nothing that failed on a fresh connection."""
    service.route("GET", "/base/first", Said(wire=HELLO, after="keep"))
    service.route("*", "/base/", _closes_once(service))
    if kept:
        await t.service("auth-service").get("/first")
    with pytest.raises(CaseStoppedError, match="closed without an answer"):
        await t.service("auth-service").request(method, "/")

    assert not t.wire.exchanges[-1].retried
    assert sum(asked.path == "/base/" for asked in service.asked) == 1


async def test_half_an_answer_is_not_asked_for_again(
    t: CaseContext, service: ScriptedService
) -> None:
    """The service had begun to answer: that it broke off is what the case must see."""
    service.route("GET", "/base/first", Said(wire=HELLO, after="keep"))
    service.route("GET", "/base/", Said(wire=HELLO[:-1]))
    await t.service("auth-service").get("/first")
    with pytest.raises(CaseStoppedError, match="in the middle of the body"):
        await t.service("auth-service").get("/")

    assert not t.wire.exchanges[-1].retried


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_second_answer_is_never_the_next_requests(
    t: CaseContext, service: ScriptedService, method: str
) -> None:
    """What comes behind an answer fails its exchange, and goes no further."""
    service.route("*", "/base/two", Said(wire=HELLO + HELLO, after="keep"))
    service.route("GET", "/base/", Said(200, {"own": True}))
    with pytest.raises(CaseStoppedError, match="bytes"):
        await t.service("auth-service").request(method, "/two")
    answer = Answer(t.wire.exchanges[0])

    assert (t.checks[0].id, t.checks[0].failed) == ("answered-1", True)
    assert t.checks[0].assertions[0].actual.startswith("200, but ")
    assert answer.exchange.received == [HELLO + HELLO]


async def test_what_comes_late_fails_the_exchange_it_came_behind(
    t: CaseContext, service: ScriptedService
) -> None:
    """The answer was handed on as whole; then more came, while nothing was asked."""
    more, sent = asyncio.Event(), asyncio.Event()

    async def packets() -> AsyncIterator[bytes]:
        yield HELLO
        await more.wait()
        yield b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
        sent.set()

    service.route("GET", "/base/late", Said(wire=packets(), after="keep"))
    answer = await t.service("auth-service").get("/late")
    assert (answer.status, answer.content) == (200, b"hi")
    more.set()
    await sent.wait()
    await t.wire.settled()
    with pytest.raises(CaseStoppedError, match="check answered-1 failed"):
        await t.service("auth-service").get("/")

    assert t.wire.exchanges[0].error == "bytes came behind the end of the answer"
    assert (answer.status, answer.content) == (200, b"hi")


async def test_a_connection_is_read_up_to_its_end(
    t: CaseContext, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that goes on when the attempt has asked its last is heard, too."""
    monkeypatch.setattr("caas_conformance.wire.client.DRAIN_S", PATIENCE_S)
    nothing_more = asyncio.Event()

    async def packets() -> AsyncIterator[bytes]:
        yield HELLO
        await nothing_more.wait()
        yield b"more"

    service.route("GET", "/base/", Said(wire=packets()))
    await t.service("auth-service").get("/")
    settling = asyncio.ensure_future(t.wire.settled())
    await asyncio.sleep(0)
    nothing_more.set()
    await settling
    t.close()

    assert [(check.id, check.failed) for check in t.checks] == [("answered-1", True)]


REFUSED = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("packets", [[HELLO + REFUSED], [HELLO, REFUSED], [REFUSED, REFUSED]])
async def test_two_answers_to_a_raw_message_are_one_too_many(
    t: CaseContext, service: ScriptedService, packets: list[bytes]
) -> None:
    """A server that serves half of a message and refuses the rest has not refused it."""

    async def sent() -> AsyncIterator[bytes]:
        for packet in packets:
            yield packet

    service.route("GET", "/base/", Said(wire=sent()))
    with pytest.raises(CaseStoppedError, match="bytes came behind"):
        await t.raw("auth-service", b"GET /base/ HTTP/1.1\r\nhost: a\r\n\r\n")


async def test_one_refusal_of_a_raw_message_is_right(
    t: CaseContext, service: ScriptedService
) -> None:
    """The twin: refused once, then closed."""
    service.route("GET", "/base/", Said(wire=REFUSED))
    answer = await t.raw("auth-service", b"GET /base/ HTTP/1.1\r\nhost: a\r\n\r\n")

    assert (answer.status, answer.exchange.error, t.checks) == (400, "", [])


async def test_switching_protocols_is_an_answer(t: CaseContext, service: ScriptedService) -> None:
    """What follows it is no HTTP, and no fault."""
    wire = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n\x00\x01"
    service.route("GET", "/base/", Said(wire=wire, after="keep"))
    answer = await t.service("auth-service").get(
        "/", headers={"upgrade": "x", "connection": "upgrade"}
    )
    raw = await t.raw("auth-service", b"GET /base/ HTTP/1.1\r\nhost: a\r\n\r\n")
    await t.wire.settled()
    t.close()

    assert (answer.status, answer.reason, raw.status) == (101, "Switching Protocols", 101)
    assert not answer.exchange.notes
    assert t.wire.exchanges[1].notes == ["the protocol was switched though nobody asked for it"]
    assert t.checks == []


async def test_a_body_that_ends_in_a_reset_is_broken_off(
    t: CaseContext, service: ScriptedService
) -> None:
    """Without a length only an orderly close says that it is whole."""
    more = asyncio.Event()

    async def packets() -> AsyncIterator[bytes]:
        yield b"HTTP/1.0 200 OK\r\n\r\n{}"
        await more.wait()

    service.route("GET", "/base/", Said(wire=packets(), after="reset"))
    asking = asyncio.ensure_future(t.service("auth-service").get("/"))
    # A reset may overtake what was sent before it.
    while not (t.wire.exchanges and t.wire.exchanges[0].received):  # noqa: ASYNC110
        await asyncio.sleep(0)
    more.set()
    with pytest.raises(CaseStoppedError, match="reset in the middle of the body"):
        await asking


async def test_trailers_are_no_headers(t: CaseContext, service: ScriptedService) -> None:
    """A header that must protect a page protects nothing at its end."""
    wire = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
        b"X-Frame-Options: DENY\r\n\r\n"
    )
    service.route("GET", "/base/", Said(wire=wire))
    answer = await t.service("auth-service").get("/")

    assert answer.header("x-frame-options").value is MISSING
    assert answer.trailer("x-frame-options").value == "DENY"
    assert t.wire.exchanges[0].trailers == [("X-Frame-Options", "DENY")]


async def test_a_peer_that_closes_on_raw_bytes_is_an_answer(
    t: CaseContext, service: ScriptedService
) -> None:
    """Closing is a right way to refuse nonsense, and a check can say so."""
    service.route("GET", "/base/", Said(wire=b""))
    answer = await t.raw("auth-service", b"GET /base/ HTTP/1.1\r\nhost: a\r\n\r\n")

    assert (answer.status, answer.closed) == (None, True)


async def test_capture_is_bounded_and_says_so(t: CaseContext, service: ScriptedService) -> None:
    """The body is whole for the checks; the raw copy for the report is not."""
    service.route("GET", "/base/", Said(200, b"x" * (3 * CAPTURED_BYTES_MAX)))
    answer = await t.service("auth-service").get("/")
    record = t.wire.exchanges[0]

    assert answer.size.value == 3 * CAPTURED_BYTES_MAX
    assert len(b"".join(record.received)) == CAPTURED_BYTES_MAX
    assert record.received_bytes > 3 * CAPTURED_BYTES_MAX


async def test_waiting_for_several_answers_is_counted_once(
    t: CaseContext, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten answers awaited side by side are not ten times the wait."""
    gate, now_s = asyncio.Event(), 100.0
    for module in ("client", "connection"):
        monkeypatch.setattr(f"caas_conformance.wire.{module}.perf_counter", lambda: now_s)

    async def slow(_: Asked) -> Said:
        nonlocal now_s
        if service.in_flight == 10:
            now_s += 3.0
            gate.set()
        await gate.wait()
        return Said(200, {})

    service.route("GET", "/base/", slow)
    await asyncio.gather(*(t.service("auth-service").get("/") for _ in range(10)))

    assert [x.ended_at - x.started_at for x in t.wire.exchanges] == [3.0] * 10
    assert t.wire.sut_wait_s == 3.0


async def test_until_returns_the_last_answer_holding_or_not(
    t: CaseContext, service: ScriptedService
) -> None:
    """What is awaited is checked by the case, not believed."""
    seen = iter(range(100))
    service.route("GET", "/base/", lambda _: Said(200, {"n": next(seen)}))
    holds = await t.until(
        lambda: t.service("auth-service").get("/"),
        lambda a: a.at("n").value == 2,
        within_s=WAIT_MAX_S,
    )
    fails = await t.until(
        lambda: t.service("auth-service").get("/"), lambda _: False, within_s=0.05
    )

    assert holds.at("n").value == 2
    assert fails.at("n").value > 2
