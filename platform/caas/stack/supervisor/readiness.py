"""Ask services `GET /internal/ready` until each says 200, without a loop or a thread.

The supervisor forks, so it may own neither; plain sockets and a selector do.
"""

import selectors
import socket
import time

from caas.stack.ports import HOST

RETRY_S = 0.05
ANSWER_SIZE_MAX_BYTES = 16_384
CHUNK_BYTES = 4_096
HTTP_OK = 200
# Sampled out: what a supervisor asks is no one's request.
REQUEST = (
    b"GET /internal/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    b"traceparent: 00-%032x-%016x-00\r\n\r\n" % (1, 1)
)


class ReadinessProbe:
    """One service's way to ready: asks, waits for the answer, asks again.

    Attributes:
        ready: Whether it said 200.
        answer: What it said last, for the message when it never does.
    """

    def __init__(self, name: str, port: int, selector: selectors.BaseSelector) -> None:
        self.name = name
        self.ready = False
        self.answer = "no answer"
        self.retry_at = 0.0
        self._port = port
        self._selector = selector
        self._socket: socket.socket | None = None
        self._received = bytearray()

    @property
    def asking(self) -> bool:
        """Whether an answer is awaited."""
        return self._socket is not None

    def ask_when_due(self) -> None:
        """Send the request, unless one is under way or it is too early."""
        if self.ready or self._socket is not None or time.monotonic() < self.retry_at:
            return
        try:
            # The listener is the supervisor's own: this connects at once, and the answer comes
            # as soon as the service serves.
            asked = socket.create_connection((HOST, self._port), timeout=RETRY_S)
            asked.settimeout(0)
            asked.send(REQUEST)
        except OSError as error:
            self._retry(str(error))
            return
        self._socket = asked
        self._received.clear()
        self._selector.register(asked, selectors.EVENT_READ, self)

    def on_readable(self) -> None:
        """Take what the service answered."""
        if self._socket is None:
            return
        try:
            part = self._socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._retry(str(error))
            return
        self._received += part
        if part and len(self._received) < ANSWER_SIZE_MAX_BYTES:
            return
        head, _, body = bytes(self._received).partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1:2]
        self.ready = status == [str(HTTP_OK).encode()]
        said = b" ".join([*status, body]).decode(errors="replace").strip()
        self._retry(" ".join(said.split())[:300] or "an empty answer")

    def close(self) -> None:
        """Give up what is under way."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def close_copy(self) -> None:
        """Close a forked child's copy of the connection."""
        if self._socket is not None:
            self._socket.close()

    def _retry(self, answer: str) -> None:
        self.close()
        self.answer = answer
        self.retry_at = time.monotonic() + RETRY_S
