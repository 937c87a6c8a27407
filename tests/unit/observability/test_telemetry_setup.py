"""What the environment's variables do."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import propagate, trace

from caas_observability.setup import logs, tracing
from caas_observability.setup import process as setup
from caas_observability.setup.logs import Sink
from caas_observability.setup.process import configure
from caas_observability.setup.tracing import Recorder


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test be the first to set up, and touch nothing global for good."""
    monkeypatch.setattr(setup, "_configured", None)
    monkeypatch.setattr(logs, "bridge_stdlib", lambda: None)
    monkeypatch.setattr(logs, "configure_structlog", lambda: None)
    monkeypatch.setattr(trace, "set_tracer_provider", lambda _provider: None)
    monkeypatch.setattr(propagate, "set_global_textmap", lambda _propagator: None)
    recorder, sink = tracing.install(Recorder()), logs.install(Sink())
    yield
    tracing.install(recorder)
    logs.install(sink)


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    "environ",
    [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, {**ENDPOINT, "OTEL_SDK_DISABLED": "true"}],
)
def test_without_an_endpoint_nothing_is_recorded(environ: dict[str, str]) -> None:
    """Recording for nobody would only cost."""
    telemetry = configure("svc", "1.0", environ)
    with tracing.start_server_span("GET") as span:
        assert not span.recording

    assert telemetry.exporter is None
    assert telemetry.queue is None


def test_with_an_endpoint_everything_shares_one_queue() -> None:
    """Order across signals depends on it."""
    telemetry = configure("svc", "1.0", {**ENDPOINT, "OTEL_BSP_MAX_QUEUE_SIZE": "7"})
    with tracing.start_server_span("GET"):
        logs.get_logger("x").info("hello")

    assert telemetry.queue is not None
    assert telemetry.queue.max_items == 7
    assert len(telemetry.queue) == 2


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
