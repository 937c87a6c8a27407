"""The spans and log records of a run until they are taken, bounded, by trace.

They are written as OTLP/JSON lines.
"""

import asyncio
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import msgspec

from caas_observability.receiver.records import ReceivedLog, ReceivedSpan
from caas_observability.redaction import Redactor

RECORDS_MAX = 500_000

_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_STATUSES = {"ok": 1, "error": 2}
_SEVERITIES = {"debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21}
_INT64_LIMIT = 1 << 63

Record = TypeVar("Record", ReceivedSpan, ReceivedLog)
_Key = tuple[str, str, str]  # trace id, service, and a span's kind or a log record's message


class TelemetryStore:
    """Keeps what arrives until `RECORDS_MAX` records, then refuses more.

    Filled by one thread and read by others; whoever waits, waits on a loop of its own.

    Attributes:
        metrics: How many metrics arrived; they are not kept.
        rejected: How many spans and log records found the store full.
    """

    def __init__(self, max_records: int = RECORDS_MAX) -> None:
        self._max_records = max_records
        self._spans: _Records[ReceivedSpan] = _Records()
        self._logs: _Records[ReceivedLog] = _Records()
        self._lock = threading.Lock()
        self._waiting: dict[_Key, list[asyncio.Future[Any]]] = {}
        self.metrics: Counter[str] = Counter()
        self.rejected = 0

    @property
    def spans(self) -> list[ReceivedSpan]:
        """Those not taken yet, in order of arrival."""
        with self._lock:
            return self._spans.everything()

    @property
    def logs(self) -> list[ReceivedLog]:
        """Those not taken yet, in order of arrival, those without a trace included."""
        with self._lock:
            return self._logs.everything()

    def add_spans(self, spans: Sequence[ReceivedSpan]) -> int:
        """Keep *spans* and tell whoever waits for one; return how many did not fit."""
        with self._lock:
            kept = spans[: self._room()]
            self.rejected += len(spans) - len(kept)
            for span in kept:
                self._spans.add(span)
                self._tell((span.trace_id, span.service, span.kind), span)
        return len(spans) - len(kept)

    def add_logs(self, logs: Sequence[ReceivedLog]) -> int:
        """Keep *logs*; return how many did not fit."""
        with self._lock:
            kept = logs[: self._room()]
            self.rejected += len(logs) - len(kept)
            for log in kept:
                self._logs.add(log)
                if log.trace_id:
                    self._tell((log.trace_id, log.service, log.message), log)
        return len(logs) - len(kept)

    def _tell(self, key: _Key, arrived: ReceivedSpan | ReceivedLog) -> None:
        for waiting in self._waiting.pop(key, ()):
            with suppress(RuntimeError):  # its loop is closed
                waiting.get_loop().call_soon_threadsafe(_resolve, waiting, arrived)

    def _room(self) -> int:
        return max(0, self._max_records - len(self._spans) - len(self._logs))

    def spans_of(self, trace_id: str) -> Sequence[ReceivedSpan]:
        """Return the spans of one trace, in order of arrival."""
        with self._lock:
            return self._spans.of(trace_id)

    def logs_of(self, trace_id: str) -> Sequence[ReceivedLog]:
        """Return the log records of one trace, in order of arrival."""
        with self._lock:
            return self._logs.of(trace_id) if trace_id else []

    def take(self, trace_id: str) -> tuple[list[ReceivedSpan], list[ReceivedLog]]:
        """Return the records of one trace, and make room for others."""
        with self._lock:
            return self._spans.take(trace_id), self._logs.take(trace_id)

    async def wait_for_span(
        self, trace_id: str, service: str, *, kind: str = "server", timeout_s: float
    ) -> ReceivedSpan:
        """Return the first span of that trace, service and kind, waiting until it is there.

        Raises:
            TimeoutError: It did not arrive within *timeout_s* seconds.
        """
        arrival = self._arrival()
        with self._lock:
            for span in self._spans.of(trace_id):
                if span.service == service and span.kind == kind:
                    return span
            self._waiting.setdefault((trace_id, service, kind), []).append(arrival)
        arrived: ReceivedSpan = await self._wait((trace_id, service, kind), arrival, timeout_s)
        return arrived

    async def wait_for_log(
        self, trace_id: str, service: str, message: str, *, timeout_s: float
    ) -> ReceivedLog:
        """Return the first log record of that trace, service and message, as `wait_for_span`.

        Raises:
            TimeoutError: It did not arrive within *timeout_s* seconds.
        """
        arrival = self._arrival()
        with self._lock:
            for log in self._logs.of(trace_id):
                if log.service == service and log.message == message:
                    return log
            self._waiting.setdefault((trace_id, service, message), []).append(arrival)
        arrived: ReceivedLog = await self._wait((trace_id, service, message), arrival, timeout_s)
        return arrived

    @staticmethod
    def _arrival() -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    async def _wait(self, key: _Key, arrival: asyncio.Future[Any], timeout_s: float) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await arrival
        finally:
            with self._lock:
                others = [w for w in self._waiting.get(key, ()) if w is not arrival]
                if others:
                    self._waiting[key] = others
                else:
                    self._waiting.pop(key, None)

    def write_jsonl(self, path: Path, redactor: Redactor | None = None) -> int:
        """Write everything as OTLP/JSON lines to *path*, redacted; return the number of lines."""
        with path.open("wb") as file:
            return write_lines(file, self.spans, self.logs, redactor or Redactor())


class _Records(Generic[Record]):
    """Records in order of arrival, found and taken by trace."""

    def __init__(self) -> None:
        self._by_number: dict[int, Record] = {}
        self._by_trace: defaultdict[str, list[int]] = defaultdict(list)
        self._number = 0

    def __len__(self) -> int:
        return len(self._by_number)

    def add(self, record: Record) -> None:
        self._by_number[self._number] = record
        self._by_trace[record.trace_id].append(self._number)
        self._number += 1

    def everything(self) -> list[Record]:
        return list(self._by_number.values())

    def of(self, trace_id: str) -> list[Record]:
        return [self._by_number[number] for number in self._by_trace.get(trace_id, ())]

    def take(self, trace_id: str) -> list[Record]:
        return [self._by_number.pop(number) for number in self._by_trace.pop(trace_id, ())]


def write_lines(
    file: BinaryIO,
    spans: Iterable[ReceivedSpan],
    logs: Iterable[ReceivedLog],
    redactor: Redactor,
) -> int:
    """Append records to *file* as OTLP/JSON lines, redacted; return the number of lines."""
    count = 0
    for line in _lines(spans, logs, redactor):
        file.write(msgspec.json.encode(line, enc_hook=str) + b"\n")
        count += 1
    return count


def _lines(
    spans: Iterable[ReceivedSpan], logs: Iterable[ReceivedLog], redactor: Redactor
) -> Iterator[dict[str, Any]]:
    for resource, scope, some in _groups(spans):
        group = {"scope": {"name": scope}, "spans": [_span(s, redactor) for s in some]}
        yield {"resourceSpans": [{**_resource(resource, redactor), "scopeSpans": [group]}]}
    for resource, scope, records in _groups(logs):
        group = {"scope": {"name": scope}, "logRecords": [_log(r, redactor) for r in records]}
        yield {"resourceLogs": [{**_resource(resource, redactor), "scopeLogs": [group]}]}


def _resolve(waiting: asyncio.Future[Any], arrived: ReceivedSpan | ReceivedLog) -> None:
    if not waiting.done():
        waiting.set_result(arrived)


def _groups(
    records: Iterable[Record],
) -> Iterator[tuple[Mapping[str, Any], str, list[Record]]]:
    """Yield runs of records that share a resource and a scope, in order of arrival."""
    key: Callable[[Record], Hashable] = lambda record: (id(record.resource), record.scope)  # noqa: E731
    for _, run in groupby(records, key):
        group = list(run)
        yield group[0].resource, group[0].scope, group


def _resource(members: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    return {"resource": {"attributes": _attributes(members, redactor)}}


def _span(span: ReceivedSpan, redactor: Redactor) -> dict[str, Any]:
    line: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_span_id,
        "traceState": redactor.text(span.tracestate),
        "name": redactor.text(span.name),
        "kind": _KINDS.get(span.kind, 0),
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes, redactor),
        "events": [
            {
                "timeUnixNano": str(event.time_ns),
                "name": redactor.text(event.name),
                "attributes": _attributes(event.attributes, redactor),
            }
            for event in span.events
        ],
        "links": [
            {
                "traceId": link.trace_id,
                "spanId": link.span_id,
                "attributes": _attributes(link.attributes, redactor),
            }
            for link in span.links
        ],
        "status": {
            "code": _STATUSES.get(span.status, 0),
            "message": redactor.text(span.status_message),
        },
    }
    return line


