"""The little of MongoDB's wire protocol that readiness needs (OP_MSG, one command at a time).

Not pymongo's client, because that starts threads and the supervisor must have none: it forks.
"""

import itertools
import socket
import struct
from typing import Any, Self

import bson

OP_MSG = 2013
HEADER = struct.Struct("<iiii")
SECTION_BODY = b"\x00\x00\x00\x00\x00"  # flag bits, then a section of kind 0
REPLY_SIZE_MAX_BYTES = 48_000_000  # the server's own maxMessageSizeBytes


class MongoConnection:
    """One connection to one server; use as a context manager.

    Raises:
        OSError: The server can't be reached or hung up; also raised by `command`.
    """

    def __init__(self, port: int, *, timeout_s: float) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._ids = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()

    def command(self, document: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Run a command on `admin` and return its reply, `ok` or not."""
        body = SECTION_BODY + bson.encode({**document, "$db": "admin"})
        self._socket.settimeout(timeout_s)
        self._socket.sendall(HEADER.pack(16 + len(body), next(self._ids), 0, OP_MSG) + body)
        size = HEADER.unpack(self._read(HEADER.size))[0]
        if not HEADER.size + len(SECTION_BODY) < size <= REPLY_SIZE_MAX_BYTES:
            raise ConnectionError(f"a reply of {size} bytes is no MongoDB reply")
        reply: dict[str, Any] = bson.decode(self._read(size - HEADER.size)[len(SECTION_BODY) :])
        return reply

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionError("the server closed the connection")
            parts += part
        return bytes(parts)
