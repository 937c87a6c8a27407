"""Takes the queue to an OTLP/HTTP receiver, in order, beside the service's own work.

Runs as one task of the service's event loop; a short slice at a time: encoding many
together is cheaper than each where it is recorded, while the code and tables are hot. Batches are
sent one after the other, within a batch the log records first; so when a span has arrived,
whatever this process recorded before it has arrived as well, or is counted as dropped.
"""

import asyncio
import contextlib
import random
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from caas_observability.setup import otlp_encoding
from caas_observability.setup.http_post import PostClient, PostResponse
from caas_observability.setup.logs import get_logger
from caas_observability.setup.signals import LogItem, SignalQueue

SCHEDULE_DELAY_MS = 5000
REQUEST_TIMEOUT_MS = 10_000
REQUEST_MAX_BYTES = 2 * 1024 * 1024
ATTEMPTS_MAX = 5
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 5.0
RETRY_AFTER_MAX_S = 30.0
SHUTDOWN_MAX_S = 3.0
CANCELLED_MAX_S = 0.5  # and no longer: a cancellation may be lost
SLICE_ITEMS = 64  # encoded at a stretch: about 0.3 ms before other tasks get their turn

_RETRYABLE: Final = frozenset({429, 502, 503, 504})  # OTLP/HTTP, "Retryable Response Codes"
_PATHS: Final = {"span": "/v1/traces", "log": "/v1/logs"}

_log = get_logger("caas_observability.setup.exporter")


