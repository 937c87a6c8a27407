"""Telemetry of one service process, set up once, after the fork, with OpenTelemetry's SDK."""

import asyncio
import contextlib
import logging
import os
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from caas_observability.setup import delivery, log_lines, logs, metrics, propagation, tracing
from caas_observability.setup.cleaning import TEXT_MAX_CHARS
from caas_observability.setup.delivery import Delivery, LogQueue, SpanQueue, positive
from caas_observability.setup.drivers import use_stable_names
from caas_observability.setup.markers import Markers
from caas_observability.setup.redacting import RedactingLogProcessor, RedactingSpanProcessor
from caas_observability.setup.sampling import DecidedIds, Sampler, sampler_from_env
from caas_observability.setup.tracing import Recorder

REQUEST_TIMEOUT_MS = 10_000
REQUEST_MAX_BYTES = 4 * 1024 * 1024
SHUTDOWN_MAX_S = 3.0

_SCOPE = "caas_observability"


class Telemetry:
    """What `configure` set up.

    Attributes:
        service_name: The name every span, line and metric carries.
        tracers: Spans of the process; processors of others may be added. None without export.
        loggers: The same for log records.
        deliveries: What became of each signal's items; empty without export.
    """

    def __init__(
        self,
        service_name: str,
        tracers: TracerProvider | None,
        loggers: LoggerProvider | None,
        deliveries: tuple[Delivery, ...] = (),
        exporters: tuple[SpanExporter, LogRecordExporter] | tuple[()] = (),
    ) -> None:
        self.service_name = service_name
        self.tracers = tracers
        self.loggers = loggers
        self.deliveries = deliveries
        self._exporters = exporters

    async def shutdown(self) -> None:
        """Export what is left, within `SHUTDOWN_MAX_S`, and stop recording."""
        logs.export_to(None)
        if self.tracers is not None and self.loggers is not None:
            stopping = [_in_thread(p.shutdown) for p in (self.tracers, self.loggers)]
            _, late = await asyncio.wait(stopping, timeout=SHUTDOWN_MAX_S)
            if late:  # what waits to be repeated is given up, and what is left with it
                for exporter in self._exporters:
                    exporter.shutdown()
        log_lines.flush()


_configured: tuple[int, Telemetry] | None = None


