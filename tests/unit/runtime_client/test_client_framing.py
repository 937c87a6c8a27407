"""What is one response and what is the next: RFC 9112, 6.3, and what goes out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from caas.runtime.calls.client import (
    BadRequestHeadError,
    ClientLimits,
    UpstreamClosedError,
    UpstreamProtocolError,
)
from caas.testing.patience import PATIENCE_S
from caas_observability.setup.tracing import start_server_span

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("method", "response", "status", "body"),
    [
        pytest.param(b"GET", OK, 200, b"ok", id="content-length"),
        pytest.param(
            b"GET",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n"
            b"x-checksum: 900\r\n\r\n",
            200,
            b"abc",
            id="chunked with an extension and a trailer",
        ),
        pytest.param(
            b"HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", 200, b"", id="head"
        ),
        pytest.param(
            b"HEAD",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            200,
            b"",
            id="head of a chunked resource",
        ),
        pytest.param(b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", id="204"),
        pytest.param(
            b"GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b"", id="304"
        ),
        pytest.param(b"GET", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok", id="100 first"),
        pytest.param(
            b"GET",
            b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + OK,
            200,
            b"ok",
            id="103 first",
        ),
        pytest.param(b"GET", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b"", id="empty"),
    ],
)
async def test_a_response_ends_where_it_ends(
    scripted: Any, method: bytes, response: bytes, status: int, body: bytes
) -> None:
    """The next request on the same connection meets the next response, not a leftover."""
    client = await scripted.play(scripted.answering(response, OK))

    got = await client.fetch(method, b"/a")
    after = await client.fetch(b"GET", b"/b")

    assert (got.status, got.body) == (status, body)
    assert (after.status, after.body) == (200, b"ok")
    assert scripted.server.connections == 1


async def test_every_split_of_a_response_gives_the_same_result(scripted: Any) -> None:
    """TCP may cut anywhere; here it cuts after every byte in turn."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
    response = head + b"3\r\nabc\r\n0\r\nt: u\r\n\r\n"

    async def script(peer: Any) -> None:
        for cut in range(1, len(response)):
            await peer.request()
            await peer.send(response[:cut])
            await asyncio.sleep(0)
            await peer.send(response[cut:])

    client = await scripted.play(script)
    for _ in range(1, len(response)):
        got = await client.fetch(b"GET", b"/")
        assert (got.status, got.body) == (200, b"abc")
        assert (b"x-a", b"1") in got.headers


async def test_without_framing_the_close_ends_the_body(scripted: Any) -> None:
    """A body that lasts until the close is whole, and its connection is not kept."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf and ")
        await peer.send(b"half")
        peer.close()

    client = await scripted.play(script)

    assert (await client.fetch(b"GET", b"/")).body == b"half and half"
    assert (await client.fetch(b"GET", b"/")).body == b"half and half"
    assert scripted.server.connections == 2


async def test_connection_close_is_obeyed(scripted: Any) -> None:
    """`connection: close` means one response for this connection."""
    closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    client = await scripted.play(scripted.answering(closing))

    await client.fetch(b"GET", b"/")
    await client.fetch(b"GET", b"/")

    assert scripted.server.connections == 2


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(OK + b"HTTP/1.1 200 OK\r\n", id="a second response"),
        pytest.param(OK + b"x", id="one byte more"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
            id="two lengths",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            id="length and chunked",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", id="bad chunk"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", id="not http"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", id="101"),
        pytest.param(b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", id="no colon"),
    ],
)
async def test_ambiguous_bytes_are_an_error_not_a_guess(scripted: Any, response: bytes) -> None:
    """A peer out of step may carry somebody else's response: refuse, and close."""
    client = await scripted.play(scripted.answering(response), scripted.forever())

    with pytest.raises(UpstreamProtocolError):
        await client.fetch(b"GET", b"/")

    assert (await client.fetch(b"GET", b"/")).body == b"ok"
    assert scripted.server.connections == 2


