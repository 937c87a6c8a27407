"""What the environment's variables do."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import propagate, trace

from caas.testing.patience import PATIENCE_S
from caas_observability.setup import logs, tracing
from caas_observability.setup import process as setup
from caas_observability.setup.logs import Sink
from caas_observability.setup.process import Telemetry, configure
from caas_observability.setup.tracing import Recorder


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test be the first to set up, and touch nothing global for good."""
    monkeypatch.setattr(setup, "_configured", None)
    monkeypatch.setattr(logs, "bridge_stdlib", lambda: None)
    monkeypatch.setattr(logs, "configure_structlog", lambda: None)
    monkeypatch.setattr(trace, "set_tracer_provider", lambda _provider: None)
    monkeypatch.setattr(propagate, "set_global_textmap", lambda _propagator: None)
    monkeypatch.setattr(setup, "SHUTDOWN_MAX_S", PATIENCE_S)
    monkeypatch.setattr(setup, "set_logger_provider", lambda _provider: None)
    recorder, sink = tracing.install(Recorder()), logs.install(Sink())
    yield
    logs.export_to(None)
    tracing.install(recorder)
    logs.install(sink)


# A receiver that isn't there, and a millisecond to find out.
ENDPOINT = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
}  # fmt: skip
NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "3600000"}


def stop(telemetry: Telemetry) -> None:
    """End the exporting threads: none may draw random numbers while another test runs."""
    asyncio.run(telemetry.shutdown())


@pytest.mark.parametrize(
    "environ",
    [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, {**ENDPOINT, "OTEL_SDK_DISABLED": "true"}],
)
def test_without_an_endpoint_nothing_is_recorded(environ: dict[str, str]) -> None:
    """Recording for nobody would only cost."""
    telemetry = configure("svc", "1.0", environ)
    with tracing.start_server_span("GET") as span:
        assert not span.recording

    assert telemetry.tracers is None
    assert telemetry.loggers is None


def test_with_an_endpoint_both_signals_wait_for_export() -> None:
    """In a queue each, whose bound the specification's variable sets."""
    telemetry = configure("svc", "1.0", {**ENDPOINT, **NEVER, "OTEL_BSP_MAX_QUEUE_SIZE": "7"})
    for _ in range(9):
        with tracing.start_server_span("GET"):
            logs.get_logger("x").info("hello")
    stop(telemetry)

    for delivery in telemetry.deliveries:
        assert delivery.max_items == 7
        assert delivery.waiting + delivery.dropped == 9
        assert delivery.dropped >= 2


def test_a_second_call_in_a_process_changes_nothing() -> None:
    """A fork is a new process, and sets up anew."""
    first = configure("svc", "1.0", {})
    assert configure("other", "2.0", ENDPOINT) is first

    setup._configured = (os.getpid() + 1, first)
    assert configure("other", "2.0", {}) is not first


def test_the_service_name_can_be_overridden() -> None:
    """For a second instance on one machine."""
    environ = {"OTEL_SERVICE_NAME": "svc-2"}

    assert configure("svc", "1.0", environ).service_name == "svc-2"


def test_the_resource_names_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_RESOURCE_ATTRIBUTES joins; two processes never share an instance id."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    one = setup.describe_process("svc", "1.0").attributes
    two = setup.describe_process("svc", "1.0").attributes

    assert (one["service.name"], one["service.version"]) == ("svc", "1.0")
    assert one["deployment.environment.name"] == "test"
    assert one["service.instance.id"] != two["service.instance.id"]


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_SAMPLER": "sometimes"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "receiver:4318"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_COMPRESSION": "lzma"},
        {**ENDPOINT, "OTEL_BSP_SCHEDULE_DELAY": "soon"},
        {**ENDPOINT, "OTEL_BSP_MAX_QUEUE_SIZE": "0"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS": "no-sign"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS": "a=b\r\nx: y"},
        {"CAAS_LOG_LEVEL": "loud"},
    ],
)
def test_a_wrong_value_stops_the_start(environ: dict[str, str]) -> None:
    """And the message does not repeat the value, which may be a credential."""
    with pytest.raises(ValueError, match=r"OTEL|log level"):
        configure("svc", "1.0", environ)


def test_the_package_has_no_import_of_the_platform() -> None:
    """Services and the runner both build on it; it builds on neither."""
    package = Path(setup.__file__).parent
    for module in package.glob("*.py"):
        for line in module.read_text().splitlines():
            assert not line.startswith(("from caas.", "import caas.", "from caas_conformance"))


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_the_exporters_are_imported_by_those_who_export(endpoint: str) -> None:
    """Before `caas up` forks; seen in a process that has imported nothing else."""
    code = (
        "import os, sys; from caas_observability.setup.process import preload; preload(os.environ);"
        "print('opentelemetry.exporter.otlp.proto.http' in sys.modules)"
    )
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(bool(endpoint))
