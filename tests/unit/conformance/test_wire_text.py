"""The bytes of a request can be had back from what the report shows of it."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from caas_conformance.verdicts.wire_text import exact, shown


def bytes_of(text: str) -> bytes:
    """Read an exact text as its docstring words it."""
    head, end, body = text.partition("\n\n")
    parts = re.split(
        r"(\\x[0-9a-f]{2})", head.replace("\n", "\r\n") + ("\r\n\r\n" + body) * bool(end)
    )
    return b"".join(
        bytes([int(f"0{part[1:]}", 0)]) if n % 2 else part.encode() for n, part in enumerate(parts)
    )


HEADS = st.lists(st.binary(min_size=1).filter(lambda line: b"\r\n" not in line), min_size=1)


@given(HEADS, st.binary())
@example([b"GET / HTTP/1.1", b"a: \\x41"], b"\\x0a\n\r\n\xff\xc2\x85\x00")
def test_what_is_exact_can_be_had_back(lines: list[bytes], body: bytes) -> None:
    """Whatever bytes a case sends; no control character but line feed and tab is left."""
    sent = b"\r\n".join(lines) + b"\r\n\r\n" + body
    text = exact(sent)

    if sent.partition(b"\r\n\r\n")[2] == body:
        assert bytes_of(text) == sent
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


def test_an_answer_is_shown_for_people() -> None:
    """Line ends without their carriage return, what can't be printed in hex."""
    assert shown(b"HTTP/1.1 200 OK\r\nA: \xff\r\n\r\n\x1b[2J") == (
        "HTTP/1.1 200 OK\nA: \\xff\n\n\\x1b[2J"
    )
