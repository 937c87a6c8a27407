"""An OTLP/HTTP receiver inside the runner: protobuf and JSON, gzip, bounded, no framework.

It has a thread and a loop of its own: whatever a service exports, reading it does not keep the
caller's loop from turning. It hands over through the store, one request's records at a time.

Answers as the OTLP specification says: 200 with an Export…ServiceResponse of the request's
encoding (with a partial success when some items can't be read, or the store is full), 400 with a
`Status` message for what can't be decoded, 413 and 415 for what is too large or of another type.
"""

import asyncio
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httptools
import msgspec
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from caas_observability.receiver import decoding as otlp_decoding
from caas_observability.receiver.decoding import InvalidOtlpError
from caas_observability.receiver.records import ReceivedLog, ReceivedSpan
from caas_observability.receiver.store import RECORDS_MAX, TelemetryStore
from caas_observability.redaction import Redactor

BODY_MAX_BYTES = 16 * 1024 * 1024
HEADERS_MAX_BYTES = 32 * 1024
CONNECTIONS_MAX = 256
SPAN_AWAITED_S = 30.0
REASONS_MAX = 50
"""Kinds of refusal that are told apart; the rest is counted together."""
URL_SHOWN_BYTES = 100
GZIP_MEMBERS_MAX = 1000
STORE_FULL = "the store is full"

_PROTOBUF, _JSON = b"application/x-protobuf", b"application/json"
_SIGNALS = {b"/v1/traces": "spans", b"/v1/logs": "logs", b"/v1/metrics": "metrics"}
_REJECTED_MEMBER = {
    "spans": "rejectedSpans", "logs": "rejectedLogRecords", "metrics": "rejectedDataPoints",
}  # fmt: skip
_REASONS = {
    200: b"OK", 400: b"Bad Request", 404: b"Not Found", 405: b"Method Not Allowed",
    413: b"Content Too Large", 415: b"Unsupported Media Type",
    431: b"Request Header Fields Too Large", 503: b"Service Unavailable",
}  # fmt: skip


