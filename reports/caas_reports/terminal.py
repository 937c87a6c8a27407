"""What commands print: it may be lost, and it never ends what they do.

The reader of a pipe leaves, the disk of a log is full, a terminal knows ASCII alone, a stream was
never open: a run goes on, and its exit code is true. Control characters are shown.
"""

import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOBase
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from caas_reports.plain import ascii_only, plain

PIECES_MAX = 10_000
"""Lines, or pictures of a table, that wait for a reader; what comes then is lost."""


class Output(TextIOBase):
    """A text stream that loses what can't be written."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream
        self._aside: queue.Queue[str | None] | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind it."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """Return the descriptor behind it.

        Raises:
            OSError: There is none.
        """
        if self._stream is None:
            raise OSError("closed")
        return self._stream.fileno()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Write, or lose, the text."""
        if self._aside is None:
            self._write(text)
        else:
            with suppress(queue.Full):
                self._aside.put_nowait(text)
        return len(text)

    def _write(self, text: str) -> None:
        if self._stream is not None:
            try:
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    self._stream.write(ascii_only(text))
            except (OSError, ValueError):
                self._give_up()

    def flush(self) -> None:
        """Send what was written, or lose it."""
        if self._aside is None:
            self._flush()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Write in a thread meanwhile, so that a reader who does not read holds up nobody."""
        pieces: queue.Queue[str | None] = queue.Queue(PIECES_MAX)
        writer = threading.Thread(target=self._write_all, args=(pieces,), daemon=True)
        writer.start()
        self._aside = pieces
        try:
            yield
        finally:
            self._aside = None
            pieces.put(None)
            writer.join()

    def _write_all(self, pieces: "queue.Queue[str | None]") -> None:
        while (text := pieces.get()) is not None:
            self._write(text)
            self._flush()

    def _flush(self) -> None:
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._give_up()

    def _give_up(self) -> None:
        """Let what is left in buffers go nowhere, or Python would complain about it at exit."""
        stream, self._stream = self._stream, None
        with suppress(OSError, ValueError):
            if stream is not None:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


class Terminal(Console):
    """A console on standard output or error that shows control characters and can't fail."""

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        self.output = Output(sys.stderr if stderr else sys.stdout)
        super().__init__(file=self.output, **options)  # type: ignore[arg-type]

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render, with the control characters of texts made visible."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(plain(text), style)


def echo(text: str, *, err: bool = False) -> None:
    """Print a line; control characters are shown, and what can't be written is lost."""
    output = Output(sys.stderr if err else sys.stdout)
    output.write(plain(text) + "\n")
    output.flush()
