"""Log records as JSON lines, and when they are written.

Lines of one turn of the event loop leave in one write, at the end of that turn: a write for each
line costs more than making the line. Errors, lines from threads and lines outside a loop take
what is waiting with them at once; so does the end of the process.
"""

import asyncio
import atexit
import os
import sys
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

PENDING_MAX_LINES = 1000

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
RESERVED = frozenset(
    {"timestamp", "level", "event", "service.name", "logger", "trace_id", "span_id",
     "correlation_id"}
)  # fmt: skip

Write = Callable[[bytes], object]
_encode = msgspec.json.Encoder(enc_hook=str).encode


def write_stdout(lines: bytes) -> None:
    """Write complete lines to standard output at once, past any text layer's buffer."""
    try:
        number = sys.stdout.fileno()
        view = memoryview(lines)
        while view:
            view = view[os.write(number, view) :]
    except (OSError, ValueError):
        # No reader, a full disk or a captured stdout: logging never breaks the service.
        _write_captured(lines)


def _write_captured(lines: bytes) -> None:
    try:
        sys.stdout.write(lines.decode())
        sys.stdout.flush()
    except (OSError, ValueError):
        return


class Sink:
    """Where this process's log lines go.

    Attributes:
        service_name: Written into every line.
        threshold: Records below this standard-library level are dropped first of all.
    """

    __slots__ = ("_loop", "_pending", "_write", "service_name", "threshold")

    def __init__(
        self,
        service_name: str = "unknown_service",
        *,
        level: str = "info",
        write: Write = write_stdout,
    ) -> None:
        """Make a sink; *write* takes complete, encoded lines.

        Raises:
            ValueError: *level* is not debug, info, warning, error or critical.
        """
        if level.lower() not in LEVELS:
            raise ValueError(f"log level {level!r} is not one of {', '.join(LEVELS)}")
        self.service_name = service_name
        self.threshold = LEVELS[level.lower()]
        self._write = write
        self._pending: deque[bytes] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that will flush

    def take(self, line: dict[str, Any], *, urgent: bool) -> None:
        """Write *line*, now or at the end of this turn of the loop."""
        self._pending.append(_line(line))
        if urgent or len(self._pending) >= PENDING_MAX_LINES:
            self.flush()
        else:
            self._flush_soon()

    def _flush_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if loop is not self._loop:
            self._loop = loop
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is waiting; safe from any thread."""
        self._loop = None
        lines = []
        while self._pending:
            try:
                lines.append(self._pending.popleft())
            except IndexError:  # another thread was faster
                break
        if lines:
            self._write(b"".join(lines))


def _line(line: dict[str, Any]) -> bytes:
    try:
        return _encode(line) + b"\n"
    except (TypeError, ValueError, RecursionError):  # a lone surrogate, for one
        return _encode({_sendable(k): _sendable(v) for k, v in line.items()}) + b"\n"


def _sendable(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


_sink = Sink()


def install(sink: Sink) -> Sink:
    """Make *sink* this process's; return the one it replaces, with nothing left in it."""
    global _sink
    replaced, _sink = _sink, sink
    replaced.flush()
    return replaced


def current_sink() -> Sink:
    """Return this process's sink."""
    return _sink


@atexit.register
def flush() -> None:
    """Write every line that waits for the end of a turn of the loop."""
    _sink.flush()


_instant: tuple[int, int, str, str] = (-1, -1, "", "")  # one object, for threads log too


def rfc3339(now_ns: int) -> str:
    """Write *now_ns* as RFC 3339 with milliseconds; lines of one instant share the work."""
    global _instant  # noqa: PLW0603 - a cache of one
    now_ms = now_ns // 1_000_000
    known_ms, known_second, day, text = _instant
    if now_ms == known_ms:
        return text
    second, ms = divmod(now_ms, 1000)
    if second != known_second:
        day = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    text = f"{day}.{ms:03d}Z"
    _instant = (now_ms, second, day, text)
    return text
