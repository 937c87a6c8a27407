"""One exchange on a connection: first the wait for the head, then the body as it comes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from caas.runtime.calls.client.errors import UpstreamError, UpstreamProtocolError


class Link(Protocol):
    """The connection below, as far as a response needs it."""

    def resume(self) -> None:
        """Read on after a pause."""
        ...

    def abort(self) -> None:
        """Close at once; the connection is not used again."""
        ...


class ClientResponse:
    """A response whose head has arrived; the body may still be on its way.

    Read it to the end (`read`, `async for`) or `close` it: a connection goes back to the pool
    when its last byte has arrived, and only then.

    Attributes:
        status: 200 to 599; 0 until the head is there.
        headers: Names in lower case, in wire order, framing headers included.
        complete: The last byte has arrived; nothing more will come.
        received: Some byte of an answer has arrived.
        head_due: Loop time by which the head has to be here.
        on_end: Called once when the exchange has ended, well or not.
        due: Loop time by which the last byte has to be here; `inf` for endless streams.
    """

    __slots__ = (
        "_body_bytes_max",
        "_chunks",
        "_error",
        "_head_waiter",
        "_link",
        "_paused_above",
        "_waiter",
        "buffered_bytes",
        "complete",
        "due",
        "head_due",
        "headers",
        "is_head",
        "on_end",
        "received",
        "status",
    )

    def __init__(
        self, *, is_head: bool, head_due: float, due: float, body_bytes_max: int, buffer_max: int
    ) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.received = False
        self.is_head = is_head
        self.head_due = head_due
        self.due = due
        self.buffered_bytes = 0
        self.on_end: Callable[[], None] | None = None
        self._body_bytes_max = body_bytes_max
        self._paused_above = buffer_max
        self._chunks: list[bytes] = []
        self._error: UpstreamError | None = None
        self._head_waiter: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._link: Link | None = None

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of *name* (lower case), or None."""
        for found, value in self.headers:
            if found == name:
                return value
        return None

    async def read(self, *, bytes_max: int | None = None) -> bytes:
        """Return the rest of the body as a whole.

        Raises:
            UpstreamProtocolError: it is longer than *bytes_max* (default: the client's limit).
            UpstreamError: it broke off or took too long.
        """
        limit = self._body_bytes_max if bytes_max is None else bytes_max
        declared = None if self.complete else self.header(b"content-length")
        size = 0 if declared is None else int(declared)
        parts: list[bytes] = []
        if size <= limit:
            size = 0
            while size <= limit and (piece := await self.chunk()):
                size += len(piece)
                parts.append(piece)
        if size > limit:
            self.close()
            raise UpstreamProtocolError(f"response body over {limit} bytes")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunk(self) -> bytes:
        """Return the next piece of the body, or `b""` once, at its end.

        Raises:
            UpstreamError: it broke off or took too long; what came before was given already.
        """
        while not self._chunks:
            if self.complete:
                return b""
            try:
                await self._more()
            except BaseException:
                self.close()
                raise
        chunks = self._take()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the body in pieces as they arrive; leaving early closes the connection."""
        try:
            while piece := await self.chunk():
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Give the exchange up; closes the connection unless the response is complete."""
        if not self.complete and self._link is not None:
            self._link.abort()

    # --- what the connection calls -----------------------------------------------------------

    def bind(self, link: Link) -> None:
        """Name the connection that carries this exchange."""
        self._link = link

    def wait_head(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """Return the future that ends with the head, or with the error instead of it."""
        self._head_waiter = waiter = loop.create_future()
        return waiter

    def head_arrived(self) -> None:
        """Wake the caller: status and headers are set."""
        waiter = self._head_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def feed(self, data: bytes) -> bool:
        """Keep a piece of the body; True when reading should pause."""
        self._chunks.append(data)
        self.buffered_bytes += len(data)
        self._wake()
        return self.buffered_bytes >= self._paused_above

    def finish(self) -> None:
        """Mark the last byte as arrived."""
        self.complete = True
        self._link = None
        self._wake()
        self._ended()

    def fail(self, error: UpstreamError) -> None:
        """End with *error*, in whichever phase the exchange is."""
        if self.complete or self._error is not None:
            return
        self._error = error
        self._link = None
        waiter = self._head_waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self._wake()
        self._ended()

    # --- inside ------------------------------------------------------------------------------

    def _take(self) -> list[bytes]:
        chunks = self._chunks
        if chunks:
            self._chunks = []
            if self.buffered_bytes >= self._paused_above and self._link is not None:
                self._link.resume()
            self.buffered_bytes = 0
        return chunks

    async def _more(self) -> None:
        """Wait until something changes: a piece, the end or an error."""
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _ended(self) -> None:
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()
