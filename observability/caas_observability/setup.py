"""Telemetry of one service process, set up once."""

import os
from collections.abc import Mapping

from caas_observability import logs, tracing
from caas_observability.sampling import sampler_from_env
from caas_observability.signals import SignalQueue


class Telemetry:
    """What `configure` set up."""

    def __init__(self, service_name: str, queue: SignalQueue | None) -> None:
        self.service_name = service_name
        self.queue = queue

    def start(self) -> None:
        """Begin exporting, in the running event loop."""

    async def shutdown(self) -> None:
        """Export what is left within a deadline, and stop."""


_configured: tuple[int, Telemetry] | None = None


def configure(service_name: str, service_version: str, environ: Mapping[str, str]) -> Telemetry:
    """Set up recording, logs and metrics of this process; call it after the fork.

    A second call in one process returns what the first one made.

    Raises:
        ValueError: A variable has a value that the OpenTelemetry specification doesn't know.
    """
    global _configured  # noqa: PLW0603 - one per process
    if _configured is not None and _configured[0] == os.getpid():
        return _configured[1]
    name = environ.get("OTEL_SERVICE_NAME") or service_name
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    queue = SignalQueue() if endpoint else None
    tracing.install(tracing.Recorder(queue, sampler_from_env(environ)))
    logs.install(logs.Sink(name, level=environ.get("CAAS_LOG_LEVEL", "info"), queue=queue))
    logs.bridge_stdlib()
    telemetry = Telemetry(name, queue)
    _configured = (os.getpid(), telemetry)
    return telemetry
