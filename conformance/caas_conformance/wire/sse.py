"""Server-sent events, read one by one as they arrive (WHATWG HTML, 9.2.6)."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import msgspec

from caas_conformance.errors import CaseStoppedError
from caas_conformance.wire.answer import Answer, ExchangeRecord
from caas_conformance.wire.client import ServiceClient
from caas_conformance.wire.connection import connect
from caas_conformance.wire.evidence import MISSING, Value

OPEN_TIMEOUT_S = 10.0
EVENT_TIMEOUT_S = 10.0
EVENTS_MAX = 10_000
EVENT_CHARS_MAX = 4 * 1024 * 1024
LINE_BYTES_MAX = 1024 * 1024
LINE_END = re.compile(rb"\r\n|\r|\n")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerEvent(msgspec.Struct, frozen=True):
    """One event as it was dispatched; `at_ms` is from the start of its stream."""

    name: str
    data: str
    id: str
    at_ms: float
    exchange_id: str

    @property
    def exchange(self) -> str:
        """Id of the stream it came on, which makes it evidence."""
        return self.exchange_id

    @property
    def json(self) -> Value:
        """Its data as JSON; missing when it is none."""
        try:
            decoded: Any = msgspec.json.decode(self.data)
        except (msgspec.DecodeError, RecursionError):
            decoded = MISSING
        return Value(f"event.{self.name}", decoded, self.exchange_id)

    @property
    def text(self) -> Value:
        """Its data as it came."""
        return Value(f"event.{self.name}.data", self.data, self.exchange_id)


class StreamLimitError(Exception):
    """The stream holds more than the harness takes; its text says of what."""


class EventParser:
    """Turns bytes, cut anywhere, into events and comments; looks at each byte once."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # pieces of a line that is not complete
        self._line_bytes = 0
        self._after_return = False
        self._first = True
        self._name = ""
        self._data: list[str] = []
        self._data_bytes = 0
        self._last_id = ""

    def feed(self, piece: bytes) -> list[tuple[str, str, str, str]]:
        """Return what *piece* completes: (kind, name, data, id), kind `event` or `comment`.

        Raises:
            StreamLimitError: a line is over `LINE_BYTES_MAX`, or an event over `EVENT_CHARS_MAX`.
        """
        # A carriage return ends its line at once; the line feed that may follow ends nothing.
        at = 1 if self._after_return and piece.startswith(b"\n") else 0
        if piece:
            self._after_return = piece.endswith(b"\r")
        found = []
        for end in LINE_END.finditer(piece, at):
            self._keep(piece[at : end.start()])
            at = end.end()
            completed = self._take_line()
            if completed is not None:
                found.append(completed)
        self._keep(piece[at:])
        return found

    def _keep(self, part: bytes) -> None:
        self._line_bytes += len(part)
        if self._line_bytes > LINE_BYTES_MAX:
            raise StreamLimitError(f"a line of the stream is over {LINE_BYTES_MAX} bytes")
        self._line.append(part)

    def _take_line(self) -> tuple[str, str, str, str] | None:
        line = b"".join(self._line)
        self._line.clear()
        self._line_bytes = 0
        if self._first:
            self._first = False
            line = line.removeprefix(BYTE_ORDER_MARK)
        return self._read(line.decode("utf-8", "replace"))

    def _read(self, line: str) -> tuple[str, str, str, str] | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return ("comment", "", line[1:].removeprefix(" "), self._last_id)
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data_bytes += len(value)
            if self._data_bytes > EVENT_CHARS_MAX:
                raise StreamLimitError(
                    f"an event of the stream is over {EVENT_CHARS_MAX} characters"
                )
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._last_id = value
        return None

    def _dispatch(self) -> tuple[str, str, str, str] | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._data_bytes = "", [], 0
        return ("event", name, "\n".join(data), self._last_id) if data else None


