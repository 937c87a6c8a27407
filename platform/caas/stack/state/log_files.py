"""Log files with a bound: written by many descriptors, moved aside when full."""

import os
from pathlib import Path

from caas.stack.state.directory import PRIVATE_FILE_MODE


def rotated(path: Path) -> Path:
    """Return where a full log file goes; the one before it is dropped."""
    return path.with_name(f"{path.name}.1")


class LogFile:
    """A log that this process's own descriptors point to.

    Attributes:
        path: The file; the one before it is `<path>.1`.
    """

    def __init__(self, path: Path, *, size_max_bytes: int) -> None:
        self.path = path
        self._size_max_bytes = size_max_bytes
        self._descriptors: tuple[int, ...] = ()

    def redirect(self, *descriptors: int) -> None:
        """Point the *descriptors* (1 and 2, as a rule) to the file."""
        self._descriptors = descriptors
        fresh = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE_MODE)
        for descriptor in descriptors:
            os.dup2(fresh, descriptor)
        os.close(fresh)

    def rotate_when_full(self) -> bool:
        """Move the file aside once it is over its limit; no line is lost or split."""
        if move_when_full(self.path, size_max_bytes=self._size_max_bytes):
            # A write lands whole in the old file or in the new one: dup2 is atomic.
            self.redirect(*self._descriptors)
            return True
        return False


def move_when_full(path: Path, *, size_max_bytes: int) -> bool:
    """Rename *path* to its `.1` when it is over the limit; tell whether it was."""
    try:
        if path.stat().st_size <= size_max_bytes:
            return False
        path.replace(rotated(path))
    except FileNotFoundError:
        return False
    return True
