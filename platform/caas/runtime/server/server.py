"""Listens, keeps the connections in bounds and in time, and ends in order."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from email.utils import formatdate
from functools import partial
from ipaddress import ip_network
from types import coroutine
from typing import Any

from caas.runtime.identity.peers import parse_address, site_of
from caas.runtime.server.connection import ServerConnection
from caas.runtime.server.exchange import Exchange, Running
from caas.runtime.server.limits import ServerLimits
from caas.runtime.tasks import end_tasks

SWEEP_S = 0.5
BACKLOG = 1_024


class HttpServer:
    """Serves one ASGI application over HTTP/1.1; its lifespan is driven elsewhere.

    Args:
        app: The ASGI application. If it has a method `runs_at_once(scope)`, then a request that
            is completely here and for which that is true runs up to its first wait without a
            task of its own: the way of requests that never wait, at a tenth less CPU.
        limits: What clients are allowed.

    Attributes:
        stopping: No further request is taken.
        date_line: The `date` header (RFC 9110, 6.6.1), at most `SWEEP_S` old.
    """

    def __init__(self, app: Callable[..., Any], limits: ServerLimits | None = None) -> None:
        self.app = app
        self.limits = limits or ServerLimits()
        self.stopping = False
        self.loop: asyncio.AbstractEventLoop
        self._connections: dict[ServerConnection, str] = {}  # with the site that each counts for
        self._by_site: Counter[str] = Counter()
        self._shared = tuple(map(ip_network, self.limits.shared_addresses))
        self._running: Running = {}
        self._runs_at_once = getattr(app, "runs_at_once", _never)
        self._listener: asyncio.Server | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._one_closed: asyncio.Event | None = None  # while stopping
        self.date_line = b""

    async def start(self, listener: socket.socket) -> None:
        """Accept connections of *listener*, which belongs to the server from now on."""
        self.loop = asyncio.get_running_loop()
        self._listener = await self.loop.create_server(
            lambda: ServerConnection(self), sock=listener, backlog=BACKLOG
        )
        self._on_sweep()

    async def stop(self, *, grace_s: float) -> None:
        """Refuse new connections, wait up to *grace_s* for what is under way, close the rest."""
        self.stopping = True
        if self._listener is None:
            return
        self._listener.close()
        for connection in tuple(self._connections):
            connection.stop()
        ends_at = self.loop.time() + grace_s
        if self._running and grace_s > 0:
            await asyncio.wait(self._running.values(), timeout=grace_s)
        await end_tasks(self._running.values())
        await self._flushed(ends_at)
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # transports report their end in the loop's next round
        if self._sweep is not None:
            self._sweep.cancel()

    async def _flushed(self, ends_at: float) -> None:
        """Wait until every connection has handed its last answer to the kernel and closed."""
        while self._connections and self.loop.time() < ends_at:
            self._one_closed = asyncio.Event()
            left_s = max(0.0, ends_at - self.loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._one_closed.wait()

    # --- what connections call --------------------------------------------------------------

    def opened(self, connection: ServerConnection) -> bool:
        """Take the connection in; False when there are too many, in all or of its client."""
        limits = self.limits
        if len(self._connections) >= limits.connections_max or self.stopping:
            return False
        site = self._site_of(connection)
        if site:
            if self._by_site[site] >= limits.connections_per_address_max:
                return False
            self._by_site[site] += 1
        self._connections[connection] = site
        return True

    def closed(self, connection: ServerConnection) -> None:
        """Forget the connection."""
        site = self._connections.pop(connection, "")
        if site:
            self._by_site[site] -= 1
            if not self._by_site[site]:
                del self._by_site[site]
        if self._one_closed is not None:
            self._one_closed.set()

    def _site_of(self, connection: ServerConnection) -> str:
        """Return whose connections are counted together; empty when they are not."""
        client = connection.client
        address = None if client is None else parse_address(client[0])
        if client is None or address is None or any(address in net for net in self._shared):
            return ""
        return site_of(client[0])

    def begun(self, exchange: Exchange, *, at_once: bool) -> None:
        """Run the exchange in a task; or, *at_once* and if the application likes, right now."""
        work = exchange.run(self.app, self._running)
        if not (at_once and self._runs_at_once(exchange.scope)):
            self._running[exchange] = self.loop.create_task(work)
            return
        context = copy_context()
        try:
            waits_for = context.run(work.send, None)
        except StopIteration:
            return
        rest = _rest_of(work, waits_for)
        self._running[exchange] = self.loop.create_task(rest, context=context)

    def _on_sweep(self) -> None:
        self.date_line = f"date: {formatdate(usegmt=True)}".encode()
        now = self.loop.time()
        for connection in tuple(self._connections):
            connection.expire(now)
        self._sweep = self.loop.call_later(SWEEP_S, self._on_sweep)


def _never(_scope: Any) -> bool:
    return False


@coroutine
def _rest_of(work: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Go on in a task with what began outside of one and now waits for a future."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 - a cancellation goes where it belongs
            step = partial(work.throw, error)
        else:
            step = partial(work.send, sent)
        try:
            waits_for = step()
        except StopIteration:
            return