class OtlpReceiver:
    """Listens on the loopback interface and fills a `TelemetryStore`.

    Attributes:
        store: What arrived.
        requests: How many export requests were answered 200.
        refusals: How many were answered otherwise, by reason.
        unread: How many items of accepted requests could not be read, by reason.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        body_max_bytes: int = BODY_MAX_BYTES,
        max_records: int = RECORDS_MAX,
    ) -> None:
        """Prepare to listen; port 0 takes a free one."""
        self._host = host
        self._port = port
        self.body_max_bytes = body_max_bytes
        self.store = TelemetryStore(max_records)
        self.requests = 0
        self.refusals: Counter[str] = Counter()
        self.unread: Counter[str] = Counter()
        self.connections: set[_Connection] = set()
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None

    @property
    def endpoint(self) -> str:
        """The URL to give services as OTEL_EXPORTER_OTLP_ENDPOINT."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def refused(self) -> int:
        """How many export requests were not answered 200."""
        return self.refusals.total()

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: The address can't be bound.
        """
        listening: Future[int] = Future()
        loop_kind = type(asyncio.get_running_loop())  # uvloop where the caller has it
        self._thread = threading.Thread(
            target=self._run, args=(loop_kind, listening), name="otlp-receiver", daemon=True
        )
        self._thread.start()
        self._port = await asyncio.wrap_future(listening)

    def _run(
        self, loop_kind: Callable[[], asyncio.AbstractEventLoop], listening: Future[int]
    ) -> None:
        with asyncio.Runner(loop_factory=loop_kind) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: Future[int]) -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(stopping.set)
        if not listening.set_running_or_notify_cancel():
            return
        try:
            server = await loop.create_server(lambda: _Connection(self), self._host, self._port)
        except BaseException as error:  # noqa: BLE001 - the caller's
            listening.set_exception(error)
            return
        listening.set_result(server.sockets[0].getsockname()[1])
        await stopping.wait()
        server.close()
        for connection in list(self.connections):
            connection.abort()
        await server.wait_closed()

    async def close(self) -> None:
        """Stop listening and close every connection; what arrived stays."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with suppress(RuntimeError):  # it never began to listen
            self._stop()
        await asyncio.to_thread(thread.join)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def wait_for_span(
        self,
        trace_id: str,
        service: str,
        *,
        kind: str = "server",
        timeout_s: float = SPAN_AWAITED_S,
    ) -> ReceivedSpan:
        """Return that service's span of the trace as soon as it is there.

        Raises:
            TimeoutError: It did not arrive within *timeout_s* seconds.
        """
        return await self.store.wait_for_span(trace_id, service, kind=kind, timeout_s=timeout_s)

    async def wait_for_log(
        self, trace_id: str, service: str, message: str, *, timeout_s: float = SPAN_AWAITED_S
    ) -> ReceivedLog:
        """Return that service's log record of the trace as soon as it is there.

        Raises:
            TimeoutError: It did not arrive within *timeout_s* seconds.
        """
        return await self.store.wait_for_log(trace_id, service, message, timeout_s=timeout_s)

    def write_jsonl(self, path: Path, redactor: Redactor | None = None) -> int:
        """Write everything received as OTLP/JSON lines, redacted; return the number of lines."""
        return self.store.write_jsonl(path, redactor)

    def accept(self, signal: str, body: bytes, *, is_json: bool) -> Counter[str]:
        """Decode and keep one request; return how many of its items were rejected, by reason.

        Raises:
            InvalidOtlpError: The body can't be decoded; nothing of it is kept.
        """
        full = 0
        if signal == "spans":
            spans = otlp_decoding.decode_spans(body, is_json=is_json)
            rejected = spans.rejected
            count(self.unread, rejected)  # before whoever waits for one of the spans looks
            full = self.store.add_spans(spans.records)
        elif signal == "logs":
            logs = otlp_decoding.decode_logs(body, is_json=is_json)
            rejected = logs.rejected
            count(self.unread, rejected)
            full = self.store.add_logs(logs.records)
        else:
            metrics = otlp_decoding.decode_metrics(body, is_json=is_json)
            rejected = metrics.rejected
            count(self.unread, rejected)
            self.store.metrics["received"] += len(metrics.records)
        return rejected + Counter({STORE_FULL: full})


def count(counts: Counter[str], more: Mapping[str, int]) -> None:
    """Add to *counts*, which tells apart `REASONS_MAX` reasons and no more."""
    for reason, times in more.items():
        told = reason if reason in counts or len(counts) < REASONS_MAX else "another reason"
        counts[told] += times


