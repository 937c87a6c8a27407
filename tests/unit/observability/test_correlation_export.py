"""Server spans and log records carry the correlation id beside the trace: each proves the other."""

import pytest

from caas_observability.receiver import decoding as otlp_decoding
from caas_observability.setup import context, logs, otlp_encoding, tracing
from caas_observability.setup.logs import Sink
from caas_observability.setup.otlp_encoding import CORRELATION_KEY
from caas_observability.setup.signals import SignalQueue


@pytest.fixture
def sink(queue: SignalQueue) -> Sink:
    """A sink that exports to the recorder's queue and prints nothing."""
    return Sink("auth-service", queue=queue, write=lambda _: None)


def test_both_signals_name_the_request(queue: SignalQueue, sink: Sink) -> None:
    """What was set on the server span is in its attributes and in those of its log lines."""
    replaced = logs.install(sink)
    with tracing.start_server_span("GET"):
        context.set_correlation_id("run.S01.01.1.x1")
        logs.get_logger("test").info("answered", status=200)
        with tracing.start_span("find"):
            pass
    logs.install(replaced)
    log, inner, server = queue.take(3)

    resource = otlp_encoding.encode_resource({"service.name": "auth-service"})
    spans = otlp_decoding.decode_spans(
        otlp_encoding.encode_request(
            resource, [("s", [otlp_encoding.encode_span(s) for s in (inner, server)])]
        ),
        is_json=False,
    ).records
    records = otlp_decoding.decode_logs(
        otlp_encoding.encode_request(resource, [("s", [otlp_encoding.encode_log(log)])]),
        is_json=False,
    ).records
    assert [span.attributes.get(CORRELATION_KEY) for span in spans] == [None, "run.S01.01.1.x1"]
    assert records[0].attributes == {"status": 200, CORRELATION_KEY: "run.S01.01.1.x1"}
