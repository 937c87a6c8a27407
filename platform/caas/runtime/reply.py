"""One request's answer: the edge's headers on it, and what telemetry wants to know about it."""

from collections.abc import AsyncIterator
from typing import Any

from litestar.types import Send

from caas.runtime.fast import FastResponse
from caas.runtime.headers import SECURITY_BLOCK, merge, owns_any
from caas.runtime.problems import Problem, Style
from caas.runtime.server import Exchange

_NO_CONTENT_MAX = 199  # informational; these, 204 and 304 have no body (RFC 9110, section 6.4.1)
_BODILESS = frozenset({204, 304})


class Reply:
    """Sends one answer; also the `send` channel that Litestar gets.

    Attributes:
        status: 0 until the head was sent.
        complete: Whether the last byte was handed to the server.
    """

    __slots__ = ("_base", "_exchange", "_head", "_send", "complete", "status")

    def __init__(
        self,
        send: Send,
        base: list[tuple[bytes, bytes]],
        *,
        head: bool,
        exchange: Exchange | None = None,
    ) -> None:
        self._send = send
        self._exchange = exchange
        self._base = base
        self._head = head
        self.status = 0
        self.complete = False

    async def __call__(self, message: Any) -> None:
        """Pass on one ASGI message, with the edge's headers on the first."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            message["headers"] = merge(self._base, list(message.get("headers", ())))
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
        headers = list(answer.headers)
        if exchange is None or not isinstance(body, bytes) or owns_any(headers):
            return False
        self.status = answer.status
        exchange.answer(answer.status, headers + self._base, body, SECURITY_BLOCK)
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
        base = merge(self._base, headers)
        await self._send({"type": "http.response.start", "status": status, "headers": base})
        self.complete = True
        content = b"" if self._head else body
        await self._send({"type": "http.response.body", "body": content, "more_body": False})

    async def refuse(self, problem: Problem, style: Style) -> None:
        """Send a problem document."""
        await self.respond(FastResponse(problem.status, problem.fields(), problem.body(style)))

    async def _respond_stream(
        self, status: int, headers: list[tuple[bytes, bytes]], body: AsyncIterator[bytes]
    ) -> None:
        self.status = status
        merged = merge(self._base, headers)
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
