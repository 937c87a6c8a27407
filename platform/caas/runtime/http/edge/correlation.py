"""Correlation ids: a caller's when it is well-formed, else a fresh one in the form of a UUID."""

import itertools

from caas.kernel.ids import new_id

CORRELATION_ID_MAX_CHARS = 128
CORRELATION_CHARS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_NODE_DIGITS = 12  # of a UUID's last group, hexadecimal


class CorrelationIds:
    """Names the requests of one process; make it after the fork.

    The first 74 random bits are the process's, the last 48 count from a random start: unique
    like a random UUID at a tenth of its price. It names log lines and protects nothing.
    """

    __slots__ = ("_next", "_prefix")

    def __init__(self) -> None:
        start = new_id()
        self._prefix = start[:-_NODE_DIGITS]
        self._next = itertools.count(int(start[-_NODE_DIGITS:], 16)).__next__

    def fresh(self) -> str:
        """Return an id that no other request has."""
        return f"{self._prefix}{self._next() & 0xFFFFFFFFFFFF:012x}"

    def accept(self, given: bytes | None) -> str:
        """Return *given* as text when it is 1 to 128 of `[A-Za-z0-9._-]`, else an empty one."""
        if not given or len(given) > CORRELATION_ID_MAX_CHARS:
            return ""
        return "" if given.translate(None, CORRELATION_CHARS) else given.decode("ascii")
