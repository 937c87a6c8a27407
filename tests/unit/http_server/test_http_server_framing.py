"""What goes over the wire: framing of requests and answers, byte for byte."""

from typing import Any

import pytest

from caas.runtime.server import ServerLimits
from caas.testing.http.raw import Running, echo, reply, run_server

pytestmark = pytest.mark.anyio

CLOSE = b"Connection: close\r\n"


def get(target: bytes = b"/", version: bytes = b"HTTP/1.1", more: bytes = b"") -> bytes:
    """Write a request without a body."""
    return b"GET " + target + b" " + version + b"\r\nHost: a\r\n" + more + b"\r\n"


def post(body: bytes, more: bytes = b"") -> bytes:
    """Write a request with a body of declared length."""
    return b"POST /p HTTP/1.1\r\nHost: a\r\ncontent-length: %d\r\n%b\r\n%b" % (
        len(body),
        more,
        body,
    )


async def test_a_connection_carries_one_request_after_another(echoing: Running) -> None:
    """Each answer has its length and a date."""
    async with echoing.connect() as client:
        for number in range(3):
            body = b"%d" % number
            client.send(post(body))
            head, said = await client.answer(10)
            assert said == b"POST /p |" + body
            assert b"\r\ncontent-length: 10\r\n" in head
            assert b"\r\ndate: " in head
            assert b"connection" not in head


async def test_pipelined_requests_are_answered_in_their_order(echoing: Running) -> None:
    """More of them than are read ahead, in one packet."""
    count = 40
    sent = b"".join(get(b"/%d" % n) for n in range(count - 1)) + get(b"/last", more=CLOSE)

    everything = await echoing.ask(sent)

    places = [everything.index(b"GET /%d |" % n) for n in range(count - 1)]
    assert places == sorted(places)
    assert everything.endswith(b"GET /last |")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        pytest.param(b"/a%20b?x=%20", b"GET /a b x=%20|", id="decoded path, raw query"),
        pytest.param(b"/%C3%A4", "GET /ä |".encode(), id="UTF-8"),
        pytest.param(b"http://other/x?y", b"GET /x y|", id="absolute form"),
        pytest.param(b"http://other", b"GET / |", id="absolute form without a path"),
    ],
)
async def test_targets(echoing: Running, target: bytes, said: bytes) -> None:
    """As an application expects them."""
    assert (await echoing.ask(get(target, more=CLOSE))).endswith(b"\r\n\r\n" + said)


async def test_http_1_0_is_told_what_it_understands() -> None:
    """No chunks; kept open only when it asks, and is told so."""

    async def stream(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"ab", b"cd"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with run_server(stream) as running:
        streamed = await running.ask(get(version=b"HTTP/1.0", more=b"connection: keep-alive\r\n"))
    async with run_server(echo) as running:
        closed = await running.ask(get(version=b"HTTP/1.0"))
        async with running.connect() as client:
            client.send(get(version=b"HTTP/1.0", more=b"connection: keep-alive\r\n"))
            kept = await client.head()

    assert streamed.endswith(b"\r\n\r\nabcd")
    assert b"transfer-encoding" not in streamed
    assert b"\r\nconnection: close\r\n" in closed
    assert b"\r\nconnection: keep-alive\r\n" in kept


async def test_pieces_are_chunked_and_nothing_follows_where_no_body_may() -> None:
    """RFC 9112, section 6.3, case by case."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        status = int(scope["path"][1:])
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": b"d" * 11})

    async with run_server(app) as running:
        chunked = await running.ask(get(b"/200", more=CLOSE))
        for bodiless in (b"GET /204", b"GET /304", b"HEAD /200"):
            answer = await running.ask(bodiless + b" HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
            assert answer.endswith(b"\r\n\r\n"), bodiless
            assert b"transfer-encoding" not in answer
            assert b"content-length" not in answer

    assert chunked.endswith(b"\r\n\r\n3\r\nabc\r\nb\r\n" + b"d" * 11 + b"\r\n0\r\n\r\n")


async def test_chunks_come_in_as_one_body_and_trailers_are_dropped(echoing: Running) -> None:
    """RFC 9110, 6.5.1: a trailer must not become a header."""
    answer = await echoing.ask(
        b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"\r\n"
        b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Admin: yes\r\n\r\n"
    )

    assert answer.endswith(b"POST /p |abcde")


async def test_an_invitation_is_given_when_somebody_wants_the_body() -> None:
    """`Expect: 100-continue`: not for a request that is refused without it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/refused":
            await reply(send, 413, b"")
        else:
            await echo(scope, receive, send)

    expecting = b" HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    async with run_server(app) as running:
        async with running.connect() as client:
            client.send(b"POST /p" + expecting)
            invited = await client.head()
            client.send(b"ok")
            head, body = await client.answer(11)
        refused = await running.ask(b"POST /refused" + expecting)

    assert invited == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"POST /p |ok"
    assert refused.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in refused


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, id="TLS"),
        pytest.param(b"GET /\r\n\r\n", 400, id="HTTP/0.9"),
        pytest.param(get(version=b"HTTP/2.0"), 400, id="HTTP/2.0"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2 preface"),
        pytest.param(b"GET / HTTP/1.1\nHost: a\n\n", 400, id="bare line feeds"),
        pytest.param(get(more=b"X: a\r\n b\r\n"), 400, id="folded"),
        pytest.param(get(more=b"X : a\r\n"), 400, id="space before colon"),
        pytest.param(get(more=b"Content-Length: 1\r\nContent-Length: 2\r\n"), 400, id="lengths"),
        pytest.param(
            post(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n"), 400, id="length and chunks"
        ),
        pytest.param(
            b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            id="chunks in HTTP/1.0",
        ),
        pytest.param(get(b"/" + b"a" * 2_000), 414, id="long target"),
        pytest.param(b"GET /" + b"a" * 4_000, 414, id="target without an end"),
        pytest.param(get(more=b"X: " + b"a" * 2_000 + b"\r\n"), 431, id="long header"),
        pytest.param(get(more=b"X: a\r\n" * 500), 431, id="many headers"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 4_000, 431, id="header without an end"
        ),
    ],
)
async def test_what_is_no_request_is_refused(sent: bytes, status: int) -> None:
    """By the server itself: without a body, and the connection ends."""
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await echo(scope, receive, send)

    async with run_server(app, ServerLimits(head_bytes_max=1_024)) as running:
        answer = await running.ask(sent)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")
    assert seen == []


async def test_requests_before_a_broken_one_are_answered(echoing: Running) -> None:
    """And nothing after it."""
    everything = await echoing.ask(get(b"/1") + get(b"/2") + b"BROKEN\r\n\r\n" + get(b"/3"))

    assert everything.count(b"HTTP/1.1 200 OK") == 2
    assert everything.count(b"HTTP/1.1 400 ") == 1
    assert b"/3" not in everything


async def test_another_protocol_is_not_spoken(echoing: Running) -> None:
    """`Upgrade` is ignored (RFC 9110, 7.8); what follows is not taken for a request."""
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"

    everything = await echoing.ask(get(b"/1", more=upgrade) + get(b"/2"))

    assert everything.count(b"HTTP/1.1 ") == 1
    assert everything.endswith(b"GET /1 |")
    assert b"\r\nconnection: close\r\n" in everything


async def test_a_body_that_breaks_off_can_still_be_answered(echoing: Running) -> None:
    """The application is told of a disconnect, and may say what is wrong."""
    broken = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n"

    answer = await echoing.ask(broken)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"broken")
    assert answer.count(b"HTTP/1.1 ") == 1
