"""Server-sent events are parsed alike, wherever the network cuts the bytes."""

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_conformance.wire import sse
from caas_conformance.wire.sse import EventParser, StreamLimitError

STREAM = (
    "\ufeff: welcome\n\nevent: token\nid: 1\ndata: Hé\ndata:llo\n\n"
    'data: {"a": 1}\r\n\r\nretry: 100\n\nevent: none\n\nid: 7\rdata\r\r'
).encode()
EXPECTED = [
    ("comment", "", "welcome", ""),
    ("event", "token", "Hé\nllo", "1"),
    ("event", "message", '{"a": 1}', "1"),
    ("event", "message", "", "7"),
]


def test_fields_follow_the_standard() -> None:
    """Comments, names, ids that stay, data of several lines, events without data."""
    assert EventParser().feed(STREAM) == EXPECTED


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    """Not even within a character, a line end or the byte order mark."""
    parser = EventParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [event for start, end in pairwise(edges) for event in parser.feed(STREAM[start:end])]

    assert found == EXPECTED


@pytest.mark.parametrize("half", [b"data: x", b"data: x\n", b"event: a\n"])
def test_what_no_blank_line_ends_is_not_dispatched(half: bytes) -> None:
    """A stream that breaks off in the middle of an event has not sent it."""
    assert EventParser().feed(half) == []


def reference(stream: bytes) -> list[tuple[str, str, str, str]]:
    """Read a whole stream as the standard words it (WHATWG HTML, 9.2.6), and comments beside."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _ = re.split("\r\n|\r|\n", text)
    found, name, data, last_id = [], "", "", ""
    for line in lines:
        if line == "":
            if data:
                found.append(("event", name or "message", data.removesuffix("\n"), last_id))
            name = data = ""
        elif line[0] == ":":
            found.append(("comment", "", line[1:].removeprefix(" "), last_id))
        else:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                last_id = value
    return found


PARTS = [b"data", b"id", b"event", b":", b" ", b"x", b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r", b"\0"]
PARTS += ["\u00e9\U0001f600".encode(), b"\xff", b"\xef\xbb\xbf", b"data: x\n\n", b"retry: 1\n"]


@given(st.lists(st.sampled_from(PARTS), max_size=40), st.lists(st.integers(0, 200), max_size=12))
def test_any_stream_in_any_pieces_is_read_as_the_standard_words_it(
    parts: list[bytes], cuts: list[int]
) -> None:
    """Line ends of each kind, marks, broken characters: pieces change nothing."""
    stream = b"".join(parts)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    parser = EventParser()
    found = [event for a, b in pairwise(edges) for event in parser.feed(stream[a:b])]

    assert found == reference(stream)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_line_end_ends_a_line_at_once(end: bytes) -> None:
    """An event is there with its empty line, not with the byte that comes after it."""
    assert EventParser().feed(b"data: x" + end + end) == [("event", "message", "x", "")]


@pytest.mark.parametrize("piece", [b"z" * 65536, b"data: " + b"z" * 65536 + b"\n"])
def test_a_line_and_an_event_have_a_limit(piece: bytes) -> None:
    """A service that never ends its line, or its event, is told so, and stopped."""
    parser = EventParser()
    with pytest.raises(StreamLimitError, match=r"of the stream is over \d+"):
        list(map(parser.feed, [piece] * 100))


def test_what_stays_below_the_limits_may_be_long() -> None:
    """A line of nearly the limit, and as many short events as one likes."""
    line = b"data: " + b"z" * (sse.LINE_BYTES_MAX - 6)
    assert EventParser().feed(line + b"\n\n")[0][2] == "z" * (sse.LINE_BYTES_MAX - 6)
    parser = EventParser()
    for _ in range(5):
        parser.feed(line[: sse.LINE_BYTES_MAX // 2] + b"\n\n")


class CountingPattern:
    """Finds line ends, and counts the bytes that were looked at."""

    def __init__(self) -> None:
        self.bytes = 0
        self.pattern = sse.LINE_END

    def finditer(self, text: bytes, at: int) -> Iterator[re.Match[bytes]]:
        """Search as the pattern does."""
        self.bytes += len(text) - at
        return self.pattern.finditer(text, at)


def test_each_byte_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long line in small pieces costs what its bytes cost, not their square."""
    counting = CountingPattern()
    monkeypatch.setattr(sse, "LINE_END", counting)
    parser, pieces = EventParser(), 10_000
    for _ in range(pieces):
        parser.feed(b"data:xxx")
    found = parser.feed(b"\n\n")

    assert len(found[0][2]) == 8 * pieces - len("data:")
    assert counting.bytes == 8 * pieces + 2
