"""One HTTP/1.1 connection: frames responses with llhttp, one exchange at a time.

Framing follows RFC 9112, 6.3: no body after HEAD, 1xx, 204 and 304; chunked before
content-length; without either, the body lasts until the peer closes.
"""

import asyncio
import select
from typing import Protocol, cast

import httptools

from caas.runtime.calls.client.errors import (
    UpstreamClosedError,
    UpstreamError,
    UpstreamProtocolError,
)
from caas.runtime.calls.client.limits import ClientLimits
from caas.runtime.calls.client.response import ClientResponse

_CONTINUE = 100
_SWITCHING = 101
_SUCCESS = 200
_BODYLESS = frozenset({204, 304})


class Owner(Protocol):
    """The pool, as far as a connection needs it."""

    def idle_again(self, connection: "Connection") -> None:
        """Take the connection back; it may carry the next exchange."""
        ...

    def gone(self, connection: "Connection") -> None:
        """Forget the connection; called once."""
        ...


class Connection(asyncio.Protocol):
    """A connection and the exchange it carries at the moment, if any.

    Attributes:
        exchange: What is under way, or None while idle.
        idle_since: Loop time of the last release.
        served: Exchanges that ended well; over 0 means that the peer may have closed meanwhile.
    """

    __slots__ = (
        "_drained",
        "_error",
        "_fresh_parser",
        "_head_bytes",
        "_head_done",
        "_keep",
        "_limits",
        "_loop",
        "_message_done",
        "_origin",
        "_owner",
        "_parser",
        "_reading_paused",
        "_sending",
        "_transport",
        "_unparsed_bytes",
        "_until_eof",
        "exchange",
        "idle_since",
        "served",
    )

    def __init__(
        self, owner: Owner, loop: asyncio.AbstractEventLoop, origin: str, limits: ClientLimits
    ) -> None:
        self.exchange: ClientResponse | None = None
        self.idle_since = 0.0
        self.served = 0
        self._owner: Owner | None = owner
        self._loop = loop
        self._origin = origin
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._drained: asyncio.Future[None] | None = None
        self._error: str | None = None
        self._sending = False
        self._reading_paused = False
        self._reset_message()

    def _reset_message(self) -> None:
        self._head_bytes = 0
        self._unparsed_bytes = 0
        self._head_done = False
        self._message_done = False
        self._until_eof = False
        self._keep = False
        self._fresh_parser = False

    # --- the caller's side ------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """The connection is open and free."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and self.exchange is None

    def peer_has_closed(self) -> bool:
        """Ask the kernel whether bytes or an end wait on an idle connection.

        Narrows the keep-alive race for requests that must not be repeated: the loop may not
        have seen the peer's FIN yet. One system call, so only they pay for it.
        """
        transport = self._transport
        sock = transport.get_extra_info("socket") if transport is not None else None
        if sock is None:
            return True
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def begin(self, exchange: ClientResponse, data: bytes, *, more: bool) -> None:
        """Send *data* and expect *exchange*'s response; *more* announces further body bytes."""
        self.exchange = exchange
        self._sending = more
        exchange.bind(self)
        if self._transport is None:
            self._forget(UpstreamClosedError(f"{self._origin}: the connection is gone"))
        else:
            self._transport.write(data)

    async def send(self, data: bytes) -> None:
        """Send a piece of the body, waiting while the peer reads too slowly."""
        if self._transport is None or self._transport.is_closing():
            raise UpstreamClosedError(f"{self._origin} closed while the body was sent")
        self._transport.write(data)
        if self._drained is not None:
            await self._drained

    def sent(self) -> None:
        """Note that the whole request is written; a complete response now ends the exchange."""
        self._sending = False
        if self._message_done:
            self._end_exchange()

    def resume(self) -> None:
        """Read on after a pause."""
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once; the connection is not used again."""
        if self._transport is not None:
            self._transport.abort()
        self._forget(UpstreamClosedError(f"{self._origin}: closed by the caller"))

    def give_up(self, error: UpstreamError) -> None:
        """End the exchange with *error* and close."""
        exchange = self.exchange
        if exchange is not None:
            self.exchange = None
            exchange.fail(error)
        self.abort()

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's is no subclass of asyncio's."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse; then end, pause or break the exchange."""
        exchange, parser = self.exchange, self._parser
        if exchange is None or parser is None:
            # Nothing was asked: a 408 before closing, or a peer out of step. Not reusable.
            self.abort()
            return
        exchange.received = True
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._error = "switched protocols unasked"
        except httptools.HttpParserError as error:
            self._error = self._error or f"not HTTP/1.1: {type(error).__name__}"
        if not self._head_done:
            # A header that never ends reaches no callback, so what came is counted here too.
            self._unparsed_bytes += len(data)
            if self._unparsed_bytes > self._limits.head_bytes_max:
                self._error = f"head over {self._limits.head_bytes_max} bytes"
        if self._error is not None:
            self.give_up(UpstreamProtocolError(f"{self._origin}: {self._error}"))
        elif self._message_done:
            self._complete(exchange)

    def eof_received(self) -> bool:
        """Let the transport close; an idle connection leaves the pool right now."""
        if self.exchange is None:
            self._forget(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was under way: well only where the close is the body's framing."""
        exchange = self.exchange
        if exchange is not None and self._until_eof and exc is None:
            self.exchange = None
            exchange.finish()
        self._forget(UpstreamClosedError(f"{self._origin} closed before the response's end"))
        self._parser = None
        self._transport = None
        self.resume_writing()

    def pause_writing(self) -> None:
        """Hold senders back: the transport's buffer is full."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let senders go on."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # --- llhttp -----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse a second response to one request (response splitting)."""
        if self._message_done:
            self._error = "bytes after the response's end"

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are dropped (RFC 9110, 6.5.1), both count."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._limits.head_bytes_max:
            self._error = f"head over {self._limits.head_bytes_max} bytes"
            return
        exchange = self.exchange
        if exchange is not None and not self._head_done:
            exchange.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Decide the framing and hand the head to the caller; interim responses pass by."""
        exchange, parser = self.exchange, self._parser
        if exchange is None or parser is None or self._message_done:
            return
        status = parser.get_status_code()
        if status < _SUCCESS:
            exchange.headers.clear()
            if status == _SWITCHING or status < _CONTINUE:
                self._error = f"unexpected status {status}"
            return
        self._head_done = True
        framed = False
        for name, value in exchange.headers:
            if name == b"content-length" or (
                name == b"transfer-encoding" and value.lower().endswith(b"chunked")
            ):
                framed = True
        exchange.status = status
        if exchange.is_head:
            # llhttp can't know that a HEAD's response has no body: the parser is used up.
            self._fresh_parser = self._message_done = True
            self._keep = parser.should_keep_alive()
        elif status not in _BODYLESS:
            self._until_eof = not framed
        exchange.head_arrived()

    def on_body(self, data: bytes) -> None:
        """Pass a piece of the body on, pausing the peer when the reader is behind."""
        exchange = self.exchange
        if exchange is None or self._message_done:
            self._error = "bytes after the response's end"
        elif exchange.feed(data) and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Note the end; interim responses do not count."""
        if self._head_done and self._parser is not None and not self._fresh_parser:
            self._message_done = True
            self._keep = self._parser.should_keep_alive()

    # --- inside -----------------------------------------------------------------------------

    def _complete(self, exchange: ClientResponse) -> None:
        exchange.finish()
        if not self._sending:
            self._end_exchange()
        # else: the sender is still writing; `sent` or its cancellation decides.

    def _end_exchange(self) -> None:
        """Free the connection for the next exchange, or close it."""
        self.exchange = None
        keep = self._keep and not self._sending
        if self._fresh_parser:
            self._parser = httptools.HttpResponseParser(self)
        self._reset_message()
        self.resume()
        transport, owner = self._transport, self._owner
        if owner is None or transport is None:
            return
        if keep and not transport.is_closing():
            self.served += 1
            self.idle_since = self._loop.time()
            owner.idle_again(self)
        else:
            transport.close()
            self._forget(None)

    def _forget(self, error: UpstreamError | None) -> None:
        """Leave the pool, once; fail the exchange that is still open."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None and error is not None:
            exchange.fail(error)
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.gone(self)
