"""The SDK's batch processors with the losses counted: what found the queue full, what failed.

The SDK drops the oldest item of a full queue and counts nothing unless its metrics run, and a
failed export is a log line. Here an item that finds the queue full is refused and counted before
the SDK sees it, and each export's result is noted. Made after the fork: they start threads.
"""

import threading
from collections.abc import Mapping, Sequence

from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from caas_observability.setup.logs import get_logger

QUEUE_MAX_ITEMS = 8192
BATCH_MAX_ITEMS = 512
SCHEDULE_DELAY_MS = 1000

_log = get_logger("caas_observability.setup.delivery")


def positive(environ: Mapping[str, str], name: str, default: int) -> int:
    """Read a limit of *environ*.

    Raises:
        ValueError: It is not a positive whole number.
    """
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{name} is not a positive whole number")
    return int(text)


class Delivery:
    """What became of one signal's items; safe from any thread.

    Attributes:
        signal: `span` or `log`.
        max_items: How many may wait or be under way.
        exported: Items that a receiver accepted.
        failures: Export requests that failed for good, retries included.
        dropped: Items lost: the queue was full, or their export failed.
    """

    def __init__(self, signal: str, max_items: int = QUEUE_MAX_ITEMS) -> None:
        self.signal = signal
        self.max_items = max_items
        self.waiting = 0
        self.exported = 0
        self.failures = 0
        self.dropped = 0
        self._lock = threading.Lock()
        self._healthy = True

    def admit(self) -> bool:
        """Make room for one more item; tell whether there was any."""
        with self._lock:
            if self.waiting >= self.max_items:
                self.dropped += 1
                return False
            self.waiting += 1
            return True

    def settle(self, items: int, *, accepted: bool) -> None:
        """Note the end of an export; say once that export fails, not once a batch."""
        with self._lock:
            self.waiting -= items
            if accepted:
                self.exported += items
            else:
                self.dropped += items
                self.failures += 1
            changed, self._healthy = self._healthy is not accepted, accepted
        if changed and accepted:
            _log.info("telemetry export works again", signal=self.signal, dropped=self.dropped)
        elif changed:
            _log.warning("telemetry export fails", signal=self.signal, dropped=self.dropped)


class SpanQueue(BatchSpanProcessor):
    """Batches sampled spans for *exporter*; what does not fit is counted."""

    def __init__(
        self, exporter: SpanExporter, delivery: Delivery, *, batch_items: int, delay_ms: int
    ) -> None:
        self.delivery = delivery
        super().__init__(
            CountedSpanExporter(exporter, delivery),
            max_queue_size=delivery.max_items,
            schedule_delay_millis=delay_ms,
            max_export_batch_size=batch_items,
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Queue *span*, if there is room."""
        if span.context.trace_flags.sampled and self.delivery.admit():
            super().on_end(span)


class LogQueue(BatchLogRecordProcessor):
    """Batches log records for *exporter*; what does not fit is counted."""

    def __init__(
        self, exporter: LogRecordExporter, delivery: Delivery, *, batch_items: int, delay_ms: int
    ) -> None:
        self.delivery = delivery
        super().__init__(
            CountedLogExporter(exporter, delivery),
            schedule_delay_millis=delay_ms,
            max_export_batch_size=batch_items,
            max_queue_size=delivery.max_items,
        )

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Queue *log_record*, if there is room."""
        if self.delivery.admit():
            super().on_emit(log_record)


class CountedSpanExporter(SpanExporter):
    """Another exporter whose results are noted."""

    def __init__(self, exporter: SpanExporter, delivery: Delivery) -> None:
        self._exporter = exporter
        self._delivery = delivery

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export; one that raises has failed."""
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._delivery.settle(len(spans), accepted=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Stop; an export under way repeats nothing any more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is buffered here."""
        return self._exporter.force_flush(timeout_millis)


class CountedLogExporter(LogRecordExporter):
    """Another exporter whose results are noted."""

    def __init__(self, exporter: LogRecordExporter, delivery: Delivery) -> None:
        self._exporter = exporter
        self._delivery = delivery

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Export; one that raises has failed."""
        result = LogRecordExportResult.FAILURE
        try:
            result = self._exporter.export(batch)
        finally:
            self._delivery.settle(len(batch), accepted=result is LogRecordExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """Stop; an export under way repeats nothing any more."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is buffered here."""
        return self._exporter.force_flush(timeout_millis)
