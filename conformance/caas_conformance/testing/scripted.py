"""A scripted service for the runner's own tests: HTTP answers and OTLP telemetry, both to order.

Production code never imports this.
"""

import asyncio
import secrets
import socket
import struct
import threading
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import time_ns
from typing import Any, Self
from urllib.parse import urlsplit

import httptools
import msgspec

READ_BYTES_MAX = 65_536
MARKER = "caas.telemetry.marker"  # span and log record that end an export
LOST = "caas.telemetry.dropped_spans"
TRACEPARENT_PARTS = 4
REASONS = {200: "OK", 201: "Created", 204: "No Content", 401: "Unauthorized", 500: "Broken"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the service got it; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True)
class Said:
    """An answer.

    `pieces` are sent as one chunk each, as they come; the connection is closed after the last.
    `wire` replaces everything else: bytes, or packets of them as they come; `after` says what
    then becomes of the connection: `close`, `reset`, or `keep`.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: bytes | AsyncIterable[bytes] | None = None
    after: str = "close"
    pieces: AsyncIterable[bytes] | None = None


Handler = Callable[[Asked], Said | Awaitable[Said]]
Fault = Callable[[dict[str, Any], dict[str, Any]], None]


class ScriptedService:
    """Answers by its routes; `(method, path)` or a path alone, `/health` is there already.

    Attributes:
        routes: May be changed while it runs.
        asked: Every request, markers left out.
        wire_bytes: Every byte received.
        fault: Called with the span and the log record of each request before they are kept.
        lost: Records that it says it lost so far, as process `process`.
    """

    def __init__(self, name: str, *, otlp_endpoint: str | None = None) -> None:
        self.name = name
        self.routes: dict[tuple[str, str], Handler] = {}
        self.asked: list[Asked] = []
        self.wire_bytes = b""
        self.fault: Fault = lambda _span, _log: None
        self.otlp_endpoint = otlp_endpoint
        self.lost = 0
        self.process = "first"
        self.url = ""
        self.in_flight = 0
        self.in_flight_max = 0
        self._spans: list[dict[str, Any]] = []
        self._logs: list[dict[str, Any]] = []
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[Any] | None] = set()
        healthy = Said(200, {"status": "healthy", "version": "9.9.9"})
        self.routes["GET", "/health"] = lambda _: healthy

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()

    def route(self, method: str, path: str, said: Said | Handler) -> None:
        """Answer *path* with a fixed answer or a function."""
        self.routes[method, path] = said if callable(said) else lambda _: said

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The loop refers to tasks weakly: one that waits for nothing else would be collected.
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except ConnectionError:
            pass
        finally:
            self._serving.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        message = _Message()
        parser = httptools.HttpRequestParser(message)
        while not message.complete:
            data = await reader.read(READ_BYTES_MAX)
            if not data:
                return False
            self.wire_bytes += data
            try:
                parser.feed_data(data)
            except httptools.HttpParserUpgrade:
                break
            except httptools.HttpParserError:
                writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                return False
        asked = Asked(
            parser.get_method().decode(),
            urlsplit(message.url.decode("latin-1")).path,
            message.headers,
            message.body,
        )
        said = await self._answer(asked)
        if said.pieces is not None:
            await _stream(asked, said, said.pieces, writer)
            return False
        if said.wire is None:
            writer.write(_rendered(asked, said))
            await writer.drain()
            return parser.should_keep_alive()
        packets = _packet(said.wire) if isinstance(said.wire, bytes) else said.wire
        async for packet in packets:
            writer.write(packet)
            await writer.drain()
        if said.after == "reset":  # what lingers for no time is not closed, but reset
            peer: socket.socket = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        return said.after == "keep"

    async def _answer(self, asked: Asked) -> Said:
        started = time_ns()
        is_marker = asked.headers.get("tracestate") == "caas=flush"
        if not is_marker:
            self.asked.append(asked)
        handler = self.routes.get((asked.method, asked.path)) or self.routes.get(("*", asked.path))
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        try:
            said = handler(asked) if handler else Said(404, {"error": "no route"})
            if not isinstance(said, Said):
                said = await said
        finally:
            self.in_flight -= 1
        await self._record(asked, said, started, is_marker=is_marker)
        return said

    async def _record(self, asked: Asked, said: Said, started: int, *, is_marker: bool) -> None:
        context = asked.headers.get("traceparent", "").split("-")
        if len(context) != TRACEPARENT_PARTS:
            return
        _, trace_id, parent, _ = context
        span: dict[str, Any] = {
            "traceId": trace_id,
            "spanId": secrets.token_hex(8),
            "parentSpanId": parent,
            "name": MARKER if is_marker else f"{asked.method} {asked.path}",
            "kind": 1 if is_marker else 2,
            "startTimeUnixNano": str(started),
            "endTimeUnixNano": str(time_ns()),
            "attributes": _attributes(asked, {"http.request.method": asked.method}),
        }
        if is_marker:
            span["attributes"].append({"key": LOST, "value": {"intValue": str(self.lost)}})
        log = {
            "timeUnixNano": str(time_ns()),
            "severityNumber": 9,
            "severityText": "INFO",
            "body": {"stringValue": MARKER if is_marker else f"answered {said.status}"},
            "attributes": _attributes(
                asked, {"method": asked.method, "path": asked.path, "status": str(said.status)}
            ),
            "traceId": trace_id,
            "spanId": span["spanId"],
        }
        if not is_marker:
            self.fault(span, log)
        self._spans += [span] if span else []
        self._logs += [log] if log else []
        if is_marker:
            await self._export()

    async def _export(self) -> None:
        if self.otlp_endpoint is None:
            return
        spans, self._spans = self._spans, []
        logs, self._logs = self._logs, []
        process = {"service.name": self.name, "service.instance.id": self.process}
        named = [{"key": key, "value": {"stringValue": v}} for key, v in process.items()]
        resource = {"attributes": named}
        if logs:
            scope = [{"logRecords": logs}]
            await self._send("logs", {"resourceLogs": [{"resource": resource, "scopeLogs": scope}]})
        await self._send(
            "traces", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}
        )

    async def _send(self, signal: str, document: dict[str, Any]) -> None:
        target = urlsplit(self.otlp_endpoint or "")
        body = msgspec.json.encode(document)
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        writer.write(
            f"POST /v1/{signal} HTTP/1.1\r\nhost: {target.netloc}\r\n"
            f"content-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await reader.read()
        writer.close()


class _Message:
    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


class ThreadedServices:
    """Scripted services in a thread of their own, for tests that drive the command line."""

    def __init__(self, *services: ScriptedService) -> None:
        self.services = services
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        for service in self.services:
            await service.__aenter__()
        self._ready.set()
        await self._stop.wait()
        for service in self.services:
            await service.__aexit__()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # closed transports let go of their sockets in the next turn


def _attributes(asked: Asked, members: dict[str, str]) -> list[dict[str, Any]]:
    correlation_id = asked.headers.get("x-correlation-id")
    if correlation_id:
        members = {**members, "correlation_id": correlation_id}
    return [{"key": k, "value": {"stringValue": v}} for k, v in members.items()]


async def _packet(wire: bytes) -> AsyncIterator[bytes]:
    yield wire


async def _stream(
    asked: Asked, said: Said, pieces: AsyncIterable[bytes], writer: asyncio.StreamWriter
) -> None:
    headers = {**said.headers, "transfer-encoding": "chunked"}
    head = _rendered(asked, Said(said.status, b"", headers))
    writer.write(head.replace(b"content-length: 0\r\n", b""))
    async for piece in pieces:
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


def _rendered(asked: Asked, said: Said) -> bytes:
    body = said.body if isinstance(said.body, bytes) else b""
    headers = {"content-type": "application/json"}
    if said.body is not None and not isinstance(said.body, bytes):
        body = msgspec.json.encode(said.body)
    if "x-correlation-id" in asked.headers:
        headers["x-correlation-id"] = asked.headers["x-correlation-id"]
    headers |= {k.lower(): v for k, v in said.headers.items()}
    if said.status != 204:  # noqa: PLR2004 - No Content has none
        headers.setdefault("content-length", str(len(body)))
    lines = [f"HTTP/1.1 {said.status} {REASONS.get(said.status, 'Other')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    content = b"" if asked.method == "HEAD" else body
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content
