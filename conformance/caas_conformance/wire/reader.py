"""Reads one answer out of bytes, cut anywhere, up to its very last byte; does no I/O.

httptools judges the syntax. It is fed no further than one line, chunk or body at a time, so that
it never sees a byte behind an answer: where an answer ends is decided here (RFC 9112, 6.3).
"""

from collections.abc import Callable
from typing import Any

import httptools

from caas_conformance.wire.answer import Answer

BODY_BYTES_MAX = 64 * 1024 * 1024
FRAMING_BYTES_MAX = 256 * 1024
NOTES_MAX = 20
INFORMATIONAL = range(100, 200)
STATUSES = range(100, 600)
SWITCHING = 101
BODILESS = (204, 304)
NO_CONTENT = 204
SIZE_CHARS_MAX = 32
BEHIND = "bytes came behind the end of the answer"
VERSIONS = ("1.0", "1.1")

OnPiece = Callable[[bytes | None], str]


class AnswerReader:
    """Fills an `Answer`; httptools calls the `on_*` methods while it parses.

    Attributes:
        complete: Nothing more belongs to the answer.
        error: What is wrong with it; empty while nothing is.
        reusable: Whether the connection may carry another exchange once it is complete.
    """

    __slots__ = ("_answer", "_chunked", "_framing_bytes", "_interim", "_left", "_line",
                 "_method", "_on_piece", "_parser", "_part", "_pieces", "_size", "complete",
                 "error", "reusable")  # fmt: skip

    def __init__(self, answer: Answer, on_piece: OnPiece | None = None) -> None:
        self.complete = False
        self.error = ""
        self.reusable = False
        self._answer = answer
        self._method = answer.exchange.method
        self._on_piece = on_piece
        self._pieces: list[bytes] = []
        self._size = 0
        self._framing_bytes = 0
        self._chunked = False
        self._begin_head()

    def _begin_head(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._part = "status line"
        self._line = b""
        self._left: int | None = 0
        self._interim = False

    def feed(self, data: bytes) -> int:
        """Take what belongs to the answer; return how many bytes that were."""
        at = 0
        while at < len(data) and not self.complete:
            if self._part != "body":
                end = data.find(b"\n", at) + 1 or len(data)
            else:
                end = len(data) if self._left is None else min(len(data), at + self._left)
            self._take(data[at:end])
            at = end
        return at

    def behind(self) -> None:
        """Note that bytes came which belong to no answer, unless the protocol was switched."""
        status = self._answer.status
        if status == SWITCHING or self.error:
            return
        if self._method == "HEAD":
            self._fail("the answer to HEAD has bytes behind its head")
        elif status in BODILESS:
            self._fail(f"a {status} has bytes behind its head")
        else:
            self._fail(BEHIND)

    def ended(self, *, reset: bool) -> None:
        """End the answer with its connection: only a body without a length ends like that."""
        if self.complete:
            return
        how = "reset" if reset else "closed"
        if self._answer.status is None and not self._framing_bytes:
            self._fail(f"the connection was {how} without an answer")
        elif self._part == "body" and self._left is None and not reset:
            self._end()
        elif self._part == "chunk size":
            self._fail(f"the connection was {how} before the last chunk")
        else:
            part = "head" if self._part in ("status line", "head") else self._part
            self._fail(f"the connection was {how} in the middle of the {part}")

    @property
    def content(self) -> bytes:
        """The body so far; empty when its pieces were handed on."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    # -- parts ------------------------------------------------------------------------------

    def _take(self, part: bytes) -> None:
        if self._part == "body":
            if self._left is not None:
                self._left -= len(part)
        else:
            self._framing_bytes += len(part)
            if self._framing_bytes > FRAMING_BYTES_MAX:
                self._fail(f"{self._part} and what is before it are over {FRAMING_BYTES_MAX} bytes")
                return
            self._line = (self._line + part)[:SIZE_CHARS_MAX]
        if self._part == "status line" and not _begins(self._line, b"HTTP/"):
            self._fail("not HTTP: the answer begins with no HTTP version")
            return
        try:
            self._parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")
        if self._interim:
            self._begin_head()
        elif self._part == "body" and self._left == 0 and self._chunked:
            self._part = "chunk size"
            self._line = b""
        elif self._part == "status line" and part.endswith(b"\n"):
            self._part = "head"

    def on_status(self, status: bytes) -> None:
        """Keep the reason phrase."""
        self._answer.reason += status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header as it came, order and case; behind the last chunk it is a trailer."""
        kept = self._answer.trailers if self._part == "trailers" else self._answer.headers
        kept.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Read the status and decide what follows."""
        answer = self._answer
        status: int = self._parser.get_status_code()
        version = self._parser.get_http_version()
        if version not in VERSIONS or status not in STATUSES:
            self._fail(f"not HTTP: version {version}, status {status}")
        elif status in INFORMATIONAL and status != SWITCHING:
            self._note(f"{status} {answer.reason} came before the answer".replace("  ", " "))
            answer.headers.clear()
            answer.reason = ""
            self._interim = True
        else:
            answer.status = status
            answer.version = version
            self._frame(status, version)
            if self._on_piece is not None:
                self._on_piece(None)

    def _frame(self, status: int, version: str) -> None:
        coding, length = self._joined("transfer-encoding"), self._joined("content-length")
        tokens = {token.strip() for token in self._joined("connection").split(",")}
        keeps = "close" not in tokens and (version == "1.1" or "keep-alive" in tokens)
        if content_coding := self._joined("content-encoding"):
            self._note(f"content-encoding {content_coding}: the body is judged as it came")
        if coding and version == "1.0":
            self._fail("a transfer coding in HTTP/1.0 (RFC 9112, 6.1)")
        elif coding not in ("", "chunked"):
            self._fail(f"a transfer coding that nobody asked for: {coding}")
        elif status == SWITCHING:
            self._end()
        elif self._method == "HEAD" or status in BODILESS:
            if status == NO_CONTENT and (coding or length):
                self._note("a 204 that states a length (RFC 9110, 8.6; RFC 9112, 6.1)")
            self.reusable = keeps
            self._end()
        elif coding:
            self.reusable = keeps
            self._chunked = True
            self._part = "chunk size"
            self._line = b""
        else:
            self.reusable = keeps and length != ""
            self._part = "body"
            self._left = int(length) if length else None
            if not length:
                self._note("the body ends with the connection: nothing says that it is whole")
            if self._left == 0:
                self._end()

    def on_chunk_header(self) -> None:
        """Read the chunk's size, which httptools has checked: its bytes are a body's."""
        digits, end, _ = self._line.partition(b";")
        if not end and not digits.endswith(b"\n"):
            self._fail(f"a chunk size of over {SIZE_CHARS_MAX} characters")
        elif size := int(digits, 16):
            self._part = "body"
            self._left = size + len(b"\r\n")
        else:
            self._part = "trailers"

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, or hand it on."""
        if self.complete:
            return
        self._framing_bytes = 1
        if self._on_piece is not None:
            if error := self._on_piece(body):
                self._fail(error)
            return
        self._size += len(body)
        if self._size > BODY_BYTES_MAX:
            self._fail(f"the body is over {BODY_BYTES_MAX} bytes")
            return
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """End the answer, unless the message was informational."""
        if not self._interim:
            self._end()

    def _joined(self, name: str) -> str:
        return ", ".join(v.strip().lower() for k, v in self._answer.headers if k.lower() == name)

    def _note(self, text: str) -> None:
        if len(self._answer.exchange.notes) < NOTES_MAX:
            self._answer.exchange.notes.append(text)

    def _fail(self, error: str) -> None:
        self.error = self.error or error
        self.reusable = False
        self._end()

    def _end(self) -> None:
        self.complete = True


def _begins(line: bytes, prefix: bytes) -> bool:
    return line[: len(prefix)] == prefix[: len(line)]
