"""Server-sent events are parsed alike, wherever the network cuts the bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_conformance.wire.sse import EventParser

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
    assert EventParser().feed(STREAM + b"\n") == EXPECTED


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    """Not even within a character, a line end or the byte order mark."""
    parser = EventParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [event for start, end in pairwise(edges) for event in parser.feed(STREAM[start:end])]

    assert found + parser.feed(b"\n") == EXPECTED


@pytest.mark.parametrize("half", [b"data: x", b"data: x\n", b"event: a\n"])
def test_what_no_blank_line_ends_is_not_dispatched(half: bytes) -> None:
    """A stream that breaks off in the middle of an event has not sent it."""
    assert EventParser().feed(half) == []
