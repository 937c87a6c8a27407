"""The wire client sends exactly what it is told and keeps exactly what came back."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from caas_conformance.authoring.context import CaseContext, Environment
from caas_conformance.authoring.polling import WAIT_MAX_S
from caas_conformance.errors import CaseStoppedError, EnvironmentBrokenError
from caas_conformance.testing import Asked, Said, ScriptedService
from caas_conformance.wire.client import Endpoint
from caas_conformance.wire.connection import CAPTURED_BYTES_MAX
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
    assert record.sent.startswith(b"POST /base/things?q=a+b HTTP/1.1\r\nhost: 127.0.0.1:")
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