class Exporter:
    """Sends what a `SignalQueue` holds; never raises into the service.

    Attributes:
        exported: Items a receiver accepted, by signal (`span`, `log`).
        failures: Export requests that failed, retries included, by signal.
    """

    def __init__(
        self,
        queue: SignalQueue,
        resource: Mapping[str, Any],
        endpoint: str,
        *,
        headers: dict[str, str] | None = None,
        compress: bool = False,
        delay_ms: int = SCHEDULE_DELAY_MS,
        timeout_ms: int = REQUEST_TIMEOUT_MS,
    ) -> None:
        """Prepare to export to *endpoint*; nothing is connected yet.

        Raises:
            ValueError: *endpoint* is not an http or https URL.
        """
        self._queue = queue
        self._resource = otlp_encoding.encode_resource(resource)
        self._client = PostClient(endpoint, headers or {})
        self._compress = compress
        self._delay_s = delay_ms / 1000
        self._timeout_s = timeout_ms / 1000
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._unsettled: list[Any] = []  # of the batch under way: neither accepted nor lost yet
        self._healthy = True
        self.exported: Counter[str] = Counter({"span": 0, "log": 0})
        self.failures: Counter[str] = Counter({"span": 0, "log": 0})

    def start(self) -> None:
        """Begin exporting in the running loop; a second call does nothing."""
        if self._task is not None:
            return
        loop = asyncio.get_running_loop()

        def wake() -> None:
            # Recorders call from any thread, also after the loop has been closed.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake.set)

        self._queue.wake = wake
        self._task = loop.create_task(self._run(), name="otlp-exporter")

    async def shutdown(self) -> None:
        """Export what is left, for at most `SHUTDOWN_MAX_S`, and stop; the rest is dropped."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping.set()
        self._wake.set()
        try:
            await asyncio.wait([task], timeout=SHUTDOWN_MAX_S)
            if task.cancel():
                await asyncio.wait([task], timeout=CANCELLED_MAX_S)
        finally:
            task.cancel()
            self._lose(self._queue.take(len(self._queue)))
            self._client.close()

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await _wait(self._wake, self._delay_s)
            self._wake.clear()
            await self._drain(len(self._queue))
        while self._queue:
            await self._drain(len(self._queue))

    async def _drain(self, count: int) -> None:
        """Export the *count* oldest items, and whole batches that came up meanwhile.

        Not all that came up: under load that would be a request for every few items.
        """
        batch_items = self._queue.batch_items
        while count > 0 or len(self._queue) >= batch_items:
            self._unsettled = self._queue.take(
                min(count, batch_items) if count > 0 else batch_items
            )
            count -= len(self._unsettled)
            try:
                await self._export(self._unsettled)
            except Exception as error:  # noqa: BLE001 - telemetry never breaks the service
                self._report(type(error).__name__)
            finally:
                self._lose(self._unsettled)
                self._unsettled = []

    async def _export(self, batch: Sequence[Any]) -> None:
        logs = [item for item in batch if type(item) is LogItem]
        spans = [item for item in batch if type(item) is not LogItem]
        if logs:
            await self._send_all("log", logs)
        if spans:
            await self._send_all("span", spans)

    async def _send_all(self, signal: str, items: Sequence[Any]) -> None:
        """Encode *items*, a slice at a time, and send them in requests of bounded size."""
        scopes: dict[str, list[bytes]] = {}
        waiting: list[Any] = []
        size = 0
        for index, item in enumerate(items, 1):
            scope, encoded = _encode(item)
            if waiting and size + len(encoded) > REQUEST_MAX_BYTES:
                await self._send(signal, scopes, waiting)
                scopes, waiting, size = {}, [], 0
            if encoded:
                scopes.setdefault(scope, []).append(encoded)
                waiting.append(item)
                size += len(encoded)
            if index % SLICE_ITEMS == 0:
                await asyncio.sleep(0)
        if waiting:
            await self._send(signal, scopes, waiting)

    async def _send(
        self, signal: str, scopes: Mapping[str, Sequence[bytes]], items: Sequence[Any]
    ) -> None:
        """Send one request, with retries; what can't be delivered stays unsettled."""
        body = otlp_encoding.encode_request(self._resource, scopes.items())
        headers = "Content-Type: application/x-protobuf\r\n"
        if self._compress:
            body = await asyncio.to_thread(_gzip, body)
            headers += "Content-Encoding: gzip\r\n"
        delay_s, reason = BACKOFF_FIRST_S, ""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            wait_s = 0.0
            try:
                response = await self._client.post(
                    _PATHS[signal], body, headers, timeout_s=self._timeout_s
                )
            except (OSError, TimeoutError) as error:
                reason, retryable = type(error).__name__, True
            else:
                if 200 <= response.status < 300:  # noqa: PLR2004
                    self._accept(signal, items, response)
                    return
                reason, wait_s = f"status {response.status}", _retry_after_s(response)
                retryable = response.status in _RETRYABLE
            self.failures[signal] += 1
            if not retryable or attempt == ATTEMPTS_MAX or self._stopping.is_set():
                break
            await _wait(self._stopping, wait_s or _jittered(delay_s))
            delay_s = min(delay_s * 2, BACKOFF_MAX_S)
        self._report(reason)

    def _accept(self, signal: str, items: Sequence[Any], response: PostResponse) -> None:
        rejected = min(otlp_encoding.rejected_items(bytes(response.body)), len(items))
        accepted = {id(item) for item in items[: len(items) - rejected]}
        self._unsettled = [item for item in self._unsettled if id(item) not in accepted]
        self.exported[signal] += len(accepted)
        if not self._healthy:
            self._healthy = True
            _log.info("telemetry export works again", dropped=self.dropped)

    def _lose(self, items: Sequence[Any]) -> None:
        for item in items:
            self._queue.count_dropped(item)

    def _report(self, reason: str) -> None:
        """Say once that export fails, not once a batch."""
        if self._healthy:
            self._healthy = False
            _log.warning("telemetry export fails", reason=reason, dropped=self.dropped)

    @property
    def dropped(self) -> dict[str, float]:
        """Items lost so far, by signal."""
        return {"span": self._queue.dropped_spans, "log": self._queue.dropped_logs}

    def figures(self) -> dict[str, dict[str, float]]:
        """Return what `TelemetryMetrics` shows."""
        return {
            "queued": {"all": len(self._queue)},
            "exported": dict(self.exported),
            "dropped": self.dropped,
            "export_failures": dict(self.failures),
        }


def _jittered(delay_s: float) -> float:
    """Spread retries, so that many processes don't come back at once."""
    return delay_s * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


def _encode(item: Any) -> tuple[str, bytes]:
    """Return the scope and the bytes of one item; no bytes for one that can't be encoded."""
    try:
        if type(item) is LogItem:
            return item.logger, otlp_encoding.encode_log(item)
        return otlp_encoding.SCOPE_NAME, otlp_encoding.encode_span(item)
    except (TypeError, ValueError, AttributeError, RecursionError):
        return "", b""


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(level=1, wbits=31)
    return packer.compress(body) + packer.flush()


def _retry_after_s(response: PostResponse) -> float:
    value = response.headers.get(b"retry-after", b"")
    return min(float(value), RETRY_AFTER_MAX_S) if value.isdigit() else 0.0
