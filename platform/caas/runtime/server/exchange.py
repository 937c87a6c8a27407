"""One request and its answer, as the ASGI application sees them.

Source: ASGI specification, "HTTP & WebSocket" 2.4; framing of answers by RFC 9112, section 6.
"""

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Protocol

from caas_observability.setup.logs import get_logger

Headers = Iterable[tuple[bytes, bytes]]

EXTENSION = "caas.exchange"
"""Where the scope's extensions have the `Exchange`, for applications that know it."""

_log = get_logger("caas.server")

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus
}
_BODILESS = frozenset({204, 304})
_FIRST_FINAL = 200
_SMALL_BYTES = 16_384  # up to here head and body are worth a copy, to leave in one packet
_END = {"type": "http.request", "body": b"", "more_body": False}
_GONE = {"type": "http.disconnect"}


Running = dict["Exchange", asyncio.Task[None]]


class AnswerError(RuntimeError):
    """The application broke the protocol: a bug of ours, never the client's doing."""


def encode_block(headers: Headers) -> bytes:
    """Encode headers that many answers have, once; for `Exchange.answer`, which trusts them."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


class Link(Protocol):
    """The connection below, as far as an exchange needs it."""

    @property
    def date_line(self) -> bytes:
        """The `date` header."""
        ...

    drained: asyncio.Future[None] | None
    """Ends when the client has read enough of what was written; None while it keeps up."""

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens when the client is gone."""
        ...

    def read_on(self) -> None:
        """Read more of the body, after a pause."""
        ...

    def ended(self, exchange: "Exchange") -> None:
        """Go on with the next request, or close when `exchange.keep` is not set."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class Exchange:
    """One request and its answer.

    Attributes:
        scope: The ASGI scope.
        keep: Whether the connection may carry another request after this one.
        http_1_0: The client speaks HTTP/1.0: no chunks, and it has to be told of a kept connection.
        head_bytes: How large the head is at most.
        held_bytes: Body bytes that wait for the application.
        complete: The whole request has arrived.
        gone: The client has left.
        broken: The rest of the body can't be understood; an answer is still possible.
        answered: The last byte of the answer was handed over.
    """

    __slots__ = (
        "_chunked", "_chunks", "_given", "_headers", "_invited", "_is_head", "_left", "_link",
        "_status", "_waiter",
        "answered", "broken", "complete", "gone", "head_bytes", "held_bytes", "http_1_0", "keep",
        "scope",
    )  # fmt: skip

    def __init__(
        self,
        link: Link,
        scope: dict[str, Any],
        keep: bool,  # noqa: FBT001
        http_1_0: bool,  # noqa: FBT001
        head_bytes: int = 0,
    ) -> None:
        """Begin; see the class for what the arguments are."""
        self.scope = scope
        self.keep = keep
        self.http_1_0 = http_1_0
        self.head_bytes = head_bytes
        self.held_bytes = 0
        self.complete = False
        self.gone = False
        self.broken = False
        self.answered = False
        self._is_head = scope["method"] == "HEAD"  # applications may run it as a GET
        self._link = link
        self._chunks: list[bytes] = []
        self._given = False  # the end of the body, to the application
        self._invited = False
        self._waiter: asyncio.Future[None] | None = None
        self._status = 0
        self._headers: Headers | None = None  # of an answer whose head waits for its body
        self._chunked = False
        self._left: int | None = None  # bytes that the answer still owes its declared length

    # --- the connection's side --------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Keep a piece of the body for the application."""
        self._chunks.append(data)
        self.held_bytes += len(data)
        self.wake()

    def wake(self) -> None:
        """Let the application look again: a piece, the end, or the client is gone."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def run(self, app: Callable[..., Any], running: Running) -> None:
        """Run the application; whatever it does, the client gets a whole answer or none.

        Args:
            app: The ASGI application.
            running: Holds the exchange until the application ends.
        """
        try:
            await app(self.scope, self.receive, self.send)
            if not self.answered and not self.gone:
                raise AnswerError("the application ended without an answer")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - the connection must not hang for a bug
            _log.error("unanswered request", error=type(error).__name__)
            self._fail()
        except asyncio.CancelledError:
            self._link.abort()
            raise
        finally:
            running.pop(self, None)
            self.wake()
            self.scope = {}  # it holds this exchange: a circle only the collector would find

    def _fail(self) -> None:
        """Say 500 while that is possible; an answer that began is cut off instead."""
        if self.answered or self.gone:
            return
        if self._status and self._headers is None:
            self._link.abort()
            return
        self.refuse(500)

    def refuse(self, status: int) -> None:
        """Answer without the application, with an empty body, and close."""
        self.keep = False
        self._status, self._headers = status, [(b"content-length", b"0")]
        self._link.write(self._encode_head(b"", last=True))
        self._end()

    # --- the application's side -------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """Return the next piece of the body, then wait for the disconnect."""
        while True:
            if self._chunks:
                return self._take()
            if self.gone or self.broken or self.answered:
                return _GONE
            if self.complete and not self._given:
                self._given = True
                return _END
            if not self.complete:
                self._link.read_on()
                self._invite()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def send(self, message: dict[str, Any]) -> None:
        """Take one message of the answer; it leaves at once, the head with the first body."""
        if message["type"] == "http.response.body":
            self._send_body(message.get("body", b""), last=not message.get("more_body", False))
            drained = self._link.drained
            if drained is not None:
                await drained
        elif message["type"] == "http.response.start":
            if self._status:
                raise AnswerError("a second answer to one request")
            self._status = message["status"]
            self._headers = message.get("headers", ())

    # --- the private extension ----------------------------------------------------------------

    def whole_body(self) -> bytes | None:
        """Return the request's body if all of it is here; None leaves it to `receive`."""
        if not self.complete or self._given:
            return None
        self._given = True
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def answer(self, status: int, headers: Headers, body: bytes, block: bytes) -> None:
        """Give the whole answer: what two `send` do, in one call and one write.

        Args:
            status: 200 or higher.
            headers: Names in lower case, without `content-length`.
            body: Left out where the method or the status forbids it; its length is declared.
            block: Further headers, from `encode_block`.

        Raises:
            AnswerError: It is the second answer, or a header would break the framing.
        """
        if self._status:
            raise AnswerError("a second answer to one request")
        self._status = status
        if self.gone:
            self.answered = True
            return
        lines = [
            _STATUS_LINES.get(status) or _other_status_line(status),
            *map(b": ".join, headers),
            self._link.date_line,
        ]
        if status not in _BODILESS:
            lines.append(b"content-length: %d" % len(body))
        head = self._close_head(lines)
        if self._is_head or status in _BODILESS:
            body = b""
        if len(body) > _SMALL_BYTES:
            self._link.write(b"".join((head, block, b"\r\n")))
            self._link.write(body)
        else:
            self._link.write(b"".join((head, block, b"\r\n", body)))
        self._end()

    # --- inside -----------------------------------------------------------------------------

    def _take(self) -> dict[str, Any]:
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self.held_bytes = 0
        self._given = self.complete
        if not self.complete:
            self._link.read_on()
        return {"type": "http.request", "body": body, "more_body": not self.complete}

    def _invite(self) -> None:
        """Answer `Expect: 100-continue`, now that somebody wants the body (RFC 9110, 10.1.1)."""
        headers: list[tuple[bytes, bytes]] = self.scope["headers"]
        if self._status or self.http_1_0 or self._invited:
            return
        self._invited = True
        if any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers):
            self._link.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send_body(self, body: bytes, *, last: bool) -> None:
        if self.gone:
            return
        if not self._status or self.answered:
            raise AnswerError("a body without an answer it belongs to")
        headers = self._headers
        if headers is None:
            data = self._frame(body, last=last)
        else:
            head = self._encode_head(body, last=last)
            self._headers = None
            data = self._frame(body, last=last)
            if len(data) > _SMALL_BYTES:
                self._link.write(head)
            else:
                data = head + data
        if data:
            self._link.write(data)
        if last:
            if self._left:
                self.keep = False
                self._link.abort()
            self._end()

    def _frame(self, body: bytes, *, last: bool) -> bytes:
        """Frame a piece of the answer's body."""
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0:
                self._link.abort()
                raise AnswerError("the answer is longer than declared")
            return body
        if not self._chunked:
            return body if self._has_body() else b""
        end = b"0\r\n\r\n" if last else b""
        return b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end

    def _has_body(self) -> bool:
        return self._status not in _BODILESS and not self._is_head

    def _encode_head(self, body: bytes, *, last: bool) -> bytes:
        """Write the head, deciding on the framing and on the connection's future.

        Raises:
            AnswerError: A header would break the framing.
        """
        status = self._status
        lines = [
            _STATUS_LINES.get(status) or _other_status_line(status),
            *map(b": ".join, self._headers or ()),
            self._link.date_line,
        ]
        if self._has_body():
            declared = _declared_length(self._headers or ())
            if declared is not None:
                self._left = declared
            elif last:
                self._left = len(body)
                lines.append(b"content-length: %d" % len(body))
            elif self.http_1_0:
                self.keep = False
            else:
                self._chunked = True
                lines.append(b"transfer-encoding: chunked")
        return self._close_head(lines) + b"\r\n"

    def _close_head(self, lines: list[bytes]) -> bytes:
        """Join the lines to a head, without the empty line at its end."""
        if not self.complete:
            self.keep = False  # what is still to come is not worth reading
        if not self.keep:
            lines.append(b"connection: close")
        elif self.http_1_0:
            lines.append(b"connection: keep-alive")
        breaks = len(lines)
        lines.append(b"")
        head = b"\r\n".join(lines)
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
            self._headers = ()
            raise AnswerError("a header of the answer holds a forbidden byte")
        return head

    def _end(self) -> None:
        self.answered = True
        self._link.ended(self)


def _other_status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d -" % status


def _declared_length(headers: Headers) -> int | None:
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return None
