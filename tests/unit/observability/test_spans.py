"""What spans record, and what an unsampled request costs: ids and nothing else."""

import asyncio

import pytest

from caas_observability.setup import context, tracing
from caas_observability.setup.sampling import Sampler, TokenBucket
from caas_observability.setup.signals import SignalQueue
from caas_observability.setup.tracing import Recorder, RecordingSpan, start_server_span, start_span

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01".encode()
UNSAMPLED = f"00-{TRACE}-{PARENT}-00".encode()


def ended(queue: SignalQueue) -> list[RecordingSpan]:
    """Return the ended spans in order."""
    return queue.take(len(queue))


def test_a_server_span_continues_the_callers_trace(queue: SignalQueue) -> None:
    """Parent and trace come from the header, the span id is new."""
    with start_server_span("GET", traceparent=SAMPLED, attributes_lazy=lambda: {"a": 1}) as span:
        assert context.current() is span
        assert span.recording

    (recorded,) = ended(queue)
    assert (recorded.trace_id, recorded.parent_span_id) == (TRACE, PARENT)
    assert recorded.span_id not in {PARENT, ""}
    assert recorded.kind == 2
    assert recorded.attributes == {"a": 1}
    assert recorded.end_ns >= recorded.start_ns > 0


def test_children_hang_below_the_current_span(queue: SignalQueue) -> None:
    """They end first, so they are queued first."""
    with start_server_span("GET", traceparent=SAMPLED) as server:
        with start_span("find users", kind="client", attributes={"db.system.name": "mongodb"}):
            inner = context.traceparent()
        assert context.current() is server

    child, parent = ended(queue)
    assert child.parent_span_id == parent.span_id
    assert child.span_id in inner
    assert child.kind == 3


def test_an_unsampled_request_builds_nothing(queue: SignalQueue) -> None:
    """No attribute is computed, no child object is made, ids are there all the same."""

    def never() -> dict[str, object]:
        raise AssertionError("attributes of an unsampled span were computed")

    with start_server_span("GET", traceparent=UNSAMPLED, attributes_lazy=never) as span:
        with start_span("a") as first, start_span("b") as second:
            first.set("key", "value")
            first.record_error(ValueError())
            assert first is second
            assert first.context is span
        assert not span.recording
        assert span.traceparent().endswith("-00")
        assert span.trace_id == TRACE

    assert len(queue) == 0


def test_without_an_exporter_the_caller_s_context_is_passed_on_unchanged() -> None:
    """A process that records nothing must not put itself between two that do."""
    replaced = tracing.install(Recorder(None))
    try:
        with start_server_span("GET", traceparent=SAMPLED):
            assert context.traceparent() == SAMPLED.decode()
            with start_span("child"):
                assert context.traceparent() == SAMPLED.decode()
        with start_server_span("GET") as root:
            assert not root.sampled
            assert len(root.trace_id) == 32
    finally:
        tracing.install(replaced)


def test_roots_follow_the_sampler() -> None:
    """A ratio of zero records no root, and still every sampled caller's trace."""
    queue = SignalQueue()
    replaced = tracing.install(Recorder(queue, Sampler(ratio=0.0)))
    try:
        start_server_span("GET").end()
        start_span("task").end()
        assert len(queue) == 0
        start_server_span("GET", traceparent=SAMPLED).end()
        assert len(queue) == 1
    finally:
        tracing.install(replaced)


def test_an_exception_marks_the_span_and_is_redacted(queue: SignalQueue) -> None:
    """The text of an exception may quote what a client sent."""
    with pytest.raises(ValueError, match="password"), start_span("work"):
        raise ValueError("password=hunter22 is wrong")

    (span,) = ended(queue)
    assert span.status == tracing.STATUS_ERROR
    assert span.attributes["error.type"] == "ValueError"
    assert span.events is not None
    assert span.events[0][2]["exception.message"] == "password=[redacted] is wrong"
    assert "hunter22" not in span.status_message


def test_cancellation_is_not_an_error(queue: SignalQueue) -> None:
    """A client that went away is no fault of the service."""
    with pytest.raises(asyncio.CancelledError), start_span("work"):
        raise asyncio.CancelledError

    assert ended(queue)[0].status == tracing.STATUS_UNSET


def test_a_span_keeps_bounded_amounts(queue: SignalQueue) -> None:
    """A loop that sets attributes can't fill the memory."""
    with start_span("work") as span:
        for n in range(tracing.ATTRIBUTES_MAX + 5):
            span.set(f"k{n}", n)
            span.add_event(f"e{n}")
            span.add_link(context.SpanContext(TRACE, PARENT, sampled=True))
        span.set("k0", "again")
        span.set("none", None)

    (recorded,) = ended(queue)
    assert len(recorded.attributes) == tracing.ATTRIBUTES_MAX
    assert recorded.dropped_attributes == 5
    assert recorded.attributes["k0"] == "again"
    assert recorded.events is not None
    assert recorded.links is not None
    assert len(recorded.events) == tracing.EVENTS_MAX
    assert len(recorded.links) == tracing.LINKS_MAX


def test_ending_twice_records_once(queue: SignalQueue) -> None:
    """Some callers end in `finally` and by `with`."""
    with start_span("work") as span:
        span.end()

    assert len(queue) == 1


