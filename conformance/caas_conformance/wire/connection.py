"""One connection: bytes out, bytes in, parsed as they come and kept as they came."""

import asyncio
import ssl
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple, cast

import httptools

from caas_conformance.errors import EnvironmentBrokenError
from caas_conformance.wire.answer import Answer, ExchangeRecord

CAPTURED_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 64 * 1024 * 1024
CONNECT_TIMEOUT_S = 5.0
INFORMATIONAL = range(100, 200)


class Origin(NamedTuple):
    """Where a service listens."""

    host: str
    port: int
    tls: bool


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection that carries one exchange at a time.

    httptools calls the `on_*` methods while it parses.
    """

    __slots__ = (
        "_answer",
        "_done",
        "_head_only",
        "_headers_complete",
        "_length_known",
        "_on_piece",
        "_parser",
        "_pieces",
        "_record",
        "_size",
        "_transport",
        "open",
    )

    def __init__(self) -> None:
        self.open = False
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._record: ExchangeRecord | None = None
        self._answer: Answer | None = None
        self._done: asyncio.Future[None] | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._head_only = False
        self._headers_complete = False
        self._length_known = False
        self._on_piece: Callable[[bytes | None], None] | None = None

    # -- one exchange -----------------------------------------------------------------------

    def begin(
        self,
        message: bytes,
        record: ExchangeRecord,
        *,
        head_only: bool,
        on_piece: Callable[[bytes | None], None] | None = None,
    ) -> Answer:
        """Send *message* and start reading its answer; `finished` tells when it is there.

        With *on_piece* the body is handed on as it comes and kept nowhere: it is called with
        nothing once the headers are there, then with each piece, and with nothing at the end.
        """
        answer = Answer(record)
        self._record = record
        self._answer = answer
        self._head_only = head_only
        self._on_piece = on_piece
        self._headers_complete = False
        self._length_known = False
        self._pieces = []
        self._size = 0
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        record.sent = message
        if self._transport is not None:
            self._transport.write(message)
        return answer

    async def finished(self, timeout_s: float) -> None:
        """Wait until the answer is complete or the peer is gone.

        Raises:
            TimeoutError: *timeout_s* passed.
        """
        if self._done is not None:
            async with asyncio.timeout(timeout_s):
                await self._done

    def close(self) -> None:
        """Close at once; what is unsent is dropped."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Keep the bytes, up to the limit, and parse them."""
        record = self._record
        if record is None or self._done is None or self._done.done():
            self.close()  # bytes that belong to no request: the connection is of no more use
            return
        if not record.first_byte_at:
            record.first_byte_at = perf_counter()
        room = CAPTURED_BYTES_MAX - record.received_bytes
        if room > 0:
            record.received.append(data if len(data) <= room else data[:room])
        record.received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish()
        except httptools.HttpParserError as error:
            self._finish(f"not HTTP: {error}")

    def connection_lost(self, _: Exception | None) -> None:
        """End the exchange: a body without a length ends here, anything else is cut off."""
        self.open = False
        if self._done is None or self._done.done():
            return
        assert self._answer is not None  # noqa: S101 - set with _done
        self._answer.closed = True
        if self._headers_complete and not self._length_known:
            self._finish()
        elif self._headers_complete:
            self._finish("the connection was closed in the middle of the body")
        else:
            self._finish("the connection was closed without an answer")

    # -- httptools --------------------------------------------------------------------------

    def on_status(self, status: bytes) -> None:
        """Keep the reason phrase."""
        if self._answer is not None:
            self._answer.reason += status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the header as it came: order and case."""
        if self._answer is not None:
            self._answer.headers.append((name.decode("latin-1"), value.decode("latin-1")))
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._length_known = True

    def on_headers_complete(self) -> None:
        """Read the status; an informational one only announces the answer."""
        status = self._parser.get_status_code()
        if self._answer is None or status in INFORMATIONAL:
            return
        self._answer.status = status
        self._answer.version = self._parser.get_http_version()
        self._headers_complete = True
        if self._on_piece is not None:
            self._on_piece(None)
        if self._head_only:
            self._finish()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, or hand it on."""
        if self._on_piece is not None:
            self._on_piece(body)
            return
        self._size += len(body)
        if self._size > BODY_BYTES_MAX:
            self._finish(f"the body is over {BODY_BYTES_MAX} bytes")
            return
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """End the exchange, unless the message was informational."""
        if self._headers_complete:
            self._finish()
        elif self._answer is not None:
            self._answer.headers.clear()
            self._answer.reason = ""
            self._length_known = False

    def _finish(self, error: str = "") -> None:
        record, answer, done = self._record, self._answer, self._done
        if record is None or answer is None or done is None or done.done():
            return
        record.ended_at = perf_counter()
        record.error = error
        answer.content = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if error or answer.closed or not self._reusable():
            self.close()
        done.set_result(None)
        if self._on_piece is not None:
            self._on_piece(None)

    def _reusable(self) -> bool:
        # A HEAD answer leaves the parser waiting for a body that never comes.
        return bool(self._length_known and self._parser.should_keep_alive())


async def connect(origin: Origin) -> Connection:
    """Open a connection.

    Raises:
        EnvironmentBrokenError: nothing answers there.
    """
    context = ssl.create_default_context() if origin.tls else None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, connection = await loop.create_connection(
                Connection, origin.host, origin.port, ssl=context
            )
    except (OSError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        message = f"no connection to {origin.host}:{origin.port}: {reason}"
        raise EnvironmentBrokenError(message) from error
    return connection
