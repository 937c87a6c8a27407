"""Telemetry of one service process, set up once, after the fork."""

import os
from collections.abc import Mapping

from opentelemetry.sdk.resources import Resource

from caas_observability.setup import log_lines, logs, metrics, otel_api, signals, tracing
from caas_observability.setup.context import new_trace_id
from caas_observability.setup.exporter import REQUEST_TIMEOUT_MS, SCHEDULE_DELAY_MS, Exporter
from caas_observability.setup.sampling import sampler_from_env
from caas_observability.setup.signals import SignalQueue
from caas_observability.setup.tracing import Recorder


class Telemetry:
    """What `configure` set up.

    Attributes:
        service_name: The name every span, line and metric carries.
        queue: What waits for export; None while nothing is exported.
        exporter: None while nothing is exported.
    """

    def __init__(
        self, service_name: str, exporter: Exporter | None, queue: SignalQueue | None
    ) -> None:
        self.service_name = service_name
        self.exporter = exporter
        self.queue = queue

    def start(self) -> None:
        """Begin exporting, in the running event loop."""
        if self.exporter is not None:
            self.exporter.start()

    async def shutdown(self) -> None:
        """Export what is left, within `exporter.SHUTDOWN_MAX_S`, and stop recording."""
        if self.exporter is not None:
            await self.exporter.shutdown()
        log_lines.flush()


_configured: tuple[int, Telemetry] | None = None


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
    queue, exporter = _export(name, service_version, environ)
    tracing.install(Recorder(queue, sampler))
    logs.install(logs.Sink(name, level=environ.get("CAAS_LOG_LEVEL") or "info", queue=queue))
    logs.bridge_stdlib()
    logs.configure_structlog()
    metrics.show_sampling(sampler.refused)
    if exporter is not None:
        metrics.show_exporter(exporter.figures)
    _configured = (os.getpid(), Telemetry(name, exporter, queue))
    return _configured[1]


def _export(
    name: str, version: str, environ: Mapping[str, str]
) -> tuple[SignalQueue | None, Exporter | None]:
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not endpoint or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None, None
    resource = describe_process(name, version)
    otel_api.install(resource)
    queue = SignalQueue(
        max_items=_positive(environ, "OTEL_BSP_MAX_QUEUE_SIZE", signals.QUEUE_MAX_ITEMS),
        batch_items=_positive(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", signals.BATCH_MAX_ITEMS),
    )
    exporter = Exporter(
        queue,
        resource.attributes,
        endpoint,
        headers=_headers(environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")),
        compress=environ.get("OTEL_EXPORTER_OTLP_COMPRESSION", "").strip() == "gzip",
        delay_ms=_positive(environ, "OTEL_BSP_SCHEDULE_DELAY", SCHEDULE_DELAY_MS),
        timeout_ms=_positive(environ, "OTEL_EXPORTER_OTLP_TIMEOUT", REQUEST_TIMEOUT_MS),
    )
    return queue, exporter


def describe_process(service_name: str, service_version: str) -> Resource:
    """Describe this process, with OTEL_RESOURCE_ATTRIBUTES of its environment."""
    return Resource.create(
        {
            "service.name": service_name,
            "service.version": service_version,
            # Not the SDK's: it is made once, before the fork, and would be shared.
            "service.instance.id": new_trace_id(),
            "process.pid": os.getpid(),
        }
    )


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"{name} is not a positive whole number")
    return int(text)


def _headers(text: str) -> dict[str, str]:
    """Read OTEL_EXPORTER_OTLP_HEADERS: `name=value` pairs with commas between them."""
    headers = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not sign or not name.isascii() or not (name + value).isprintable():
            raise ValueError("OTEL_EXPORTER_OTLP_HEADERS is not a list of name=value")
        headers[name] = value
    return headers
