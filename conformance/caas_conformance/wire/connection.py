"""One connection: bytes out, bytes in, parsed as they come and kept as they came."""

import asyncio
import ssl
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple, cast

from caas_conformance.errors import EnvironmentBrokenError
from caas_conformance.wire.answer import Answer, ExchangeRecord
from caas_conformance.wire.reader import BEHIND, SWITCHING, AnswerReader, OnPiece

CAPTURED_BYTES_MAX = 64 * 1024
CONNECT_TIMEOUT_S = 5.0


class Origin(NamedTuple):
    """Where a service listens."""

    host: str
    port: int
    tls: bool


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection that carries one exchange at a time.

    Attributes:
        open: Whether it can carry another exchange.
        on_late: Called with an exchange that was handed on as whole, when bytes turn up behind it.
    """

    __slots__ = ("_answer", "_done", "_lost", "_on_piece", "_previous", "_reader", "_transport",
                 "_unasked", "handed_on", "on_late", "open")  # fmt: skip

    def __init__(self) -> None:
        self.open = False
        self.handed_on = False
        self.on_late: Callable[[ExchangeRecord], None] = lambda _: None
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        self._reader: AnswerReader | None = None
        self._on_piece: OnPiece | None = None
        self._unasked = False
        self._previous = ""
        self._done = asyncio.get_running_loop().create_future()
        self._lost = asyncio.get_running_loop().create_future()

    # -- one exchange -----------------------------------------------------------------------

    def begin(
        self, message: bytes, record: ExchangeRecord, *, on_piece: OnPiece | None = None
    ) -> Answer:
        """Send *message* and start reading its answer; `finished` tells when it is there.

        With *on_piece* the body is handed on as it comes and kept nowhere: it is called with
        nothing once the headers are there, then with each piece, and with nothing at the end.
        A text that it returns is what is wrong with the piece, and ends the exchange.
        """
        self._previous = self._answer.exchange_id if self._answer is not None else ""
        answer = self._answer = Answer(record)
        self._reader = AnswerReader(answer, on_piece)
        self._on_piece = on_piece
        self._done = asyncio.get_running_loop().create_future()
        self.handed_on = False
        record.sent = message
        if self._unasked:
            self._finish("bytes came before anything was asked")
        elif self._transport is None or self._lost.done():
            self._gone(reset=False)
        else:
            self._transport.write(message)
        return answer

    async def finished(self) -> None:
        """Wait until the answer is complete or the peer is gone."""
        try:
            await self._done
        finally:
            if self._answer is not None and self._reader is not None:
                self._answer.content = self._reader.content

    async def drained(self, timeout_s: float) -> None:
        """Say that nothing more is asked, and read on until the peer closes or the time is over."""
        if self._transport is None or self._lost.done():
            return
        self.open = False
        try:
            if self._transport.can_write_eof():
                self._transport.write_eof()
            async with asyncio.timeout(timeout_s):
                await self._lost
        except (TimeoutError, OSError, RuntimeError):
            self.close()

    def close(self) -> None:
        """Close at once; what is unsent is dropped."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    @property
    def unanswered(self) -> bool:
        """Whether the peer closed before the first byte of an answer."""
        answer = self._answer
        return answer is not None and answer.closed and not answer.exchange.first_byte_at

    # -- asyncio ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Keep the bytes, up to the limit, and parse them."""
        if self._answer is None or self._reader is None:
            self._unasked = True
            self.close()
            return
        record, reader = self._answer.exchange, self._reader
        if not record.first_byte_at:
            record.first_byte_at = perf_counter()
            if self._transport is not None and self._transport.get_write_buffer_size():
                record.notes.append("answered before the whole request was sent")
        room = CAPTURED_BYTES_MAX - record.received_bytes
        if room > 0:
            record.received.append(data if len(data) <= room else data[:room])
        record.received_bytes += len(data)
        if reader.feed(data) < len(data):
            reader.behind()
        if not self._done.done():
            if reader.complete:
                self._finish(reader.error)
        elif reader.error and not record.error:
            record.error = reader.error
            self.close()
            if self.handed_on:
                self.on_late(record)

    def connection_lost(self, error: Exception | None) -> None:
        """End the exchange: a body without a length ends here, anything else is cut off."""
        self.open = False
        if not self._lost.done():
            self._lost.set_result(None)
        self._gone(reset=error is not None)

    def _gone(self, *, reset: bool) -> None:
        if self._answer is None or self._reader is None or self._done.done():
            return
        self._answer.closed = True
        self._reader.ended(reset=reset)
        self._finish(self._reader.error)

    def _finish(self, error: str) -> None:
        answer, reader = self._answer, self._reader
        if answer is None or reader is None:
            return
        record = answer.exchange
        record.ended_at = perf_counter()
        record.error = error
        if answer.status == SWITCHING and b"\r\nupgrade:" not in record.sent.lower():
            record.notes.append("the protocol was switched though nobody asked for it")
        self.open = self.open and reader.reusable
        if error:
            self.close()
            unlike = answer.status is None and record.first_byte_at
            if self._previous and (unlike or error == BEHIND):
                record.notes.append(f"it may be what was left of {self._previous}'s answer")
        self._done.set_result(None)
        if self._on_piece is not None:
            self._on_piece(None)


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
