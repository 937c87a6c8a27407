"""What strange servers send is told exactly, however the network cuts it into packets."""

import asyncio
from itertools import pairwise
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_conformance.wire import reader
from caas_conformance.wire.answer import Answer, ExchangeRecord
from caas_conformance.wire.connection import Connection

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TWO = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n"
BEFORE = " came before the answer"
UNTOLD = ("the body ends with the connection: nothing says that it is whole",)
BEHIND = "bytes came behind the end of the answer"
KEPT, CLOSED, RESET = "kept", "closed", "reset"


class Told(NamedTuple):
    """What is known of an exchange at its end."""

    status: int | None = 200
    body: bytes = b"hi"
    error: str = ""
    notes: tuple[str, ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    reusable: bool = True


def broken(
    error: str, status: int | None = 200, body: bytes = b"", notes: tuple[str, ...] = ()
) -> Told:
    """Return what is told of an answer that is not whole, or too much."""
    return Told(status, body, error, notes, reusable=False)


ENDLESS = Told(notes=UNTOLD, reusable=False)


STRANGE: dict[str, tuple[str, bytes, str, Told]] = {
    # the twins: right answers, of which nothing is wrong
    "a length": ("GET", TWO, KEPT, Told()),
    "no reason": ("GET", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", KEPT, Told()),
    "no body": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KEPT, Told(body=b"")),
    "until the end": ("GET", b"HTTP/1.1 200 OK\r\n\r\nhi", CLOSED, ENDLESS),
    "1.0 until the end": ("GET", b"HTTP/1.0 200 OK\r\n\r\nhi", CLOSED, ENDLESS),
    "1.0": ("GET", TWO.replace(b"1.1", b"1.0"), KEPT, Told(reusable=False)),
    "1.0 kept": (
        "GET",
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi",
        KEPT,
        Told(),
    ),
    "closing": (
        "GET",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        CLOSED,
        Told(reusable=False),
    ),
    "head": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", KEPT, Told(body=b"")),
    "head without a length": ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", KEPT, Told(body=b"")),
    "head of chunks": ("HEAD", CHUNKED, KEPT, Told(body=b"")),
    "204": ("GET", NO_CONTENT + b"\r\n", KEPT, Told(204, b"")),
    "304 with a length": (
        "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", KEPT, Told(304, b""),
    ),
    "chunks with extensions": (
        "GET", CHUNKED + b'1;a=b\r\nh\r\n01;c="d"\r\ni\r\n0;e\r\n\r\n', KEPT, Told(),
    ),
    "chunks that hold line ends": (
        "GET", CHUNKED + b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", KEPT, Told(body=b"\r\n0\r\n\r"),
    ),
    "a trailer": (
        "GET",
        CHUNKED + b"2\r\nhi\r\n0\r\nX-Trail: t\r\nX-Frame-Options: DENY\r\n\r\n",
        KEPT,
        Told(trailers=(("X-Trail", "t"), ("X-Frame-Options", "DENY"))),
    ),
    "several announcements": (
        "GET",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Hint: 1\r\n\r\n" + TWO,
        KEPT,
        Told(notes=(f"100 Continue{BEFORE}", f"103 Early Hints{BEFORE}")),
    ),
    "coded": (
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
        KEPT,
        Told(notes=("content-encoding gzip: the body is judged as it came",)),
    ),
    "204 with a length of none": (
        "GET",
        NO_CONTENT + b"Content-Length: 0\r\n\r\n",
        KEPT,
        Told(204, b"", notes=("a 204 that states a length (RFC 9110, 8.6; RFC 9112, 6.1)",)),
    ),
    "101 nobody asked for": (
        "GET",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n\x01\x02",
        KEPT,
        Told(
            101,
            b"",
            notes=("the protocol was switched though nobody asked for it",),
            reusable=False,
        ),
    ),
    # too much
    "two answers": ("GET", TWO + TWO, KEPT, broken(BEHIND, 200, b"hi")),
    "an empty line behind": ("GET", TWO + b"\r\n", KEPT, broken(BEHIND, 200, b"hi")),
    "words behind chunks": (
        "GET", CHUNKED + b"2\r\nhi\r\n0\r\n\r\nEXTRA", KEPT, broken(BEHIND, 200, b"hi"),
    ),
    "words behind the close": (
        "GET",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi!",
        CLOSED,
        broken(BEHIND, 200, b"hi"),
    ),
    "head with a body": (
        "HEAD", TWO, KEPT, broken("the answer to HEAD has bytes behind its head"),
    ),
    "204 with a body": (
        "DELETE",
        NO_CONTENT + b"\r\nhi",
        KEPT,
        broken("a 204 has bytes behind its head", 204),
    ),
    "304 with a body": (
        "GET",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nhi",
        KEPT,
        broken("a 304 has bytes behind its head", 304),
    ),
    "100 with a body": (
        "GET",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nhi" + TWO,
        KEPT,
        broken(
            "not HTTP: the answer begins with no HTTP version",
            None,
            notes=(f"100 Continue{BEFORE}",),
        ),
    ),
    # too little
    "nothing": ("GET", b"", CLOSED, broken("the connection was closed without an answer", None)),
    "a reset": ("GET", b"", RESET, broken("the connection was reset without an answer", None)),
    "half a head": (
        "GET",
        b"HTTP/1.1 200 OK\r\nContent",
        CLOSED,
        broken("the connection was closed in the middle of the head", None),
    ),
    "half a body": (
        "GET",
        TWO[:-1],
        CLOSED,
        broken("the connection was closed in the middle of the body", 200, b"h"),
    ),
    "half a chunk": (
        "GET",
        CHUNKED + b"2\r\nh",
        RESET,
        broken("the connection was reset in the middle of the body", 200, b"h"),
    ),
    "no last chunk": (
        "GET",
        CHUNKED + b"2\r\nhi\r\n",
        CLOSED,
        broken("the connection was closed before the last chunk", 200, b"hi"),
    ),
    "half the trailers": (
        "GET",
        CHUNKED + b"2\r\nhi\r\n0\r\n",
        CLOSED,
        broken("the connection was closed in the middle of the trailers", 200, b"hi"),
    ),
    "reset instead of an end": (
        "GET",
        b"HTTP/1.1 200 OK\r\n\r\nhi",
        RESET,
        broken("the connection was reset in the middle of the body", 200, b"hi", UNTOLD),
    ),
    # neither
    "another protocol": (
        "GET",
        b"SSH-2.0-OpenSSH\r\n",
        KEPT,
        broken("not HTTP: the answer begins with no HTTP version", None),
    ),
    "RTSP": (
        "GET",
        TWO.replace(b"HTTP", b"RTSP"),
        KEPT,
        broken("not HTTP: the answer begins with no HTTP version", None),
    ),
    "an empty line before": (
        "GET",
        b"\r\n" + TWO,
        KEPT,
        broken("not HTTP: the answer begins with no HTTP version", None),
    ),
    "HTTP 2": (
        "GET", TWO.replace(b"1.1", b"2.0"), KEPT,
        broken("not HTTP: version 2.0, status 200", None),
    ),
    "status 99": (
        "GET", TWO.replace(b"200", b"099"), KEPT, broken("not HTTP: version 1.1, status 99", None),
    ),
    "status 600": (
        "GET", TWO.replace(b"200", b"600"), KEPT, broken("not HTTP: version 1.1, status 600", None),
    ),
    "status 1000": (
        "GET",
        TWO.replace(b"200", b"1000"),
        KEPT,
        broken("not HTTP: Invalid response status", None),
    ),
    "chunks in 1.0": (
        "GET",
        CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n",
        KEPT,
        broken("a transfer coding in HTTP/1.0 (RFC 9112, 6.1)"),
    ),
    "a coding besides chunked": (
        "GET",
        CHUNKED.replace(b"chunked", b"gzip, chunked") + b"2\r\nhi\r\n0\r\n\r\n",
        KEPT,
        broken("a transfer coding that nobody asked for: gzip, chunked"),
    ),
}  # fmt: skip
# Bytes that httptools refuses: that they are refused matters, not its words.
REFUSED = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    "one length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    "a length beside chunks": CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
    "bare line feeds": TWO.replace(b"\r\n", b"\n"),
    "a folded header": TWO.replace(b"OK\r\n", b"OK\r\nX-Fold: a\r\n b\r\n"),
    "no colon": TWO.replace(b"OK\r\n", b"OK\r\njust words\r\n"),
    "a space before the colon": TWO.replace(b"OK\r\n", b"OK\r\nX-A : b\r\n"),
    "a zero in a header": TWO.replace(b"OK\r\n", b"OK\r\nX-A: a\0b\r\n"),
    "no size": CHUNKED + b"zz\r\nhi\r\n0\r\n\r\n",
    "a signed size": CHUNKED + b"-2\r\nhi\r\n0\r\n\r\n",
    "a prefixed size": CHUNKED + b"0x2\r\nhi\r\n0\r\n\r\n",
    "too large a size": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\n",
    "a longer chunk": CHUNKED + b"2\r\nhi!\r\n0\r\n\r\n",
    "a size of many zeros": CHUNKED + b"0" * 40 + b"2\r\nhi\r\n0\r\n\r\n",
    "an endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * reader.FRAMING_BYTES_MAX,
    "endless announcements": b"HTTP/1.1 100 x\r\n\r\n" * (reader.FRAMING_BYTES_MAX // 10),
    "an endless extension": CHUNKED + b"2;a=" + b"x" * reader.FRAMING_BYTES_MAX,
    "endless trailers": CHUNKED + b"0\r\n" + b"X: yyyy\r\n" * (reader.FRAMING_BYTES_MAX // 8),
}


class Transport:
    """Takes what is sent, and notes that the connection was closed."""

    def write(self, _: bytes) -> None:
        """Send nothing."""

    def abort(self) -> None:
        """Close nothing."""

    def get_write_buffer_size(self) -> int:
        """Tell that all was sent."""
        return 0


async def _exchanged(method: str, packets: list[bytes], end: str) -> tuple[Answer, Connection]:
    connection = Connection()
    connection.connection_made(cast("asyncio.Transport", Transport()))
    record = ExchangeRecord("x1", protocol="http", service="s", method=method, url="/")
    answer = connection.begin(b"GET / HTTP/1.1\r\n\r\n", record)
    for packet in packets:
        connection.data_received(packet)
    if end != KEPT:
        connection.connection_lost(ConnectionResetError() if end == RESET else None)
    await connection.finished()
    return answer, connection


def told(method: str, packets: list[bytes], end: str) -> Told:
    """Return what is known after an exchange in which *packets* came."""
    answer, connection = asyncio.run(_exchanged(method, packets, end))
    record = answer.exchange
    assert b"".join(record.received) == b"".join(packets)[: len(b"".join(record.received))]
    assert record.received_bytes == sum(map(len, packets))
    return Told(
        answer.status,
        answer.content,
        record.error,
        tuple(record.notes),
        tuple(answer.trailers),
        connection.open and end == KEPT,
    )


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_answer_is_told_as_it_came(name: str) -> None:
    """Its status, its own body, and what is wrong with it; right ones have nothing wrong."""
    method, wire, end, expected = STRANGE[name]
    assert told(method, [wire], end) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_what_breaks_the_syntax_or_never_ends_is_refused(name: str) -> None:
    """It has an error that says so, and its connection is not used again."""
    found = told("GET", [REFUSED[name]], KEPT)
    assert found.error.startswith(("not HTTP: ", "a chunk size of")) or "bytes" in found.error
    assert not found.reusable


@given(st.sampled_from(sorted(STRANGE)), st.lists(st.integers(0, 200), max_size=12))
def test_packets_do_not_matter(name: str, cuts: list[int]) -> None:
    """Nor does it whether what is too much comes with the answer, or later."""
    method, wire, end, expected = STRANGE[name]
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    packets = [wire[a:b] for a, b in pairwise(edges) if b > a]

    assert told(method, packets, end) == expected


@pytest.mark.parametrize("name", [*STRANGE, *(n for n in REFUSED if "endless" not in n)])
def test_single_bytes_do_not_matter(name: str) -> None:
    """One packet a byte gives what one packet gives."""
    method, wire, end = STRANGE[name][:3] if name in STRANGE else ("GET", REFUSED[name], KEPT)
    assert told(method, [bytes([byte]) for byte in wire], end) == told(method, [wire], end)


def test_bytes_before_anything_was_asked_are_an_error() -> None:
    """They are nobody's answer, least of all the next request's."""

    async def greeted() -> Any:
        connection = Connection()
        connection.connection_made(cast("asyncio.Transport", Transport()))
        connection.data_received(TWO)
        record = ExchangeRecord("x1", protocol="http", service="s", method="GET", url="/")
        answer = connection.begin(b"GET / HTTP/1.1\r\n\r\n", record)
        await connection.finished()
        return answer.status, record.error, connection.open

    assert asyncio.run(greeted()) == (None, "bytes came before anything was asked", False)


def test_an_answer_before_the_request_was_sent_is_noted() -> None:
    """It may be right (413), and says that the body was not read."""

    async def early() -> list[str]:
        connection = Connection()
        transport = Transport()
        transport.get_write_buffer_size = lambda: 1  # type: ignore[method-assign]
        connection.connection_made(cast("asyncio.Transport", transport))
        record = ExchangeRecord("x1", protocol="http", service="s", method="PUT", url="/")
        connection.begin(b"PUT / HTTP/1.1\r\n\r\n", record)
        connection.data_received(TWO)
        await connection.finished()
        return record.notes

    assert asyncio.run(early()) == ["answered before the whole request was sent"]


def test_what_a_kept_connection_brings_may_be_another_answers_rest() -> None:
    """Bytes that come after the next request was sent can't be told apart: they are pointed at."""

    async def left_over() -> list[ExchangeRecord]:
        connection = Connection()
        connection.connection_made(cast("asyncio.Transport", Transport()))
        records = []
        for name, came in (("x1", TWO), ("x2", b"left over")):
            record = ExchangeRecord(name, protocol="http", service="s", method="GET", url="/")
            connection.begin(b"GET / HTTP/1.1\r\n\r\n", record)
            connection.data_received(came)
            await connection.finished()
            records.append(record)
        return records

    whole, broken_off = asyncio.run(left_over())
    assert (whole.error, whole.notes) == ("", [])
    assert broken_off.error == "not HTTP: the answer begins with no HTTP version"
    assert broken_off.notes == ["it may be what was left of x1's answer"]