def _log(log: ReceivedLog, redactor: Redactor) -> dict[str, Any]:
    return {
        "timeUnixNano": str(log.time_ns),
        "severityNumber": _SEVERITIES.get(log.level, 9),
        "severityText": log.level.upper(),
        "body": {"stringValue": redactor.text(log.message)},
        "attributes": _attributes(log.attributes, redactor),
        "traceId": log.trace_id,
        "spanId": log.span_id,
    }


def _attributes(members: Mapping[str, Any], redactor: Redactor) -> list[dict[str, Any]]:
    redacted = redactor.json(dict(members))
    return [{"key": key, "value": _any_value(value)} for key, value in redacted.items()]


def _any_value(value: Any) -> dict[str, Any]:
    """Write one value as OTLP/JSON's AnyValue; 64-bit integers are text there."""
    member: dict[str, Any]
    match value:
        case None:
            member = {}
        case bool():
            member = {"boolValue": value}
        case int() if -_INT64_LIMIT <= value < _INT64_LIMIT:
            member = {"intValue": str(value)}
        case float():
            member = {"doubleValue": value}
        case list() | tuple():
            member = {"arrayValue": {"values": [_any_value(item) for item in value]}}
        case dict():
            pairs = [{"key": str(k), "value": _any_value(v)} for k, v in value.items()]
            member = {"kvlistValue": {"values": pairs}}
        case _:
            member = {"stringValue": str(value)}
    return member
