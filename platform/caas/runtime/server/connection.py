"""One client's connection: parses requests with llhttp and serves them one after the other."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast
from urllib.parse import unquote_to_bytes

import httptools

from caas.runtime.server.exchange import EXTENSION, Exchange
from caas.runtime.server.limits import ServerLimits

_METHODS = {
    name.encode(): name
    for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE")
}
_ASGI = {"version": "3.0", "spec_version": "2.4"}
_BAD_REQUEST, _UNAVAILABLE = 400, 503
_TARGET_TOO_LONG, _HEAD_TOO_LARGE = 414, 431


class Owner(Protocol):
    """The server, as far as a connection needs it."""

    app: Callable[..., Any]
    limits: ServerLimits
    loop: asyncio.AbstractEventLoop
    stopping: bool
    date_line: bytes
    """The `date` header."""

    def opened(self, connection: "ServerConnection") -> bool:
        """Take the connection in; False when there are too many."""
        ...

    def closed(self, connection: "ServerConnection") -> None:
        """Forget the connection."""
        ...

    def begun(self, exchange: Exchange, *, at_once: bool) -> None:
        """Run the exchange; *at_once* when its whole request is here and nobody else's turn."""
        ...


class ServerConnection(asyncio.Protocol):
    """One client's connection.

    Attributes:
        client: Address and port of its other end; None where that is no TCP socket.
        current: The exchange that is being served.
        due: Loop time at which the connection is closed unless something happens before.
        drained: Ends when the client has read enough of what was written.
    """

    __slots__ = (
        "_closing", "_head_bytes", "_headers", "_in_head", "_limits", "_owner",
        "_packet_bytes", "_packet_fresh", "_parser", "_paused", "_queue", "_reading", "_refusal",
        "_server", "_time", "_transport", "_unserved", "_url", "client", "current", "drained",
        "due",
    )  # fmt: skip

    def __init__(self, owner: Owner) -> None:
        self.current: Exchange | None = None
        self.due = 0.0
        self._owner = owner
        self._limits = owner.limits
        self._time = owner.loop.time
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.client: tuple[str, int] | None = None
        self._server: tuple[str, int] | None = None
        self._queue: deque[Exchange] = deque()
        self._reading: Exchange | None = None  # whose body arrives
        self._unserved: Exchange | None = None  # begins when this packet has been read
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0  # of packets that began inside a head
        self._packet_bytes = 0
        self._packet_fresh = False  # no message began or ended in this packet so far
        self._in_head = False
        self._paused = False
        self._closing = False
        self._refusal = 0  # what a message that can't be read is answered
        self.drained: asyncio.Future[None] | None = None

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection in, or turn it away."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.client = _address(transport.get_extra_info("peername"))
        self._server = _address(transport.get_extra_info("sockname"))
        self.due = self._time() + self._limits.head_s
        if not self._owner.opened(self):
            self._refuse(_UNAVAILABLE, linger=False)

    def data_received(self, data: bytes) -> None:
        """Parse what came; requests that are complete are served in their order."""
        parser = self._parser
        if parser is None or self._closing:
            return  # lingering: the client still talks, nobody listens
        self._packet_bytes = len(data)
        self._packet_fresh = True
        if self._in_head:
            self._head_bytes += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ignore_the_rest()
        except httptools.HttpParserError:
            self._broken(_BAD_REQUEST)
        if self._unserved is not None:  # the body is still on its way
            exchange, self._unserved = self._unserved, None
            self._owner.begun(exchange, at_once=False)
        if self._in_head and self._head_bytes > self._limits.head_bytes_max:
            # A line that never ends reaches no callback but these.
            self._broken(_HEAD_TOO_LARGE if self._headers else _TARGET_TOO_LONG)
        if self._refusal and self.current is None:
            self._refuse(self._refusal)

    def eof_received(self) -> bool:
        """Let the transport close: nobody is there to read an answer."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell whoever still serves this client."""
        for exchange in (self.current, self._reading, *self._queue):
            if exchange is not None:
                exchange.gone = True
                exchange.wake()
        self._queue.clear()
        self._closing = True
        self._transport = self._parser = None
        self.resume_writing()
        self._owner.closed(self)

    def pause_writing(self) -> None:
        """Hold the application back, and further requests: the transport's buffer is full."""
        self.drained = self._owner.loop.create_future()
        self.due = self._time() + self._limits.write_stall_s
        self._pause()

    def resume_writing(self) -> None:
        """Let the application go on, or the next request."""
        drained, self.drained = self.drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if self.current is None:
            self._go_on()
        self.read_on()

    # --- llhttp -----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start over with an empty head, and with its time."""
        self._url = b""
        self._headers = []
        self._head_bytes = self._packet_bytes if self._packet_fresh else 0
        self._packet_fresh = False
        self._in_head = True
        if self.current is None:
            self.due = self._time() + self._limits.head_s

    def on_url(self, url: bytes) -> None:
        """Keep a piece of the target."""
        self._url += url
        if len(self._url) > self._limits.head_bytes_max:
            self._broken(_TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are dropped (RFC 9110, 6.5.1)."""
        if self._in_head:
            self._headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """Make the exchange, and serve it when no other is being served."""
        parser = self._parser
        self._in_head = False
        if parser is None or self._refusal or self._closing:
            return
        limit = self._limits.head_bytes_max
        if self._packet_bytes > limit or self._head_bytes > limit:
            self._check_size()
        version = parser.get_http_version()
        if self._refusal:
            return
        if version != "1.1" and not self._fits_1_0(version):
            self._broken(_BAD_REQUEST)
            return
        scope = self._scope(parser.get_method(), version)
        exchange = Exchange(
            self,
            scope,
            parser.should_keep_alive() and not self._owner.stopping,
            version != "1.1",
            max(self._head_bytes, self._packet_bytes),
        )
        scope["extensions"] = {EXTENSION: exchange}
        self._reading = exchange
        if self.current is None and self.drained is None:
            self.current = self._unserved = exchange
        else:
            self._queue.append(exchange)
            if len(self._queue) >= self._limits.pipelined_max:
                self._pause()

    def on_body(self, data: bytes) -> None:
        """Hand a piece of the body on, and pause the client when nobody takes it."""
        exchange = self._reading
        if exchange is None or exchange.answered:
            return
        exchange.feed(data)
        if exchange.held_bytes > self._limits.body_held_bytes_max:
            self._pause()

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        exchange, self._reading = self._reading, None
        self._packet_fresh = False
        if exchange is not None:
            exchange.complete = True
            exchange.wake()
            if exchange is self._unserved:
                self._unserved = None
                self._owner.begun(exchange, at_once=True)

    # --- what exchanges call ----------------------------------------------------------------

    @property
    def date_line(self) -> bytes:
        """The `date` header."""
        return self._owner.date_line

    def write(self, data: bytes) -> None:
        """Send bytes; nothing happens when the client is gone."""
        if self._transport is not None:
            self._transport.write(data)

    def read_on(self) -> None:
        """Read more, after a pause."""
        if self._paused and self._transport is not None and not self._closing:
            self._paused = False
            self._transport.resume_reading()

    def ended(self, exchange: Exchange) -> None:
        """Serve the next request, wait for one, or close."""
        if exchange is not self.current:
            return
        self.current = None
        if not exchange.keep:
            self._close(linger=not exchange.complete or self._parser is None)
        elif self.drained is None:
            self._go_on()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # --- what the server calls --------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Close the connection when its time is over; an application may take its own."""
        if now < self.due:
            return
        if self._closing or self.drained is not None:
            self.abort()
        elif self.current is None:
            self._close()

    def stop(self) -> None:
        """Take no further request; an idle connection closes."""
        if self.current is None and not self._closing:
            self._close()
        elif self.current is not None:
            self.current.keep = False

    # --- inside -----------------------------------------------------------------------------

    def _scope(self, method: bytes, version: str) -> dict[str, Any]:
        raw_path, _, query = self._url.partition(b"?")
        if raw_path[:1] != b"/" and b"://" in raw_path:
            # Absolute form, which a server must take as well (RFC 9112, 3.2.2).
            raw_path = b"/" + raw_path.partition(b"://")[2].partition(b"/")[2]
        path = unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": _METHODS.get(method) or method.decode("ascii"),
            "scheme": "http",
            "path": path.decode("utf-8", "replace"),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self.client,
            "server": self._server,
            "state": {},
        }

    def _fits_1_0(self, version: str) -> bool:
        """Tell whether the request is HTTP/1.0's; chunks did not exist then (RFC 9112, 6.1)."""
        return version == "1.0" and all(n != b"transfer-encoding" for n, _ in self._headers)

    def _go_on(self) -> None:
        """Serve the next request, or wait for one."""
        if self._closing:
            return
        if self._queue:
            self._serve(self._queue.popleft())
            if len(self._queue) < self._limits.pipelined_max:
                self.read_on()
        elif self._refusal:
            self._refuse(self._refusal)
        elif self._owner.stopping:
            self._close()
        else:
            limits = self._limits
            self.due = self._time() + (limits.head_s if self._in_head else limits.idle_s)
            if self._paused:
                self.read_on()

    def _serve(self, exchange: Exchange) -> None:
        self.current = exchange
        self._owner.begun(exchange, at_once=False)  # else a long queue is a deep recursion

    def _check_size(self) -> None:
        """Measure the head; what came in the same packet may belong to other messages."""
        size = sum(len(name) + len(value) + 4 for name, value in self._headers)
        if len(self._url) + size > self._limits.head_bytes_max:
            self._broken(_HEAD_TOO_LARGE)

    def _broken(self, status: int) -> None:
        """Believe nothing more of this client; the requests before are still answered."""
        self._refusal = self._refusal or status
        self._in_head = False
        self._parser = None
        exchange, self._reading = self._reading, None
        if exchange is not None:
            exchange.broken = True
            exchange.wake()

    def _ignore_the_rest(self) -> None:
        """End with the last request: what follows it is another protocol, which we don't speak."""
        self._parser = None
        last = self._queue[-1] if self._queue else self.current
        if last is not None:
            last.keep = False

    def _refuse(self, status: int, *, linger: bool = True) -> None:
        exchange = Exchange(self, {"method": "GET", "headers": []}, False, False)  # noqa: FBT003
        exchange.complete = not linger
        self.current = exchange
        exchange.refuse(status)

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _close(self, *, linger: bool = False) -> None:
        self._closing = True
        transport = self._transport
        if transport is None:
            return
        limits = self._limits
        unread = transport.get_write_buffer_size() > 0
        wait_s = limits.write_stall_s if unread else limits.linger_s
        self.due = self._time() + wait_s
        if linger and transport.can_write_eof():
            if self._paused:
                self._paused = False
                transport.resume_reading()
            transport.write_eof()
        else:
            transport.close()


def _address(name: Any) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
