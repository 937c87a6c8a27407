"""Server-sent events, read one by one as they arrive (WHATWG HTML, 9.2.6)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import msgspec

from caas_conformance.authoring.evidence import MISSING, Value
from caas_conformance.errors import CaseStoppedError
from caas_conformance.wire.answer import Answer, ExchangeRecord
from caas_conformance.wire.client import ServiceClient
from caas_conformance.wire.connection import connect

OPEN_TIMEOUT_S = 10.0
EVENT_TIMEOUT_S = 10.0
EVENTS_MAX = 10_000
EVENT_BYTES_MAX = 1024 * 1024


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


class EventParser:
    """Turns bytes, cut anywhere, into events and comments."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False
        self._name = ""
        self._data: list[str] = []
        self._last_id = ""

    def feed(self, piece: bytes) -> list[tuple[str, str, str, str]]:
        """Return what *piece* completes: (kind, name, data, id), kind `event` or `comment`."""
        text = self._rest + piece
        if not self._started and len(text) >= len(b"\xef\xbb\xbf"):
            text = text.removeprefix(b"\xef\xbb\xbf")
            self._started = True
        # A carriage return at the very end may be half of a line end.
        held = b"\r" if text.endswith(b"\r") else b""
        text = text.removesuffix(b"\r")
        lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + held
        found = []
        for line in lines:
            completed = self._line(line.decode("utf-8", "replace"))
            if completed is not None:
                found.append(completed)
        return found

    def _line(self, line: str) -> tuple[str, str, str, str] | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return ("comment", "", line[1:].removeprefix(" "), self._last_id)
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._last_id = value
        return None

    def _dispatch(self) -> tuple[str, str, str, str] | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return ("event", name, "\n".join(data), self._last_id) if data else None


class EventStream:
    """An open stream: `answer` for status and headers, then one event after the other.

    Attributes:
        answer: Status and headers; it has no body.
        ended: Whether the service closed the stream.
    """

    def __init__(self, client: ServiceClient, record: ExchangeRecord) -> None:
        self.answer: Answer = Answer(record)
        self.ended = False
        self._client = client
        self._record = record
        self._parser = EventParser()
        self._events: deque[ServerEvent] = deque()
        self._news = asyncio.Event()

    @property
    def error(self) -> Value:
        """How the stream broke off; an empty text when it did not."""
        return Value("stream.error", self._record.error, self._record.id)

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

    def on_piece(self, piece: bytes | None) -> None:
        """Take a piece of the body; nothing stands for the headers and for the end."""
        now = perf_counter()
        if piece is None:
            self.ended = bool(self._record.ended_at)
        elif len(self._record.events) < EVENTS_MAX:
            for kind, name, data, event_id in self._parser.feed(piece):
                content = data.encode()[:EVENT_BYTES_MAX]
                self._record.events.append((now, "received", kind, name, content))
                self._record.body_bytes += len(content)
                if kind == "event":
                    at_ms = (now - self._record.started_at) * 1000
                    self._events.append(
                        ServerEvent(name, data, event_id, round(at_ms, 3), self._record.id)
                    )
        self._news.set()

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
    try:
        connection = await connect(client.endpoint.origin)
        record.connected_at = perf_counter()
        stream.answer = connection.begin(message, record, head_only=False, on_piece=stream.on_piece)
        try:
            await stream.opened(OPEN_TIMEOUT_S)
        except TimeoutError:
            record.error = f"no answer within {OPEN_TIMEOUT_S:g} s"
    finally:
        client.wire.left(perf_counter())
    record.status = stream.answer.status
    record.response_headers = stream.answer.headers
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
