"""Signals as something a selector can wait for."""

import contextlib
import signal
import socket
from types import FrameType
from typing import Self

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHUNK_BYTES = 4_096


class StopRequestedError(BaseException):
    """Somebody asked the supervisor to stop while it was starting.

    Not an Exception: code on the way that recovers from errors must not recover from this.
    """


class SignalInbox:
    """Catch the stop signals and SIGCHLD; use as a context manager in the main thread.

    Attributes:
        stop_count: How often a stop was asked for; twice means "now".
        raising: While true, the first stop signal raises `StopRequestedError` on the spot.
    """

    def __init__(self) -> None:
        self.stop_count = 0
        self.raising = True
        self._reader, self._writer = socket.socketpair()

    def __enter__(self) -> Self:
        self._reader.settimeout(0)
        self._writer.settimeout(0)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._on_child)
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_stop)
        return self

    def __exit__(self, *_exc: object) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, *STOP_SIGNALS):
            signal.signal(number, signal.SIG_DFL)
        self.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with every signal."""
        return self._reader.fileno()

    def drain(self) -> None:
        """Forget the wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(CHUNK_BYTES):
                pass

    def close(self) -> None:
        """Close the descriptors; all that a forked child has to do."""
        self._reader.close()
        self._writer.close()

    def _on_child(self, _number: int, _frame: FrameType | None) -> None:
        """Exist, so that the signal wakes the selector."""

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_count += 1
        if self.raising and self.stop_count == 1:
            raise StopRequestedError
