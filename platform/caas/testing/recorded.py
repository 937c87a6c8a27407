"""What this process records, in memory: the SDK as services use it, without an exporter."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from caas_observability.setup import logs, tracing
from caas_observability.setup.redacting import RedactingLogProcessor, RedactingSpanProcessor
from caas_observability.setup.sampling import DecidedIds, Sampler
from caas_observability.setup.tracing import Recorder

Tell = Callable[[ReadableSpan], None]


class Recorded:
    """The ended spans and the log records since `recording` began.

    Attributes:
        tracers: For who records spans without a request.
        loggers: For who logs through the API.
    """

    def __init__(
        self,
        tracers: TracerProvider,
        loggers: LoggerProvider,
        spans: InMemorySpanExporter,
        records: InMemoryLogRecordExporter,
    ) -> None:
        self.tracers = tracers
        self.loggers = loggers
        self._spans = spans
        self._records = records

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order they ended."""
        return list(self._spans.get_finished_spans())

    @property
    def logs(self) -> list[LogRecord]:
        """In the order they were written."""
        return [item.log_record for item in self._records.get_finished_logs()]

    def of_kind(self, kind: trace.SpanKind) -> list[ReadableSpan]:
        """Return the spans of one kind."""
        return [span for span in self.spans if span.kind is kind]


class _Teller(SpanProcessor):
    """Tells whoever listens of each ended span."""

    tell: Tell | None = None

    def on_end(self, span: ReadableSpan) -> None:
        """Tell of *span*."""
        if self.tell is not None:
            self.tell(span)


@cache
def _global_provider() -> tuple[TracerProvider, InMemorySpanExporter, DecidedIds, _Teller]:
    """Return the one provider that the API takes in a process, for good."""
    ids, exporter, teller = DecidedIds(), InMemorySpanExporter(), _Teller()
    provider = TracerProvider(
        Sampler().for_provider(),
        shutdown_on_exit=False,
        active_span_processor=RedactingSpanProcessor(),  # type: ignore[no-untyped-call]
        id_generator=ids,
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.add_span_processor(teller)
    trace.set_tracer_provider(provider)
    return provider, exporter, ids, teller


@contextmanager
def recording(sampler: Sampler | None = None, tell: Tell | None = None) -> Iterator[Recorded]:
    """Record requests as *sampler* decides (default: all), and whatever hangs below them.

    Each span that ends is given to *tell*.
    """
    provider, spans, ids, teller = _global_provider()
    teller.tell = tell
    records = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    loggers = LoggerProvider(
        Resource.create(),
        shutdown_on_exit=False,
        multi_log_record_processor=RedactingLogProcessor(),  # type: ignore[no-untyped-call]
    )
    loggers.add_log_record_processor(SimpleLogRecordProcessor(records))
    spans.clear()
    replaced = tracing.install(Recorder(sampler, provider.get_tracer("tests"), ids))
    logs.export_to(loggers)
    try:
        yield Recorded(provider, loggers, spans, records)
    finally:
        teller.tell = None
        logs.export_to(None)
        tracing.install(replaced)
