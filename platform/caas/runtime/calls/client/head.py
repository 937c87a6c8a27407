"""Write a request head; the one place where header bytes meet the wire.

A name or value that smuggles a line break is refused here, whatever it went through before
(RFC 9112, 2.2 and 11.1).
"""

from collections.abc import Iterable

from caas.kernel.errors import InvalidInputError

Headers = Iterable[tuple[bytes, bytes]]

# RFC 9110, 9.2.2: a repeated one has the effect of a single one.
IDEMPOTENT_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})


class BadRequestHeadError(InvalidInputError):
    """A method, target or header can't be written without changing the message's framing."""

    code = "bad_request_head"


def encode_head(method: bytes, target: bytes, host: bytes, headers: list[bytes]) -> bytes:
    """Return the head's bytes, blank line included.

    Args:
        method: A token, upper case.
        target: Origin form, `/path?query`, percent-encoded by the caller.
        host: What goes into `host`.
        headers: Complete lines `name: value`, without line ends.

    Raises:
        BadRequestHeadError: some part holds a line break, or the method or target a space.
    """
    head = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b\r\n\r\n" % (
        method,
        target,
        host,
        b"\r\n".join(headers),
    )
    lines = len(headers) + 3
    if (
        head.count(b"\n") != lines
        or head.count(b"\r") != lines
        or b" " in target
        or b" " in method
        or b"\0" in head
    ):
        raise BadRequestHeadError("a header, the method or the target holds a forbidden byte")
    return head
