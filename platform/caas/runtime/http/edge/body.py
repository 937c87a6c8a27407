"""The request's body and the client's presence: one reader of ASGI's receive channel.

Only one coroutine may read the channel at a time, yet three want to: the handler its body, a
streaming answer and the watcher the disconnect. They all go through an `Inbound`.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import takewhile
from typing import Any

from litestar.types import Receive

from caas.runtime.http.edge.limits import BODY_MAX_BYTES, too_large
from caas.runtime.http.edge.patience import Patience
from caas.runtime.http.problems import RefusalError

BODY_READ_MAX_S = 20.0
BODY_STALL_MAX_S = 30.0  # between two pieces of a body that is handed on as it arrives
WATCH_AFTER_S = 0.05  # most handlers end before, and then no task is ever made

_NO_BODY = {"type": "http.request", "body": b"", "more_body": False}
_GONE = {"type": "http.disconnect"}

_reading = Patience(BODY_READ_MAX_S)
_stalling = Patience(BODY_STALL_MAX_S)


class Inbound:
    """Reads one request's messages.

    Attributes:
        gone: Whether the client has left.
    """

    __slots__ = (
        "_complete", "_keeper", "_left", "_listener", "_overdue", "_receive", "_watched", "gone",
    )  # fmt: skip

    def __init__(self, receive: Receive, *, has_body: bool, declared: int = -1) -> None:
        """Begin; *declared* is the body's length, negative when nobody said."""
        self._receive = receive
        # Without a body nothing is read, unless somebody waits for the disconnect.
        self._complete = not has_body
        # With the last byte the body has ended: asking for more costs a way to the server's
        # thread and back.
        self._left = declared
        self._listener: asyncio.Task[None] | None = None
        self._keeper: WatchKeeper | None = None
        self._watched: asyncio.Task[Any] | None = None
        self._overdue = False
        self.gone = False

    async def read(self, size_max_bytes: int = BODY_MAX_BYTES) -> bytes:
        """Return the whole body.

        Raises:
            RefusalError: 413 as soon as it grows over the limit, 408 when it takes longer than
                `BODY_READ_MAX_S`, 400 when it ends early or its chunks are malformed.
        """
        if self._complete:
            return b""
        try:
            with _reading:
                first = await self._next()
                if self._complete and len(first) <= size_max_bytes:
                    return first
                pieces, size = [first], len(first)
                while not self._complete and size <= size_max_bytes:
                    pieces.append(await self._next())
                    size += len(pieces[-1])
        except TimeoutError:
            raise RefusalError(408, "The body did not arrive in time") from None
        if size > size_max_bytes:
            raise too_large(size_max_bytes)
        return b"".join(pieces)

    async def stream(self, size_max_bytes: int = BODY_MAX_BYTES) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            RefusalError: As `read` does, save that each piece has `BODY_STALL_MAX_S`.
        """
        size = 0
        while not self._complete:
            try:
                with _stalling:
                    piece = await self._next()
            except TimeoutError:
                raise RefusalError(408, "The body did not arrive in time") from None
            size += len(piece)
            if size > size_max_bytes:
                raise too_large(size_max_bytes)
            if piece:
                yield piece

    async def _next(self) -> bytes:
        message: Any = await self._receive()
        if message["type"] == "http.disconnect":
            # The server says the same for a malformed chunk, with the client still there.
            raise RefusalError(400, "The body ended early", code="bad_framing")
        piece: bytes = message.get("body", b"")
        self._left -= len(piece)
        if self._left == 0 or not message.get("more_body", False):
            self._complete = True
            if self._overdue:
                self.start_watching()
        return piece

    def hand_over(self, body: bytes) -> Receive:
        """Return a receive channel that gives *body* first, then waits for the disconnect."""
        first = {"type": "http.request", "body": body, "more_body": False} if body else _NO_BODY
        given = False

        async def receive() -> Any:
            nonlocal given
            if not given:
                given = True
                return first
            await self.wait_gone()
            return _GONE

        return receive

    async def wait_gone(self) -> None:
        """Return when the client has left; any number of callers may wait."""
        if self._listener is None:
            self._listener = asyncio.get_running_loop().create_task(self._listen())
        await asyncio.shield(self._listener)

    def watch(self, keeper: "WatchKeeper") -> None:
        """Cancel the current task when the client leaves before `close` is called."""
        self._watched = asyncio.current_task()
        keeper.add(self)
        self._keeper = keeper

    def close(self) -> None:
        """Stop watching; nothing of this request runs on."""
        self._watched = None
        if self._keeper is not None:
            self._keeper.discard(self)
        if self._listener is not None:
            self._listener.cancel()

    def start_watching(self) -> None:
        """Listen from now on, or once the body is complete."""
        self._overdue = True
        # A handler that still reads its body learns of a disconnect there.
        if self._complete and self._listener is None and self._watched is not None:
            self._listener = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        self.gone = True
        if self._watched is not None:
            self._watched.cancel()


class WatchKeeper:
    """Starts the watching of requests that run longer than `WATCH_AFTER_S`.

    One timer for all of them: a timer for each request costs more than most requests' own work.
    """

    __slots__ = ("_armed", "_young")

    def __init__(self) -> None:
        self._young: dict[Inbound, float] = {}  # in order of their start
        self._armed = False

    def add(self, inbound: Inbound) -> None:
        """Watch *inbound* once it is old enough."""
        self._young[inbound] = time.monotonic()
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._sweep)

    def discard(self, inbound: Inbound) -> None:
        """Forget *inbound*; it has ended."""
        self._young.pop(inbound, None)

    def _sweep(self) -> None:
        due = time.monotonic() - WATCH_AFTER_S
        old = list(takewhile(lambda inbound: self._young[inbound] <= due, self._young))
        for inbound in old:
            del self._young[inbound]
            inbound.start_watching()
        self._armed = bool(self._young)
        if self._armed:
            asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._sweep)
