"""One request's answer: the edge's headers on it, and what telemetry wants to know about it."""

from collections.abc import AsyncIterator
from typing import Any

from litestar.types import Send

from caas.runtime.http.edge.headers import SECURITY_BLOCK, merge, owns_any
from caas.runtime.http.fast import FastResponse
from caas.runtime.http.problems import Problem, Style
from caas.runtime.server import Exchange
from caas_observability.setup.tracing import Span

_NO_CONTENT_MAX = 199  # informational; these, 204 and 304 have no body (RFC 9110, section 6.4.1)
_BODILESS = frozenset({204, 304})


class Reply:
    """Sends one answer; also the `send` channel that Litestar gets.

    Attributes:
        headers: What the answer carries whoever gives it, beside `SECURITY_HEADERS` and the ids.
        status: 0 until the head was sent.
        complete: Whether the last byte was handed to the server.
    """

    __slots__ = ("_exchange", "_head", "_send", "_span", "complete", "headers", "status")

    def __init__(
        self,
        send: Send,
        span: Span,
        head: bool,  # noqa: FBT001
        exchange: Exchange | None,
    ) -> None:
        """Answer by *exchange* where there is one; a *head* request gets no body."""
        self._send = send
        self._exchange = exchange
        self._span = span
        self.headers: list[tuple[bytes, bytes]] = []
        self._head = head
        self.status = 0
        self.complete = False

    async def __call__(self, message: Any) -> None:
        """Pass on one ASGI message, with the edge's headers on the first."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            message["headers"] = merge(self._base(), list(message.get("headers", ())))
        elif kind == "http.response.body":
            if not message.get("more_body", False):
                self.complete = True
            if self._head:
                if not self.complete:
                    return
                message = {"type": kind, "body": b"", "more_body": False}
        await self._send(message)

    def at_once(self, answer: FastResponse) -> bool:
        """Give a handler's whole answer in one call, where the server can; tell whether it could.

        What a slow reader leaves in the server's buffer is one body of ours, so nobody waits.
        """
        exchange, body = self._exchange, answer.body
        headers = answer.headers
        if exchange is None or not isinstance(body, bytes) or owns_any(headers):
            return False
        span, self.status = self._span, answer.status
        ids = f"x-correlation-id: {span.correlation_id}\r\ntraceresponse: {span.traceparent()}\r\n"
        if self.headers:
            headers = [*headers, *self.headers]
        exchange.answer(answer.status, headers, body, ids.encode() + SECURITY_BLOCK)
        self.complete = True
        return True

    async def respond(self, answer: FastResponse) -> None:
        """Send a handler's answer, streamed when it streams."""
        if self.at_once(answer):
            return
        headers = list(answer.headers)
        body = answer.body
        if not isinstance(body, bytes):
            await self._respond_stream(answer.status, headers, body)
            return
        status = answer.status
        if status > _NO_CONTENT_MAX and status not in _BODILESS:
            headers.append((b"content-length", b"%d" % len(body)))
        self.status = status
        base = merge(self._base(), headers)
        await self._send({"type": "http.response.start", "status": status, "headers": base})
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
            if not self._head:
                async for chunk in body:
                    await self._send(
                        {"type": "http.response.body", "body": chunk, "more_body": True}
                    )
        finally:
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()
        self.complete = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
