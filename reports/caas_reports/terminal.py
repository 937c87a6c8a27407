"""What commands print: it may be lost, and it never ends what they do.

The reader of a pipe leaves, the disk of a log is full, a terminal knows ASCII alone, a stream was
never open: a run goes on, and its exit code is true. Control characters are shown.
"""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from io import TextIOBase
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from caas_reports.plain import ascii_only, plain


class Output(TextIOBase):
    """A text stream that loses what can't be written."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

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
        if self._stream is not None:
            try:
                try:
                    self._stream.write(text)
                except UnicodeEncodeError:
                    self._stream.write(ascii_only(text))
            except (OSError, ValueError):
                self._give_up()
        return len(text)

    def flush(self) -> None:
        """Send what was written, or lose it."""
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
        stream = sys.stderr if stderr else sys.stdout
        super().__init__(file=Output(stream), **options)  # type: ignore[arg-type]

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
