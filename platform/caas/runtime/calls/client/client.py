"""The client of one origin: builds the request, follows it through, repeats it when safe."""

import asyncio
import math
import ssl
from collections.abc import AsyncIterable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from opentelemetry import trace

from caas.kernel.errors import InvalidInputError
from caas.runtime.calls.client.connection import Connection
from caas.runtime.calls.client.errors import UpstreamClosedError, UpstreamTimeoutError
from caas.runtime.calls.client.head import IDEMPOTENT_METHODS, Headers, encode_head
from caas.runtime.calls.client.limits import ClientLimits
from caas.runtime.calls.client.pool import Pool
from caas.runtime.calls.client.response import ClientResponse
from caas_observability.setup import propagation

Body = bytes | AsyncIterable[bytes] | None

_ATTEMPTS_MAX = 2
_BODY_METHODS = frozenset({b"POST", b"PUT", b"PATCH"})
_PORTS = {"http": 80, "https": 443}
_SERVER_ERROR = 500

_tracer = trace.get_tracer("caas.runtime.calls")


class ShortBodyError(InvalidInputError):
    """A body of pieces does not have the size that was declared for it."""

    code = "body_size"


class Fetched(msgspec.Struct, frozen=True):
    """A response read as a whole; header names are in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class HttpClient:
    """A client of one origin; safe to share by every task of one event loop.

    Makes nothing until the first request, so it may be built before the loop runs.
    """

    def __init__(self, origin: str, *, limits: ClientLimits | None = None) -> None:
        """Aim at *origin*, such as `http://127.0.0.1:3007`; a path in it is an error."""
        parts = urlsplit(origin)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.rstrip("/"):
            raise ValueError(f"not an http(s) origin without a path: {origin!r}")
        port = parts.port or _PORTS[parts.scheme]
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.limits = limits or ClientLimits()
        self.pool = Pool(parts.hostname, port, tls=tls, limits=self.limits)
        self._host = parts.netloc.rpartition("@")[2].encode("ascii")
        self._span_attributes: dict[str, Any] = {
            "server.address": parts.hostname,
            "server.port": port,
        }

    async def request(
        self,
        method: bytes,
        target: bytes,
        headers: Headers = (),
        *,
        body: Body = None,
        content_length: int | None = None,
        timeout_s: float | None = None,
        endless: bool = False,
        route: str | None = None,
    ) -> ClientResponse:
        """Send a request and return when the response's head has arrived.

        Adds `host`, framing, `traceparent`, `tracestate`, `x-correlation-id` and
        `x-caas-deadline-ms` (what is left of the caller's time). Repeats the request once, on
        a new connection, when the peer closed before a single byte of an answer, the method is
        idempotent and the body is at hand; anything else is only moved to another connection
        while nothing of it is written. Cancelling closes the connection.

        Args:
            method: Upper case.
            target: Origin form, already percent-encoded.
            headers: Sent as they are; must not hold framing or hop-by-hop headers.
            body: Bytes, or pieces that are sent as they come, as slowly as the peer reads.
            content_length: Declares the size of a body of pieces; None sends it chunked.
            timeout_s: Until the last byte of the response; None takes the limits' `total_s`.
            endless: The body may last for ever; only the head is waited for within the time.
            route: The target's template, which names the span.

        Raises:
            BadRequestHeadError: a header would break the framing; nothing was sent.
            UpstreamError: connecting, sending or waiting failed; its subclass says which.
        """
        call = _Call(method, target, list(map(b": ".join, headers)), body, content_length)
        call.timeout_s = self.limits.total_s if timeout_s is None else timeout_s
        call.endless = endless
        if not trace.get_current_span().is_recording():
            return await self._send(call)
        verb = method.decode("ascii")
        name = f"{verb} {route}" if route else verb
        attributes = {**self._span_attributes, "http.request.method": verb}
        with _tracer.start_as_current_span(
            name, kind=trace.SpanKind.CLIENT, attributes=attributes
        ) as span:
            response = await self._send(call)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= _SERVER_ERROR:
                span.set_attribute("error.type", str(response.status))
            return response

    async def fetch(
        self,
        method: bytes,
        target: bytes,
        headers: Headers = (),
        *,
        body: bytes | None = None,
        timeout_s: float | None = None,
        route: str | None = None,
    ) -> Fetched:
        """Send a request and return the whole response; arguments and errors as `request`."""
        response = await self.request(
            method, target, headers, body=body, timeout_s=timeout_s, route=route
        )
        return Fetched(response.status, response.headers, await response.read())

    async def aclose(self, *, grace_s: float = 0.0) -> None:
        """Refuse new requests, wait up to *grace_s* for those under way, close everything."""
        self.pool.close()
        await self.pool.drain(grace_s)
        self.pool.abort()

    # --- one request ------------------------------------------------------------------------

    async def _send(self, call: "_Call") -> ClientResponse:
        call.add_framing()
        call.add_context()
        pool = self.pool
        loop = asyncio.get_running_loop()
        due = math.inf if call.timeout_s is None else loop.time() + call.timeout_s
        data = call.encode(self._host, due - loop.time())
        pieces = None if call.pieces is None else _Upload(call.pieces, call.content_length)
        if pieces is not None:
            await pieces.peek()
        safe = call.method in IDEMPOTENT_METHODS
        pool.watch_deadlines()
        for attempt in range(_ATTEMPTS_MAX):
            connection = None if attempt else pool.take_idle(careful=not safe)
            if connection is None:
                connection = await pool.take(due, fresh=attempt > 0, careful=not safe)
                data = call.encode(self._host, due - loop.time())
            response = self._new_response(call, loop, due)
            waiter = response.wait_head(loop)
            if pieces is None:
                connection.begin(response, data, more=False)
            else:
                connection.begin(response, data + pieces.first, more=True)
                pieces.start(connection, response, self.limits.first_byte_s)
            try:
                await waiter
            except UpstreamClosedError:
                if pieces is not None and pieces.error is not None:
                    raise pieces.error from None
                if attempt or response.received or not safe or pieces is not None:
                    raise
            except BaseException:
                response.close()
                raise
            else:
                return response
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _new_response(
        self, call: "_Call", loop: asyncio.AbstractEventLoop, due: float
    ) -> ClientResponse:
        limits = self.limits
        now = loop.time()
        if due <= now:
            raise UpstreamTimeoutError(f"no time left for {self.pool.origin}")
        return ClientResponse(
            is_head=call.method == b"HEAD",
            head_due=min(now + limits.first_byte_s, due),
            due=math.inf if call.endless else due,
            body_bytes_max=limits.body_bytes_max,
            buffer_max=limits.buffer_bytes_max,
        )


class _Call:
    """One request on its way to the wire."""

    __slots__ = (
        "body",
        "content_length",
        "endless",
        "lines",
        "method",
        "pieces",
        "target",
        "timeout_s",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        lines: list[bytes],
        body: Body,
        content_length: int | None,
    ) -> None:
        self.method = method
        self.target = target
        self.lines = lines
        self.body = body if isinstance(body, bytes) else b""
        self.pieces = None if body is None or isinstance(body, bytes) else body
        self.content_length = content_length
        self.timeout_s: float | None = None
        self.endless = False

    def add_framing(self) -> None:
        """Declare the body (RFC 9112, 6)."""
        if self.pieces is not None:
            if self.content_length is None:
                self.lines.append(b"transfer-encoding: chunked")
            else:
                self.lines.append(b"content-length: %d" % self.content_length)
        elif self.body or self.method in _BODY_METHODS:
            self.lines.append(b"content-length: %d" % len(self.body))

    def add_context(self) -> None:
        """Pass trace and correlation on."""
        carrier: dict[str, str] = {}
        propagation.inject(carrier)
        self.lines += [f"{name}: {value}".encode("ascii") for name, value in carrier.items()]

    def encode(self, host: bytes, left_s: float) -> bytes:
        """Return the head, and the body when it is at hand."""
        lines = self.lines
        if left_s < math.inf:
            lines = [*lines, b"x-caas-deadline-ms: %d" % max(0, int(left_s * 1000))]
        head = encode_head(self.method, self.target, host, lines)
        return head + self.body if self.body else head


class _Upload:
    """A body of pieces: sent beside the wait for the response, which may come first."""

    def __init__(self, pieces: AsyncIterable[bytes], content_length: int | None) -> None:
        self.error: Exception | None = None
        self._pieces = aiter(pieces)
        self._left = content_length
        self._more = False
        self.first = b""
        self._task: asyncio.Task[None] | None = None

    async def peek(self) -> None:
        """Wait for the first piece, so that a slow client holds no connection upstream."""
        piece = await anext(self._pieces, b"")
        self._more = bool(piece)
        self.first = self._frame(piece)

    def start(self, connection: Connection, response: ClientResponse, first_byte_s: float) -> None:
        """Send the rest in the background; the end of the response ends it too."""
        self._task = asyncio.create_task(self._run(connection, response, first_byte_s))
        response.on_end = self._response_ended

    def _response_ended(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()

    async def _run(
        self, connection: Connection, response: ClientResponse, first_byte_s: float
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._more:
                async for piece in self._pieces:
                    await connection.send(self._frame(piece))
                    response.head_due = min(loop.time() + first_byte_s, response.due)
            if self._left is None:
                await connection.send(b"0\r\n\r\n")
            elif self._left:
                raise ShortBodyError(f"the body ended {self._left} bytes early")  # noqa: TRY301
            connection.sent()
        except asyncio.CancelledError:
            connection.abort()
        except Exception as error:  # noqa: BLE001 - whatever the source raises ends the request
            self.error = error
            connection.abort()

    def _frame(self, piece: bytes) -> bytes:
        if not piece:
            return b""
        if self._left is None:
            return b"%x\r\n%b\r\n" % (len(piece), piece)
        self._left -= len(piece)
        if self._left < 0:
            raise ShortBodyError("the body is longer than declared")
        return piece
