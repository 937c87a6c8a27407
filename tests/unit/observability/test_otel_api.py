"""Third-party instrumentations, written against the OpenTelemetry API, join our traces."""

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators import textmap
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind, Status, StatusCode

from caas_observability.setup import context, tracing
from caas_observability.setup.otel_api import ApiTracerProvider, ScopePropagator
from caas_observability.setup.signals import SignalQueue
from caas_observability.setup.tracing import Recorder, RecordingSpan, start_server_span, start_span

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"

tracer = ApiTracerProvider(Resource({})).get_tracer("a.library")


def ended(queue: SignalQueue) -> dict[str, RecordingSpan]:
    """Return the ended spans by name."""
    return {span.name: span for span in queue.take(len(queue))}


def test_a_library_span_joins_and_ours_hangs_below_it(queue: SignalQueue) -> None:
    """Ours, theirs, ours again: one chain."""
    with (
        start_server_span("server", traceparent=SAMPLED),
        tracer.start_as_current_span("library", kind=SpanKind.CLIENT, attributes={"a": 1}),
        start_span("inner"),
        tracer.start_as_current_span("innermost"),
    ):
        pass

    spans = ended(queue)
    assert spans["library"].parent_span_id == spans["server"].span_id
    assert spans["inner"].parent_span_id == spans["library"].span_id
    assert spans["innermost"].parent_span_id == spans["inner"].span_id
    assert {span.trace_id for span in spans.values()} == {TRACE}
    assert spans["library"].kind == 3
    assert spans["library"].attributes == {"otel.scope.name": "a.library", "a": 1}


def test_use_span_makes_a_parent(queue: SignalQueue) -> None:
    """Some libraries start a span and activate it later."""
    with start_server_span("server", traceparent=SAMPLED):
        started = tracer.start_span("started", start_time=5)
        with trace.use_span(started, end_on_exit=True), tracer.start_as_current_span("child"):
            pass
        tracer.start_span("beside").end(9)

    spans = ended(queue)
    assert spans["child"].parent_span_id == spans["started"].span_id
    assert spans["beside"].parent_span_id == spans["server"].span_id
    assert (spans["started"].start_ns, spans["beside"].end_ns) == (5, 9)


def test_an_explicit_context_counts_alone(queue: SignalQueue) -> None:
    """An empty one asks for a root; one with a remote parent is continued."""
    propagator = ScopePropagator()
    remote = propagator.extract({"traceparent": SAMPLED}, Context())
    with start_server_span("server"):
        tracer.start_span("root", Context()).end()
        tracer.start_span("continued", remote).end()

    spans = ended(queue)
    assert spans["root"].parent_span_id == ""
    assert (spans["continued"].trace_id, spans["continued"].parent_span_id) == (TRACE, PARENT)


def test_a_library_injects_our_context(queue: SignalQueue) -> None:
    """Also when it never started a span itself."""
    propagator: textmap.TextMapPropagator = ScopePropagator()
    carrier: dict[str, str] = {}
    propagator.inject(carrier)
    assert carrier == {}

    with start_server_span("server", traceparent=SAMPLED, tracestate="v=1"):
        propagator.inject(carrier)
        assert carrier == {"traceparent": context.traceparent(), "tracestate": "v=1"}
    assert "traceparent" in propagator.fields
    assert len(queue) == 1


def test_outcomes_are_recorded_and_redacted(queue: SignalQueue) -> None:
    """An exception that leaves the block, and statuses set by hand."""
    with pytest.raises(ValueError, match="boom"), tracer.start_as_current_span("failed"):
        raise ValueError("boom token=hunter22")
    span = tracer.start_span("fine", links=[trace.Link(trace.INVALID_SPAN_CONTEXT)])
    assert span.is_recording()
    span.set_attributes({"b": 2})
    span.update_name("better")
    span.add_event("e", {"n": 1}, timestamp=7)
    span.set_status(Status(StatusCode.ERROR, "no"))
    span.set_status(StatusCode.OK)
    span.end()

    spans = ended(queue)
    assert spans["failed"].status == tracing.STATUS_ERROR
    assert spans["failed"].events is not None
    assert spans["failed"].events[0][2]["exception.message"] == "boom token=[redacted]"
    assert spans["better"].status == tracing.STATUS_OK
    assert spans["better"].events == [(7, "e", {"n": 1})]


def test_an_unsampled_request_silences_libraries_too() -> None:
    """They still see and pass on valid ids."""
    queue = SignalQueue()
    replaced = tracing.install(Recorder(queue))
    try:
        with (
            start_server_span("server", traceparent=SAMPLED[:-2] + "00"),
            tracer.start_as_current_span("library") as span,
        ):
            assert not span.is_recording()
            assert f"{span.get_span_context().trace_id:032x}" == TRACE
            assert not span.get_span_context().trace_flags.sampled
            span.set_attribute("a", 1)
            span.record_exception(ValueError())
    finally:
        tracing.install(replaced)

    assert len(queue) == 0
