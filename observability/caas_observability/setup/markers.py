"""End markers: one span and one log record that say "all before me has been exported, or is lost".

The SDK has a queue a signal, and `force_flush` says yes although an export failed
(opentelemetry-python#4555, #4568). So the proof is what arrives: everything is flushed, then the
two markers are recorded, with what was lost so far, and flushed after it.
"""

import threading
import time

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider

from caas_observability.setup.delivery import Delivery
from caas_observability.setup.sampling import MARKER_NAME

DROPPED_SPANS, DROPPED_LOGS = "caas.telemetry.dropped_spans", "caas.telemetry.dropped_logs"
ASKED_MAX = 1_000  # while a receiver does not answer; whoever asks more gets no marker
_SCOPE = "caas_observability"


class Markers:
    """Records the end markers of one process, in a thread: a flush takes as long as it takes."""

    def __init__(
        self,
        tracers: TracerProvider,
        loggers: LoggerProvider,
        spans: Delivery,
        logs: Delivery,
    ) -> None:
        self._tracers = tracers
        self._loggers = loggers
        self._spans = spans
        self._logs = logs
        self._asked: list[trace.SpanContext] = []
        self._running = False
        self._lock = threading.Lock()

    def ask(self, parent: trace.SpanContext) -> None:
        """Flush soon, and put markers below *parent*; those asked for meanwhile share a flush."""
        with self._lock:
            if len(self._asked) < ASKED_MAX:
                self._asked.append(parent)
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="telemetry-markers", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                asked, self._asked = self._asked, []
                if not asked:
                    self._running = False
                    return
            self._flush()
            for parent in asked:
                self._mark(parent)
            self._flush()

    def _flush(self) -> None:
        self._tracers.force_flush()
        self._loggers.force_flush()

    def _mark(self, parent: trace.SpanContext) -> None:
        within = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        lost = {DROPPED_SPANS: self._spans.dropped, DROPPED_LOGS: self._logs.dropped}
        self._loggers.get_logger(_SCOPE).emit(
            LogRecord(
                timestamp=time.time_ns(),
                context=within,
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                body=MARKER_NAME,
                attributes=lost,
            )
        )
        self._tracers.get_tracer(_SCOPE).start_span(
            MARKER_NAME, within, trace.SpanKind.INTERNAL, lost
        ).end()
