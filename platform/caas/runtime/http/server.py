"""granian inside of this process and on a listener that is open already: how `caas up` serves.

Containers start the same server by its command line (docs/running.md), with the same options.
"""

import asyncio
import gc
import socket
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder  # type: ignore[attr-defined]  # a name of its own here
from granian.server.embed import Server

from caas.runtime.tasks import end_tasks

BACKLOG = 1_024
CONNECTIONS_MAX = 8_192  # served at once; more wait in the backlog
IDLE_MAX_MS = 60_000  # from an answer to the end of the next head; the most that granian takes
READ_BUFFER_MAX_BYTES = 65_536  # also of a head, about; the edge tells its own, lower limits
ABORT_MAX_S = 2.0
_IS_UDS = False
_REQUEST = "future_watcher"  # the coroutine that runs the application once


class EmbeddedServer(Server):
    """Serve one ASGI application by HTTP/1.1; its lifespan is the caller's.

    Args:
        app: The application; started already when `start` is called.
        listener: Belongs to the server from now on.
    """

    def __init__(self, app: Any, listener: socket.socket) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backpressure=CONNECTIONS_MAX,
            http1_settings=HTTP1Settings(
                header_read_timeout=IDLE_MAX_MS, max_buffer_size=READ_BUFFER_MAX_BYTES
            ),
            # It would write texts of exceptions; what is worth a line the edge has logged.
            log_enabled=False,
        )
        self._listener = listener
        self.serving: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Accept connections; the task ends when nothing is served any more."""
        self.serving = asyncio.get_running_loop().create_task(self.serve())
        return self.serving

    async def close(self, *, grace_s: float) -> None:
        """Refuse new connections, wait up to *grace_s* for what is under way, cancel the rest."""
        if self.serving is None:
            return
        self.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait([self.serving], timeout=grace_s)
        if not self.serving.done():
            await end_tasks(_requests())
            await asyncio.wait([self.serving], timeout=ABORT_MAX_S)

    def _init_shared_socket(self) -> None:
        """Take the listener instead of binding one: granian's own way to share sockets."""
        # The stub of its constructor has no arguments.
        self._shd: Any = SocketHolder(self._listener.detach(), _IS_UDS, BACKLOG)  # type: ignore[call-arg]


def freeze_heap() -> None:
    """Have the collector look only at what is made from now on.

    Looking at all modules and routes again takes it a tenth of a second, in which nobody is served.
    """
    gc.collect()
    gc.freeze()


def _requests() -> list[asyncio.Task[Any]]:
    """Return the tasks in which granian runs the application, one a request."""
    return [t for t in asyncio.all_tasks() if getattr(t.get_coro(), "__name__", "") == _REQUEST]