async def test_an_endless_head_is_cut_off(scripted: Any) -> None:
    """One header line that never ends may not fill the memory."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            await peer.send(b"a" * 1024)

    client = await scripted.play(script, limits=ClientLimits(head_bytes_max=8192))

    with pytest.raises(UpstreamProtocolError, match="head over 8192 bytes"):
        await client.fetch(b"GET", b"/")


async def test_many_headers_in_one_piece_are_cut_off(scripted: Any) -> None:
    """The limit holds as well when the whole head comes at once."""
    head = b"HTTP/1.1 200 OK\r\n" + b"x-a: 1\r\n" * 2000 + b"content-length: 0\r\n\r\n"
    client = await scripted.play(scripted.answering(head), limits=ClientLimits(head_bytes_max=8192))

    with pytest.raises(UpstreamProtocolError, match="head over"):
        await client.fetch(b"GET", b"/")


@pytest.mark.parametrize("framing", [b"content-length: 100\r\n", b"transfer-encoding: chunked\r\n"])
async def test_a_body_over_the_limit_is_refused(scripted: Any, framing: bytes) -> None:
    """Whether the size is declared or only found out."""
    body = b"64\r\n" + b"a" * 100 + b"\r\n0\r\n\r\n" if b"chunked" in framing else b"a" * 100
    client = await scripted.play(
        scripted.answering(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body, OK),
        scripted.forever(),
        limits=ClientLimits(body_bytes_max=99),
    )

    with pytest.raises(UpstreamProtocolError, match="over 99 bytes"):
        await client.fetch(b"GET", b"/")

    assert (await client.fetch(b"GET", b"/")).body == b"ok"


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        pytest.param(b"GET", b"/", [(b"x", b"1\r\nevil: 1")], id="header value"),
        pytest.param(b"GET", b"/", [(b"x\r\ny", b"1")], id="header name"),
        pytest.param(b"GET", b"/ HTTP/1.1\r\nevil: 1", [], id="target"),
        pytest.param(b"GET /x", b"/", [], id="method"),
        pytest.param(b"GET", b"/", [(b"x", b"1\n")], id="bare newline"),
        pytest.param(b"GET", b"/", [(b"x", b"\0")], id="nul"),
    ],
)
async def test_line_breaks_never_reach_the_wire(
    scripted: Any, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """Request splitting is refused before anything is sent."""
    client = await scripted.play(scripted.forever())

    with pytest.raises(BadRequestHeadError):
        await client.fetch(method, target, headers)

    assert scripted.server.connections == 0


async def test_a_body_of_pieces_is_chunked_or_declared(scripted: Any) -> None:
    """Unknown size: chunked; known size: content-length and no chunk framing."""
    seen: list[tuple[dict[str, str], bytes]] = []

    async def script(peer: Any) -> None:
        while True:
            _, headers, body = await peer.request()
            seen.append((headers, body))
            await peer.send(OK)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    client = await scripted.play(script)
    for length in (None, 7):
        response = await client.request(b"POST", b"/", body=pieces(), content_length=length)
        assert await response.read() == b"ok"

    (first, chunked), (second, declared) = seen
    assert (first["transfer-encoding"], chunked) == ("chunked", b"one two")
    assert "transfer-encoding" not in second
    assert (second["content-length"], declared) == ("7", b"one two")
    assert scripted.server.connections == 1


async def test_context_and_what_is_left_of_the_time_travel_along(scripted: Any) -> None:
    """The peer learns the trace, the correlation id and the remaining budget."""
    seen: dict[str, str] = {}

    async def script(peer: Any) -> None:
        _, headers, _ = await peer.request()
        seen.update(headers)
        await peer.send(OK)

    client = await scripted.play(script)
    traceparent = f"00-{'a' * 32}-{'b' * 16}-00"
    with start_server_span(
        "GET", correlation_id="corr-1", traceparent=traceparent, tracestate="vendor=1"
    ):
        await client.fetch(b"GET", b"/", timeout_s=PATIENCE_S)

    assert seen["traceparent"] == traceparent
    assert seen["tracestate"] == "vendor=1"
    assert seen["x-correlation-id"] == "corr-1"
    assert 0 < int(seen["x-caas-deadline-ms"]) <= PATIENCE_S * 1000


async def test_a_cut_body_is_an_error_after_what_came(scripted: Any) -> None:
    """A reader of pieces gets those that came, then the truth."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        peer.close()

    client = await scripted.play(script)
    response = await client.request(b"GET", b"/")

    assert await response.chunk() == b"half"
    with pytest.raises(UpstreamClosedError):
        await response.chunk()