class EventStream:
    """An open stream: `answer` for status and headers, then one event after the other.

    Attributes:
        answer: Status and headers; it has no body.
        ended: Whether the service closed the stream.
        error_seen: Whether the case looked at how it broke off.
    """

    def __init__(self, client: ServiceClient, record: ExchangeRecord) -> None:
        self.answer: Answer = Answer(record)
        self.ended = False
        self.error_seen = False
        self._client = client
        self._record = record
        self._parser = EventParser()
        self._events: deque[ServerEvent] = deque()
        self._news = asyncio.Event()

    @property
    def error(self) -> Value:
        """How the stream broke off; an empty text when it did not.

        What a case does not look at is recorded as failed at its end.
        """
        self.error_seen = bool(self._record.error)
        return Value("stream.error", self._record.error, self._record.id)

    def unseen(self) -> Answer | None:
        """Return the answer when the stream broke off and the case did not look at that."""
        broken = self._record.error and self.answer.status is not None
        return self.answer if broken and not self.error_seen else None

    async def next(self, *, within_s: float = EVENT_TIMEOUT_S) -> ServerEvent | None:
        """Return the next event; None when the stream ended, or nothing came *within_s*."""
        if not self._events and not self.ended:
            self._client.wire.entered(perf_counter())
            try:
                async with asyncio.timeout(within_s):
                    while not self._events and not self.ended:
                        self._news.clear()
                        await self._news.wait()
            except TimeoutError:
                return None
            finally:
                self._client.wire.left(perf_counter())
        return self._events.popleft() if self._events else None

    async def all(self, *, within_s: float = EVENT_TIMEOUT_S) -> list[ServerEvent]:
        """Return the events up to the end of the stream, or of *within_s* for each."""
        found = []
        while (event := await self.next(within_s=within_s)) is not None:
            found.append(event)
        return found

    def on_piece(self, piece: bytes | None) -> str:
        """Take a piece of the body, and say what is wrong with it.

        Nothing stands for the headers and for the end.
        """
        now = perf_counter()
        self._news.set()
        if piece is None:
            self.ended = bool(self._record.ended_at)
            return ""
        try:
            for kind, name, data, event_id in self._parser.feed(piece):
                self._take(now, kind, name, data, event_id)
        except StreamLimitError as error:
            return str(error)
        return ""

    def _take(self, now: float, kind: str, name: str, data: str, event_id: str) -> None:
        if len(self._record.events) >= EVENTS_MAX:
            raise StreamLimitError(f"the stream has over {EVENTS_MAX} events and comments")
        content = data.encode()
        self._record.events.append((now, "received", kind, name, content))
        self._record.body_bytes += len(content)
        if kind == "event":
            at_ms = (now - self._record.started_at) * 1000
            self._events.append(ServerEvent(name, data, event_id, round(at_ms, 3), self._record.id))

    async def opened(self, timeout_s: float) -> None:
        """Wait for the headers.

        Raises:
            TimeoutError: they did not come in time.
        """
        async with asyncio.timeout(timeout_s):
            while self.answer.status is None and not self.ended:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def open_stream(
    client: ServiceClient, method: str, path: str, **options: Any
) -> AsyncIterator[EventStream]:
    """Open a stream and close its connection at the end, whether the service is done or not.

    Raises:
        EnvironmentBrokenError: nothing listens there.
        CaseStoppedError: no answer came; recorded as failed.
    """
    headers = {"accept": "text/event-stream", **(options.pop("headers", None) or {})}
    record, message = client.prepare(method, path, protocol="sse", headers=headers, **options)
    record.started_at = perf_counter()
    client.wire.entered(record.started_at)
    stream = EventStream(client, record)
    client.wire.at_close.append(stream.unseen)
    try:
        connection = await connect(client.endpoint.origin)
        record.connected_at = perf_counter()
        stream.answer = connection.begin(message, record, on_piece=stream.on_piece)
        try:
            await stream.opened(OPEN_TIMEOUT_S)
        except TimeoutError:
            record.error = f"no answer within {OPEN_TIMEOUT_S:g} s"
    finally:
        client.wire.left(perf_counter())
    record.status = stream.answer.status
    record.response_headers = stream.answer.headers
    record.trailers = stream.answer.trailers
    try:
        if stream.answer.status is None:
            client.on_unanswered(stream.answer)
            raise CaseStoppedError(f"{method} {path}: {record.error}")
        yield stream
    finally:
        kind = "end" if stream.ended else "disconnect"
        side = "received" if stream.ended else "sent"
        record.ended_at = record.ended_at or perf_counter()
        record.events.append((perf_counter(), side, kind, "", b""))
        connection.close()
