"""Read the logs of a stack: several files as one stream, by time, filtered by trace."""

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from caas.stack.errors import StackError
from caas.stack.state.log_files import rotated

FOLLOW_INTERVAL_S = 0.2
SHOWN_ELSEWHERE = frozenset(
    {"timestamp", "level", "message", "event", "service.name", "trace_id", "span_id"}
)
TRACE_SHOWN_CHARS = 8


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of one file; `entry` is empty when it is not a JSON object."""

    timestamp: str
    source: str
    text: str
    entry: dict[str, Any]


def log_paths(logs: Path, service: str | None) -> dict[str, Path]:
    """Return the log files by service: one, or all services' (not the data servers').

    Raises:
        StackError: There is none of that name, or none at all.
    """
    every = {path.stem: path for pattern in ("*.log", "*.jsonl") for path in logs.glob(pattern)}
    chosen = {
        name: path
        for name, path in sorted(every.items())
        if (name == service if service else path.suffix == ".jsonl")
    }
    if not chosen:
        there = ", ".join(sorted(every)) or "none"
        raise StackError(f"no log of {service or 'any service'} in {logs}; there is: {there}")
    return chosen


def read_merged(paths: dict[str, Path]) -> Iterator[LogLine]:
    """Yield the lines of all files by time; lines without a time stay behind their precursor."""
    streams = [_read_file(name, (rotated(path), path)) for name, path in paths.items()]
    return heapq.merge(*streams, key=lambda line: line.timestamp)


def follow(paths: dict[str, Path]) -> Iterator[LogLine]:
    """Yield lines as they are written, from now on; never ends."""
    tails = [_Tail(name, path) for name, path in paths.items()]
    try:
        while True:
            fresh = sorted(
                itertools.chain.from_iterable(tail.read() for tail in tails),
                key=lambda line: line.timestamp,
            )
            yield from fresh
            if not fresh:
                time.sleep(FOLLOW_INTERVAL_S)
    finally:
        for tail in tails:
            tail.close()


def of_trace(trace: str | None) -> Callable[[LogLine], bool]:
    """Return a filter on trace id, a prefix of it, or correlation id; None lets all pass."""
    if trace is None:
        return lambda _line: True
    wanted = trace.lower()

    def matches(line: LogLine) -> bool:
        found = str(line.entry.get("trace_id", ""))
        return found.startswith(wanted) or line.entry.get("correlation_id") == trace

    return matches


def render(line: LogLine) -> str:
    """Write a line for people: time, level, service, message, the rest as key=value."""
    entry = line.entry
    if not entry:
        return f"{line.source}: {line.text}"
    message = entry.get("message", entry.get("event", ""))
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in SHOWN_ELSEWHERE)
    trace = str(entry.get("trace_id") or "")[:TRACE_SHOWN_CHARS]
    level = str(entry.get("level", "")).upper()
    clock = line.timestamp[11:23]
    parts = (clock, f"{level:<8}", f"{line.source:<20}", trace, str(message), rest)
    return " ".join(part for part in parts if part)


def _read_file(source: str, paths: Iterable[Path]) -> Iterator[LogLine]:
    latest = ""
    for path in paths:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            for raw in file:
                line = _parse(source, raw, latest)
                latest = line.timestamp
                yield line


def _parse(source: str, raw: bytes, latest: str) -> LogLine:
    text = raw.decode(errors="replace").rstrip("\n")
    try:
        entry = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        entry = None
    if not isinstance(entry, dict):
        return LogLine(timestamp=latest, source=source, text=text, entry={})
    timestamp = entry.get("timestamp")
    moment = timestamp if isinstance(timestamp, str) else latest
    return LogLine(timestamp=moment, source=source, text=text, entry=entry)


class _Tail:
    """The end of one growing file; goes on in the new file when it is moved aside."""

    def __init__(self, source: str, path: Path) -> None:
        self._source = source
        self._path = path
        self._file: IO[bytes] | None = None
        self._latest = ""
        self._rest = b""
        self._open(at_end=True)

    def read(self) -> Iterator[LogLine]:
        if self._file is None:
            self._open(at_end=False)
        if self._file is None:
            return
        yield from self._complete_lines(self._file)
        if self._moved(self._file):
            yield from self._complete_lines(self._file)
            self._file.close()
            self._open(at_end=False)

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _complete_lines(self, file: IO[bytes]) -> Iterator[LogLine]:
        *whole, self._rest = (self._rest + file.read()).split(b"\n")
        for raw in whole:
            line = _parse(self._source, raw, self._latest)
            self._latest = line.timestamp
            yield line

    def _moved(self, file: IO[bytes]) -> bool:
        try:
            return self._path.stat().st_ino != Path(f"/dev/fd/{file.fileno()}").stat().st_ino
        except FileNotFoundError:
            return False

    def _open(self, *, at_end: bool) -> None:
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            self._file = None
            return
        if at_end:
            self._file.seek(0, 2)
