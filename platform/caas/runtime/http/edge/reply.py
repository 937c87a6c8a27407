"""One request's answer: the edge's headers on it, and what telemetry wants to know about it."""

from collections.abc import AsyncIterator
from typing import Any

from litestar.types import Send

from caas.runtime.http.edge.headers import merge
from caas.runtime.http.edge.patience import Patience
from caas.runtime.http.fast import FastResponse
from caas.runtime.http.problems import Problem, Style
from caas_observability.setup.tracing import ServerSpan

_NO_CONTENT_MAX = 199  # informational; these, 204 and 304 have no body (RFC 9110, section 6.4.1)
_BODILESS = frozenset({204, 304})
SEND_STALL_MAX_S = 30.0  # how long a client may read nothing of an answer that streams

_sending = Patience(SEND_STALL_MAX_S)


class AnswerCutOffError(Exception):
    """An answer broke after its head was given; the server closes the connection."""


class Reply:
    """Sends one answer; also the `send` channel that Litestar gets.

    Attributes:
        headers: What the answer carries whoever gives it, beside `SECURITY_HEADERS` and the ids.
        status: 0 until the head was sent.
        complete: Whether the last byte was handed to the server.
    """

    __slots__ = ("_head", "_left", "_send", "_span", "complete", "headers", "status")

    def __init__(self, send: Send, span: ServerSpan, *, head: bool) -> None:
        """Answer by *send*; a *head* request gets no body."""
        self._send = send
        self._left: int | None = None  # bytes that the body still owes its declared length
        self._span = span
        self.headers: list[tuple[bytes, bytes]] = []
        self._head = head
        self.status = 0
        self.complete = False

    async def __call__(self, message: Any) -> None:
        """Pass on one ASGI message, with the edge's headers on the first.

        Raises:
            AnswerCutOffError: The body is not as long as declared; granian would wait for more.
        """
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", ()))
            self._left = None if self._head else _declared(own)
            message["headers"] = merge(self._base(), own)
        elif kind == "http.response.body":
            ends = not message.get("more_body", False)
            if self._left is not None:
                self._left -= len(message.get("body", b""))
                if self._left < 0 or (ends and self._left):
                    raise AnswerCutOffError
            self.complete = ends
            if self._head:
                if not ends:
                    return
                message = {"type": kind, "body": b"", "more_body": False}
        with _sending:
            await self._send(message)

    async def respond(self, answer: FastResponse) -> None:
        """Send a handler's answer, streamed when it streams."""
        body = answer.body
        if not isinstance(body, bytes):
            await self._respond_stream(answer.status, list(answer.headers), body)
            return
        self.status = status = answer.status
        headers = merge(self._base(), [*answer.headers])
        if status > _NO_CONTENT_MAX and status not in _BODILESS:
            headers.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.complete = True
        content = b"" if self._head else body
        await self._send({"type": "http.response.body", "body": content, "more_body": False})

    async def refuse(self, problem: Problem, style: Style) -> None:
        """Send a problem document."""
        await self.respond(FastResponse(problem.status, problem.fields(), problem.body(style)))

    def _base(self) -> list[tuple[bytes, bytes]]:
        span = self._span
        ids = [
            (b"x-correlation-id", span.correlation_id.encode()),
            (b"traceresponse", span.traceparent().encode()),
        ]
        return ids + self.headers

    async def _respond_stream(
        self, status: int, headers: list[tuple[bytes, bytes]], body: AsyncIterator[bytes]
    ) -> None:
        self.status = status
        merged = merge(self._base(), headers)
        await self._send({"type": "http.response.start", "status": status, "headers": merged})
        try:
            if self._head:
                await self._piece(b"")  # without it granian would declare a length of 0
            else:
                async for chunk in body:
                    await self._piece(chunk)
        finally:
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()
        self.complete = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _piece(self, chunk: bytes) -> None:
        """Send a piece, once the one before it is on its way to the client."""
        with _sending:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})


def _declared(headers: list[tuple[bytes, bytes]]) -> int | None:
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return None
