"""Collect what the services recorded, and know when it is complete without sleeping.

After an attempt, a marker request goes to each service; it makes the service export all that it
has queued, and after it one marker span and one marker log record. Spans and log records have a
queue each, first in, first out: when both markers are here, everything recorded before them is
here, or they say how much of it was lost. One round serves every attempt that ended before it.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.suite import AccessLine
from caas_conformance.correlation import ownership
from caas_conformance.engine.attempt import AttemptRecord
from caas_conformance.errors import EnvironmentBrokenError, TargetError
from caas_conformance.wire.answer import ExchangeRecord
from caas_conformance.wire.client import Endpoint
from caas_conformance.wire.connection import Connection, connect
from caas_observability.correlation import AttemptTelemetry
from caas_observability.receiver.records import ReceivedLog, ReceivedSpan
from caas_observability.receiver.server import OtlpReceiver

MARKER_TIMEOUT_S = 15.0
FLUSH = "caas=flush"
MARKER_KIND, MARKER_NAME = "internal", "caas.telemetry.marker"
ROUND_INTERVAL_S = 0.05
MARKERS_HELD_ROUNDS = 2
INSTANCE_ID = "service.instance.id"
LOST_KEYS = ("caas.telemetry.dropped_spans", "caas.telemetry.dropped_logs")


class TelemetryCollector:
    """Receives OTLP and settles attempts in rounds shared by all of them.

    Attributes:
        wait_ms: How long each settled attempt waited, in milliseconds.
        lost: Records that a process says it dropped since the run began, by the process.
        marker_traces: Trace ids of the markers, which belong to no attempt.
    """

    def __init__(
        self,
        receiver: OtlpReceiver,
        run_marker: str,
        marker_path: str,
        access: AccessLine | None = None,
    ) -> None:
        self.receiver = receiver
        self.run_marker = run_marker
        self._marker_path = marker_path
        self._access = access
        self._before: dict[str, int] | None = None
        self.wait_ms: list[float] = []
        self.lost: dict[str, int] = {}
        self.marker_traces: set[str] = set()
        self._endpoints: Sequence[Endpoint] = ()
        self._marked: deque[str] = deque()  # traces of markers whose span has arrived
        self._connections: dict[str, Connection] = {}
        self._waiting: list[asyncio.Future[list[str]]] = []
        self._rounds: asyncio.Task[None] | None = None

    @property
    def endpoint(self) -> str:
        """Where services export to."""
        return self.receiver.endpoint

    async def start(self) -> None:
        """Begin to receive.

        Raises:
            TargetError: the address is taken.
        """
        try:
            await self.receiver.start()
        except OSError as error:
            raise TargetError(f"can't receive telemetry: {error}: choose --otlp-listen") from error

    async def watch(self, endpoints: Sequence[Endpoint]) -> None:
        """Send markers to these instances; what each had lost before is none of the run's loss."""
        self._endpoints = endpoints
        await self._next_round()
        self._before, self.lost = self.lost, {}

    async def close(self) -> None:
        """Stop; what arrived stays."""
        if self._rounds is not None:
            self._rounds.cancel()
            with suppress(asyncio.CancelledError):
                await self._rounds
        for connection in self._connections.values():
            connection.close()
        await self.receiver.close()

    async def settle(self, record: AttemptRecord) -> None:
        """Wait until the attempt's telemetry is complete and add the check on it."""
        began = perf_counter()
        unsettled = await self._next_round()
        found = self.telemetry_of(record.context)
        if not unsettled and ownership.missing_server_spans(record, found.spans):
            # A span ends after its answer was sent, so one more round may bring it.
            unsettled = await self._next_round()
            found = self.telemetry_of(record.context)
        called = set(ownership.called_services(record))
        late = [service for service in unsettled if service in called]
        ownership.add_check(record, found, self.run_marker, late, self._access)
        self.wait_ms.append((perf_counter() - began) * 1000)

    async def settled_now(self, context: CaseContext) -> AttemptTelemetry:
        """Return what the services recorded so far, complete, while the case still runs."""
        await self._next_round()
        return self.telemetry_of(context)

    def telemetry_of(self, context: CaseContext) -> AttemptTelemetry:
        """Return what has arrived for the attempt."""
        store, trace_id = self.receiver.store, context.trace.trace_id
        return ownership.owned(context, store.spans_of(trace_id), store.logs_of(trace_id))

    def take(self, context: CaseContext) -> AttemptTelemetry:
        """Return what has arrived for the attempt, and keep it no longer."""
        return ownership.owned(context, *self.receiver.store.take(context.trace.trace_id))

    def take_markers(self) -> tuple[list[ReceivedSpan], list[ReceivedLog]]:
        """Return the records of markers but the newest, and keep them no longer.

        A log line of a marker may come with the export that the next marker asks for.
        """
        spans: list[ReceivedSpan] = []
        logs: list[ReceivedLog] = []
        while len(self._marked) > MARKERS_HELD_ROUNDS * len(self._endpoints):
            some_spans, some_logs = self.receiver.store.take(self._marked.popleft())
            spans += some_spans
            logs += some_logs
        return spans, logs

    # -- rounds -----------------------------------------------------------------------------

    async def _next_round(self) -> list[str]:
        """Return the services that did not answer a marker sent after this call."""
        future: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._run_rounds())
        return await future

    async def _run_rounds(self) -> None:
        while self._waiting:
            served, self._waiting = self._waiting, []
            silent: list[str] = [endpoint.service for endpoint in self._endpoints]
            try:
                answers = await asyncio.gather(*map(self._mark, self._endpoints))
                silent = [service for service in answers if service]
            finally:
                for future in served:
                    if not future.done():
                        future.set_result(silent)
            if self._waiting:
                # Markers cost the platform a request and an export each; ended attempts gather.
                await asyncio.sleep(ROUND_INTERVAL_S)

    async def _mark(self, endpoint: Endpoint) -> str:
        """Send one marker request; return the service's name unless both markers came."""
        trace_id = secrets.token_hex(16)
        self.marker_traces.add(trace_id)
        try:
            async with asyncio.timeout(MARKER_TIMEOUT_S):
                await self._send_marker(endpoint, trace_id)
                span = await self.receiver.wait_for_span(
                    trace_id, endpoint.service, kind=MARKER_KIND, timeout_s=MARKER_TIMEOUT_S
                )
                await self.receiver.wait_for_log(
                    trace_id, endpoint.service, MARKER_NAME, timeout_s=MARKER_TIMEOUT_S
                )
        except (TimeoutError, EnvironmentBrokenError):
            return endpoint.service
        self._note_lost(endpoint.url, span)
        self._marked.append(trace_id)
        return ""

    async def _send_marker(self, endpoint: Endpoint, trace_id: str) -> None:
        authorization = endpoint.authorization and f"authorization: {endpoint.authorization}\r\n"
        message = (
            f"GET {endpoint.base_path}{self._marker_path} HTTP/1.1\r\n"
            f"host: {endpoint.host_header}\r\n{authorization}"
            f"traceparent: 00-{trace_id}-{secrets.token_hex(8)}-01\r\ntracestate: {FLUSH}\r\n\r\n"
        ).encode("latin-1")
        kept = self._connections.pop(endpoint.url, None)
        if kept is not None and kept.open and await _answered(kept, message, endpoint):
            self._connections[endpoint.url] = kept
            return
        fresh = self._connections[endpoint.url] = await connect(endpoint.origin)
        await _answered(fresh, message, endpoint)

    def _note_lost(self, instance: str, span: ReceivedSpan) -> None:
        process = f"{instance} {span.resource.get(INSTANCE_ID, '')}"
        lost = sum(int(_number(span.attributes.get(key))) for key in LOST_KEYS)
        lost -= (self._before or {}).get(process, 0)
        if lost:
            self.lost[process] = lost


async def _answered(connection: Connection, message: bytes, endpoint: Endpoint) -> bool:
    """Send a marker; tell whether the service answered before it closed the connection."""
    exchange = ExchangeRecord(
        "marker", protocol="http", service=endpoint.service, method="GET", url=endpoint.url
    )
    connection.begin(message, exchange)
    await connection.finished()
    return not connection.unanswered


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0
