"""What a supervisor tells the command that started it, one JSON line at a time."""

import os
from collections.abc import Iterator

import msgspec

from caas.stack.state.directory import StackFile

LINE_SIZE_MAX_BYTES = 1_048_576
CHUNK_BYTES = 65_536


class StepStarted(msgspec.Struct, frozen=True, tag="step_started"):
    """A stage of the start begins."""

    name: str


class StepDone(msgspec.Struct, frozen=True, tag="step_done"):
    """A stage of the start is over."""

    name: str
    elapsed_ms: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Every service is ready; this is where they are."""

    stack: StackFile


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    """Something an operator wants to know, such as a restart."""

    level: str
    message: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The stack could not start; the message says what to do."""

    message: str


StackEvent = StepStarted | StepDone | Ready | Notice | Failed


class EventSender:
    """The supervisor's end of the pipe; sending to nobody is no error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def send(self, event: StackEvent) -> bool:
        """Send one event; return False when nobody listens (any more)."""
        if self._descriptor is None:
            return False
        try:
            os.write(self._descriptor, msgspec.json.encode(event) + b"\n")
        except BrokenPipeError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Stop talking; the reader sees the end."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_events(descriptor: int) -> Iterator[StackEvent]:
    """Yield events until the sender closes.

    Raises:
        msgspec.DecodeError: A line is no event.
    """
    pending = bytearray()
    while part := os.read(descriptor, CHUNK_BYTES):
        pending += part
        *lines, rest = pending.split(b"\n")
        pending = bytearray(rest[:LINE_SIZE_MAX_BYTES])
        for line in lines:
            yield msgspec.json.decode(line, type=StackEvent)