def test_a_span_may_end_in_another_task(queue: SignalQueue) -> None:
    """A stream's span ends where the stream does; that task's own span stays current."""

    async def main() -> None:
        stream = start_span("stream", activate=False)
        assert context.current() is None

        async def end() -> None:
            with start_span("other") as other:
                stream.end()
                assert context.current() is other

        await asyncio.create_task(end())

    asyncio.run(main())

    assert [span.name for span in ended(queue)] == ["stream", "other"]


def test_an_explicit_parent_wins(queue: SignalQueue) -> None:
    """A consumer continues the trace of the message, not of its own loop."""
    message = context.parse_traceparent(SAMPLED)
    with start_span("loop"), start_span("consume", kind="consumer", parent=message):
        pass

    consumed, loop = ended(queue)
    assert (consumed.trace_id, consumed.parent_span_id) == (TRACE, PARENT)
    assert loop.trace_id != TRACE


def test_an_unsampled_message_silences_its_consumer(queue: SignalQueue) -> None:
    """Also inside a sampled loop; log lines still carry the message's trace."""
    message = context.parse_traceparent(UNSAMPLED)
    with start_span("loop"), start_span("consume", kind="consumer", parent=message):
        assert context.traceparent() == UNSAMPLED.decode()

    assert [span.name for span in ended(queue)] == ["loop"]


def test_links_and_status(queue: SignalQueue) -> None:
    """An observer links to what it watches; a 5xx is an error without an exception."""
    watched = context.SpanContext(TRACE, PARENT, sampled=True)
    with start_span("observe", links=[watched]) as span:
        span.set_error(error_type="503")
    with start_span("fine") as fine:
        fine.set_error("no")
        fine.set_ok()
        fine.update_name("better")

    first, second = ended(queue)
    assert first.links is not None
    assert first.links[0][0].trace_id == TRACE
    assert (first.status, first.attributes["error.type"]) == (2, "503")
    assert (second.status, second.status_message, second.name) == (1, "", "better")


def test_a_marker_wakes_the_exporter_and_reports_losses() -> None:
    """The reader of the marker learns whether anything before it is missing."""
    queue = SignalQueue(max_items=2)
    woken: list[int] = []
    queue.wake = lambda: woken.append(len(queue))
    replaced = tracing.install(Recorder(queue))
    try:
        for _ in range(3):
            start_server_span("GET", traceparent=SAMPLED).end()
        woken.clear()
        start_server_span("GET", traceparent=SAMPLED, tracestate=b"caas=flush").end()
    finally:
        tracing.install(replaced)

    assert woken == [3]
    marker = queue.take(3)[-1]
    assert marker.attributes["caas.telemetry.dropped_spans"] == 1
    assert marker.tracestate == ""


def test_a_marker_needs_a_trace_to_be_found_by(queue: SignalQueue) -> None:
    """Without `traceparent` nobody could wait for it, so it is an ordinary request."""
    woken: list[int] = []
    queue.wake = lambda: woken.append(1)
    start_server_span("GET", tracestate=b"caas=flush").end()

    assert woken == []


def _bounded(forced: int, flushes: int) -> Sampler:
    """Return a sampler without roots, whose clock stands still."""
    sampler = Sampler(ratio=0.0)
    sampler.forced = TokenBucket(forced, lambda: 0.0)
    sampler.flushes = TokenBucket(flushes, lambda: 0.0)
    return sampler


def test_a_flood_of_sampled_requests_is_bounded_and_hides_no_marker() -> None:
    """What is over the limit is an unsampled request; markers have a limit of their own."""
    queue = SignalQueue()
    woken: list[int] = []
    queue.wake = lambda: woken.append(1)
    replaced = tracing.install(Recorder(queue, _bounded(1, 1)))
    try:
        flags = []
        for _ in range(15):
            with start_server_span("GET", traceparent=SAMPLED) as span:
                flags.append(span.traceparent()[-2:])
        markers = []
        for _ in range(15):
            with start_server_span("GET", traceparent=SAMPLED, tracestate="caas=flush") as span:
                markers.append(span.recording)
    finally:
        tracing.install(replaced)

    assert flags == ["01"] * 10 + ["00"] * 5
    assert markers == [True] * 10 + [False] * 5
    assert len(woken) == 10
    assert len(queue) == 20


def test_a_marker_too_many_is_an_ordinary_request() -> None:
    """It is recorded like any other, and exported in its turn."""
    queue = SignalQueue()
    woken: list[int] = []
    queue.wake = lambda: woken.append(1)
    replaced = tracing.install(Recorder(queue, _bounded(10, 0)))
    try:
        start_server_span("GET", traceparent=SAMPLED, tracestate="caas=flush").end()
    finally:
        tracing.install(replaced)

    assert woken == []
    assert len(queue) == 1


def test_without_an_exporter_the_flag_is_passed_on_up_to_the_limit() -> None:
    """Sampled requests are logged one by one, and recorded by whoever is called next."""
    replaced = tracing.install(Recorder(None, _bounded(1, 0)))
    try:
        flags = []
        for _ in range(15):
            with start_server_span("GET", traceparent=SAMPLED) as span:
                assert span.span_id == PARENT
                flags.append(span.sampled)
    finally:
        tracing.install(replaced)

    assert flags == [True] * 10 + [False] * 5
