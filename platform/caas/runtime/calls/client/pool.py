"""The connections to one origin: bounded, last used first, checked for age and deadlines.

One timer for the whole pool watches every deadline, instead of two timers for each request:
arming and cancelling those costs more than the rest of a small exchange. Deadlines are
therefore kept to within `SWEEP_BUSY_S`.
"""

import asyncio
import ssl
from collections import deque

from caas.runtime.calls.client.connection import Connection
from caas.runtime.calls.client.errors import (
    UpstreamBusyError,
    UpstreamConnectError,
    UpstreamTimeoutError,
)
from caas.runtime.calls.client.limits import ClientLimits
from caas.runtime.time_limit import TimeLimit

SWEEP_BUSY_S = 0.02
SWEEP_IDLE_S = 1.0

_Waiter = asyncio.Future[Connection | None]


class Pool:
    """Connections to one origin.

    Attributes:
        origin: `host:port`, for messages.
        opened: Connections made so far, for metrics and tests.
    """

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, limits: ClientLimits
    ) -> None:
        self.origin = f"{host}:{port}"
        self.opened = 0
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits
        self._connections: set[Connection] = set()
        self._connecting = 0
        self._idle: list[Connection] = []
        self._waiters: deque[tuple[_Waiter, float]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._sweeping_fast = False
        self._closed = False
        self._drained: asyncio.Future[None] | None = None

    # --- taking -----------------------------------------------------------------------------

    def take_idle(self, *, careful: bool) -> Connection | None:
        """Return an idle connection at once, or None.

        Args:
            careful: Ask the kernel first whether the peer has closed; for requests that can't
                be repeated.
        """
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.usable:
                if not (careful and connection.peer_has_closed()):
                    return connection
                connection.abort()
        return None

    async def take(self, due: float, *, fresh: bool, careful: bool) -> Connection:
        """Return a connection, opening one or waiting for one until *due* (loop time).

        Args:
            due: When to stop waiting.
            fresh: Never an idle one; for the repetition of a request that met a dead one.
            careful: See `take_idle`.

        Raises:
            UpstreamConnectError: the peer can't be reached.
            UpstreamBusyError: all are in use until *due*, or too many wait already.
        """
        loop = self._watch()
        while True:
            connection = None if fresh else self.take_idle(careful=careful)
            if connection is not None:
                return connection
            if self._closed:
                raise UpstreamConnectError(f"the client for {self.origin} is closed")
            if fresh and self._full():
                self._drop_one_idle()
            if not self._full():
                return await self._open(loop, due)
            connection = await self._wait(loop, due)
            if connection is not None:
                return connection

    def _full(self) -> bool:
        return len(self._connections) + self._connecting >= self._limits.connections_max

    def _drop_one_idle(self) -> None:
        if self._idle:
            self._idle.pop(0).abort()

    async def _open(self, loop: asyncio.AbstractEventLoop, due: float) -> Connection:
        timeout_s = max(0.0, min(self._limits.connect_s, due - loop.time()))
        self._connecting += 1
        try:
            async with TimeLimit(timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, loop, self.origin, self._limits),
                    self._host,
                    self._port,
                    ssl=self._tls,
                )
        except TimeoutError:
            raise UpstreamConnectError(
                f"{self.origin} not connected within {timeout_s:.3f} s"
            ) from None
        except OSError as error:
            raise UpstreamConnectError(
                f"{self.origin} can't be reached: {type(error).__name__}"
            ) from None
        finally:
            self._connecting -= 1
            if not self._full():
                self._wake_one()
        self.opened += 1
        self._connections.add(connection)
        return connection

    async def _wait(self, loop: asyncio.AbstractEventLoop, due: float) -> Connection | None:
        """Queue for a connection; None means that a place to open one became free."""
        if len(self._waiters) >= self._limits.waiters_max:
            raise UpstreamBusyError(f"{len(self._waiters)} requests wait for {self.origin}")
        waiter: _Waiter = loop.create_future()
        self._waiters.append((waiter, due))
        try:
            return await waiter
        except asyncio.CancelledError:
            # Cancelled after it was served: what it got goes to the next in line.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                connection = waiter.result()
                if connection is None:
                    self._wake_one()
                elif connection.usable:
                    self.idle_again(connection)
            raise

    def _wake_one(self, connection: Connection | None = None) -> bool:
        while self._waiters:
            waiter, _ = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    # --- what connections report ------------------------------------------------------------

    def idle_again(self, connection: Connection) -> None:
        """Hand the connection to the longest waiter, or keep it."""
        if self._closed:
            connection.abort()
        elif not self._waiters or not self._wake_one(connection):
            self._idle.append(connection)

    def gone(self, connection: Connection) -> None:
        """Forget a closed connection; its place is free for a waiter."""
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiters:
            self._wake_one()
        drained = self._drained
        if drained is not None and not drained.done() and not self.in_use:
            drained.set_result(None)

    # --- watching ---------------------------------------------------------------------------

    def _watch(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        return loop

    def watch_deadlines(self) -> None:
        """Make sure that the timer runs at its fast pace."""
        if not self._sweeping_fast:
            self._schedule(SWEEP_BUSY_S, fast=True)

    def _schedule(self, delay_s: float, *, fast: bool) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweeping_fast = fast
        self._sweep = self._watch().call_later(delay_s, self._on_sweep)

    def _on_sweep(self) -> None:
        self._sweep = None
        now = self._watch().time()
        busy = self._expire_exchanges(now)
        busy = self._expire_waiters(now) or busy
        self._expire_idle(now)
        if busy:
            self._schedule(SWEEP_BUSY_S, fast=True)
        else:
            self._sweeping_fast = False
            if self._connections:
                self._schedule(SWEEP_IDLE_S, fast=False)

    def _expire_exchanges(self, now: float) -> bool:
        busy = False
        for connection in tuple(self._connections):
            exchange = connection.exchange
            if exchange is None or exchange.complete:
                continue
            busy = True
            due = exchange.due if exchange.status else min(exchange.head_due, exchange.due)
            if now >= due:
                what = "body" if exchange.status else "answer"
                connection.give_up(UpstreamTimeoutError(f"no complete {what} from {self.origin}"))
        return busy

    def _expire_waiters(self, now: float) -> bool:
        for waiter, due in tuple(self._waiters):
            if now >= due and not waiter.done():
                waiter.set_exception(
                    UpstreamBusyError(f"no connection to {self.origin} became free in time")
                )
        while self._waiters and self._waiters[0][0].done():
            self._waiters.popleft()
        return bool(self._waiters)

    def _expire_idle(self, now: float) -> None:
        oldest = now - self._limits.idle_s
        for connection in [c for c in self._idle if c.idle_since < oldest]:
            connection.abort()

    # --- ending -----------------------------------------------------------------------------

    @property
    def in_use(self) -> int:
        """Return how many exchanges are under way."""
        return sum(1 for c in self._connections if c.exchange is not None)

    def close(self) -> None:
        """Refuse new requests and close everything that is idle."""
        self._closed = True
        for connection in tuple(self._idle):
            connection.abort()
        for waiter, _ in self._waiters:
            if not waiter.done():
                waiter.set_exception(UpstreamConnectError(f"the client for {self.origin} closes"))
        self._waiters.clear()

    async def drain(self, grace_s: float) -> None:
        """Wait until nothing is under way, at most *grace_s*."""
        if not self.in_use or grace_s <= 0:
            return
        self._drained = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(grace_s):
                await self._drained
        except TimeoutError:
            pass
        finally:
            self._drained = None

    def abort(self) -> None:
        """Close every connection, whatever it carries, and stop the timer."""
        self.close()
        for connection in tuple(self._connections):
            connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
            self._sweeping_fast = False
