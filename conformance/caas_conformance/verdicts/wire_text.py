"""Bytes of the wire as text for people, and for those who send them again."""

import re

HEAD_END = b"\r\n\r\n"
_CONTROLS = {n: "".join(f"\\x{byte:02x}" for byte in chr(n).encode())
             for n in (*range(32), *range(127, 160))}  # fmt: skip
_KEPT = {ord("\n"): "\n", ord("\t"): "\t"}
_IN_BODIES = _CONTROLS | _KEPT
_SHOWN = _CONTROLS | _KEPT | {ord("\r"): ""}
_LIKE_AN_ESCAPE = re.compile(rb"\\(?=x[0-9a-f]{2})")


def shown(received: bytes) -> str:
    """Write what is printable as it is, line ends without carriage return, the rest in hex."""
    return received.decode("utf-8", "backslashreplace").translate(_SHOWN)


def exact(sent: bytes) -> str:
    r"""Write a message so that its bytes can be had back.

    Up to the first empty line a line feed stands for CR LF, from there on for itself; `\xHH` is
    one byte wherever it stands; everything else is UTF-8.
    """
    head, end, body = sent.partition(HEAD_END)
    lines = [_literal(line, _CONTROLS) for line in head.split(b"\r\n")]
    return "\n".join(lines) + (f"\n\n{_literal(body, _IN_BODIES)}" if end else "")


def _literal(part: bytes, escapes: dict[int, str]) -> str:
    unlike = _LIKE_AN_ESCAPE.sub(rb"\\x5c", part)
    return unlike.decode("utf-8", "backslashreplace").translate(escapes)