def exports(environ: Mapping[str, str]) -> bool:
    """Tell whether *environ* asks for export."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return bool(environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()) and not disabled


def preload(environ: Mapping[str, str]) -> None:
    """Import what `configure` will need, so that processes forked from this one share it.

    The exporters bring an HTTP client and the protocol's messages, 6 MiB and 50 ms, which
    nobody needs who does not export.
    """
    if exports(environ):
        _otlp()


def configure(service_name: str, service_version: str, environ: Mapping[str, str]) -> Telemetry:
    """Set up recording, logs and metrics of this process; call it after the fork.

    A second call in one process returns what the first one made. Without
    OTEL_EXPORTER_OTLP_ENDPOINT nothing is recorded and nothing is exported.

    Raises:
        ValueError: A variable has a value that the OpenTelemetry specification doesn't know.
    """
    global _configured  # noqa: PLW0603 - one per process
    if _configured is not None and _configured[0] == os.getpid():
        return _configured[1]
    name = environ.get("OTEL_SERVICE_NAME") or service_name
    sampler = sampler_from_env(environ)
    logs.install(logs.Sink(name, level=environ.get("CAAS_LOG_LEVEL") or "info"))
    logs.bridge_stdlib()
    logs.configure_structlog()
    propagation.install()
    use_stable_names()
    metrics.show_sampling(sampler.refused)
    if not exports(environ):
        tracing.install(Recorder(sampler))
        telemetry = Telemetry(name, None, None)
    else:
        resource = describe_process(name, service_version)
        endpoint = environ["OTEL_EXPORTER_OTLP_ENDPOINT"].strip()
        telemetry = record(resource, sampler, endpoint, environ)
    _configured = (os.getpid(), telemetry)
    return telemetry


def record(
    resource: Resource, sampler: Sampler, endpoint: str, environ: Mapping[str, str]
) -> Telemetry:
    """Record traces and logs and export them to *endpoint*; see `configure`."""
    if not endpoint.startswith(("http://", "https://")):
        raise ValueError("OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https URL")
    queue_items = positive(environ, "OTEL_BSP_MAX_QUEUE_SIZE", delivery.QUEUE_MAX_ITEMS)
    spans, records = Delivery("span", queue_items), Delivery("log", queue_items)
    span_exporter, log_exporter = _exporters(endpoint.rstrip("/"), environ)
    batching = {
        "batch_items": min(
            positive(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", delivery.BATCH_MAX_ITEMS),
            queue_items,
        ),
        "delay_ms": positive(environ, "OTEL_BSP_SCHEDULE_DELAY", delivery.SCHEDULE_DELAY_MS),
    }
    ids = DecidedIds()
    tracers = TracerProvider(
        sampler.for_provider(),
        resource,
        shutdown_on_exit=False,  # the service's own end does it, within a limit
        active_span_processor=RedactingSpanProcessor(),  # type: ignore[no-untyped-call]
        id_generator=ids,
        span_limits=SpanLimits(max_attribute_length=TEXT_MAX_CHARS),
    )
    tracers.add_span_processor(SpanQueue(span_exporter, spans, **batching))
    loggers = LoggerProvider(
        resource,
        shutdown_on_exit=False,
        multi_log_record_processor=RedactingLogProcessor(),  # type: ignore[no-untyped-call]
    )
    loggers.add_log_record_processor(LogQueue(log_exporter, records, **batching))
    trace.set_tracer_provider(tracers)
    set_logger_provider(loggers)
    markers = Markers(tracers, loggers, spans, records)
    tracing.install(Recorder(sampler, tracers.get_tracer(_SCOPE), ids, markers))
    logs.export_to(loggers)
    metrics.show_deliveries((spans, records))
    # It says each failure of each batch; `delivery` says when exports begin to fail, and end to.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    return Telemetry(
        str(resource.attributes["service.name"]),
        tracers,
        loggers,
        (spans, records),
        (span_exporter, log_exporter),
    )


def describe_process(service_name: str, service_version: str) -> Resource:
    """Describe this process, with OTEL_RESOURCE_ATTRIBUTES of its environment."""
    return Resource.create(
        {
            "service.name": service_name,
            "service.version": service_version,
            # Not the SDK's: it is made once, before the fork, and would be shared.
            "service.instance.id": f"{random.getrandbits(128):032x}",
            "process.pid": os.getpid(),
        }
    )


def _in_thread(stop: Callable[[], None]) -> asyncio.Future[None]:
    """Run *stop* in a thread that the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        try:
            stop()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has not waited
                loop.call_soon_threadsafe(done.cancel)

    threading.Thread(target=run, name="telemetry-shutdown", daemon=True).start()
    return done


def _otlp() -> tuple[Any, Any, Any]:
    """Import and return the exporters of traces and logs, and their ways of compression."""
    from opentelemetry.exporter.otlp.proto.http import Compression, _log_exporter, trace_exporter  # noqa: PLC0415 - see `preload`

    return trace_exporter.OTLPSpanExporter, _log_exporter.OTLPLogExporter, Compression


def _exporters(endpoint: str, environ: Mapping[str, str]) -> tuple[SpanExporter, LogRecordExporter]:
    spans, records, _ = _otlp()
    sending: dict[str, Any] = {
        "headers": _headers(environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")),
        "timeout": positive(environ, "OTEL_EXPORTER_OTLP_TIMEOUT", REQUEST_TIMEOUT_MS) / 1000,
        "compression": _compression(environ.get("OTEL_EXPORTER_OTLP_COMPRESSION", "")),
        "max_request_size": REQUEST_MAX_BYTES,
    }
    return spans(f"{endpoint}/v1/traces", **sending), records(f"{endpoint}/v1/logs", **sending)


def _compression(text: str) -> Any:
    try:
        return _otlp()[2](text.strip() or "none")
    except ValueError:
        raise ValueError("OTEL_EXPORTER_OTLP_COMPRESSION is not none, gzip or deflate") from None


def _headers(text: str) -> dict[str, str]:
    """Read OTEL_EXPORTER_OTLP_HEADERS: `name=value` pairs with commas between them."""
    headers = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not sign or not name.isascii() or not (name + value).isprintable():
            raise ValueError("OTEL_EXPORTER_OTLP_HEADERS is not a list of name=value")
        headers[name] = value
    return headers