class _Connection(asyncio.Protocol):
    """One exporter's connection; requests are answered in order."""

    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._headers_bytes = 0
        self._body = bytearray()
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._receiver.connections.add(self)
        if len(self._receiver.connections) > CONNECTIONS_MAX:
            self._refuse(503, "too many connections", close=True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - Protocol's
        self._receiver.connections.discard(self)
        self._transport = None

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "no upgrade here", close=True)
        except httptools.HttpParserError:
            self._refuse(400, "not an HTTP request", close=True)

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, part: bytes) -> None:
        self._url += part
        self._count_head(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value
        self._count_head(len(name) + len(value))

    def _count_head(self, size: int) -> None:
        self._headers_bytes += size
        if self._headers_bytes > HEADERS_MAX_BYTES:
            self._refuse(431, "header fields too large", close=True)

    def on_headers_complete(self) -> None:
        length = self._headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._receiver.body_max_bytes:
            self._refuse(413, "body too large", close=True)
        elif self._headers.get(b"expect", b"").lower() == b"100-continue" and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        if self._answered:
            return
        if len(self._body) + len(data) > self._receiver.body_max_bytes:
            self._body.clear()
            self._refuse(413, "body too large", close=True)
        else:
            self._body += data

    def on_message_complete(self) -> None:
        if self._answered:
            return
        signal = _SIGNALS.get(self._url.partition(b"?")[0])
        media_type = self._headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if signal is None:
            asked = self._url[:URL_SHOWN_BYTES].decode("ascii", "replace")
            self._refuse(404, f"no such signal: {asked!r}")
        elif self._parser.get_method() != b"POST":
            self._refuse(405, "only POST")
        elif media_type not in {_PROTOBUF, _JSON}:
            self._refuse(415, "neither protobuf nor JSON")
        else:
            self._accept(signal, is_json=media_type == _JSON)

    def _accept(self, signal: str, *, is_json: bool) -> None:
        encoding = self._headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in {b"identity", b"gzip", b""}:
            self._refuse(415, "unknown content encoding")
            return
        try:
            body = bytes(self._body)
            if encoding == b"gzip":
                body = _gunzip(body, self._receiver.body_max_bytes)
            rejected = self._receiver.accept(signal, body, is_json=is_json)
        except OverflowError:
            self._refuse(413, "body too large after decompression")
        except (InvalidOtlpError, zlib.error) as error:
            self._refuse(400, str(error))
        else:
            self._receiver.requests += 1
            self._answer(200, _success(signal, rejected, is_json=is_json), is_json=is_json)

    def _refuse(self, status: int, message: str, *, close: bool = False) -> None:
        if self._answered:
            return
        count(self._receiver.refusals, {f"{status} {message}": 1})
        is_json = self._headers.get(b"content-type", b"").lower().startswith(_JSON)
        if is_json:
            body = msgspec.json.encode({"message": message})
        else:
            body = Status(message=message).SerializeToString()
        self._answer(status, body, is_json=is_json, close=close)

    def _answer(self, status: int, body: bytes, *, is_json: bool, close: bool = False) -> None:
        self._answered = True
        if self._transport is None:
            return
        allow = b"Allow: POST\r\n" if status == 405 else b""  # noqa: PLR2004
        closing = close or not self._parser.should_keep_alive()
        self._transport.write(
            b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s%s\r\n%s"
            % (
                status, _REASONS[status], _JSON if is_json else _PROTOBUF, len(body), allow,
                b"Connection: close\r\n" if closing else b"", body,
            )
        )  # fmt: skip
        if closing:
            self._transport.close()


def _success(signal: str, rejected: Counter[str], *, is_json: bool) -> bytes:
    """Write an Export…ServiceResponse; rejected items make it a partial success."""
    if not rejected:
        return b"{}" if is_json else b""
    message = ", ".join(f"{reason} ({times})" for reason, times in rejected.most_common())
    if is_json:
        partial = {_REJECTED_MEMBER[signal]: str(rejected.total()), "errorMessage": message}
        return msgspec.json.encode({"partialSuccess": partial})
    answer: Any = ExportTraceServiceResponse()
    if signal == "spans":
        answer.partial_success.rejected_spans = rejected.total()
    else:
        answer = ExportLogsServiceResponse()
        answer.partial_success.rejected_log_records = rejected.total()
    answer.partial_success.error_message = message
    return bytes(answer.SerializeToString())


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    """Decompress at most *max_bytes*, of one gzip member or of several in a row (RFC 1952 2.2).

    Raises:
        OverflowError: There is more.
        zlib.error: They are not whole gzip members.
    """
    unpacked = b""
    for _ in range(GZIP_MEMBERS_MAX):
        unpacker = zlib.decompressobj(wbits=31)
        unpacked += unpacker.decompress(body, max_bytes + 1 - len(unpacked))
        if len(unpacked) > max_bytes:
            raise OverflowError
        if not unpacker.eof:
            break
        body = unpacker.unused_data
        if not body:
            return unpacked
    raise zlib.error("not whole gzip members")
