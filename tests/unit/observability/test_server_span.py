"""The span of a request: what is recorded of it, and what an unsampled one costs."""

import asyncio
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.trace import SpanKind, StatusCode

from caas.testing.recorded import Recorded, recording
from caas_observability.setup import cleaning, propagation
from caas_observability.setup.sampling import Sampler, TokenBucket
from caas_observability.setup.tracing import start_server_span

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01".encode()
UNSAMPLED = f"00-{TRACE}-{PARENT}-00".encode()

tracer = trace.get_tracer("a.library")  # as an instrumentation of others has it


def sent() -> str:
    """Return the `traceparent` of a call made now."""
    carrier: dict[str, str] = {}
    propagation.inject(carrier)
    return carrier.get("traceparent", "")


def test_a_server_span_continues_the_callers_trace(recorded: Recorded) -> None:
    """Parent and trace come from the header, the span id is new."""
    with start_server_span(
        "GET", correlation_id="corr-1", traceparent=SAMPLED, attributes_lazy=lambda: {"a": 1}
    ) as span:
        assert trace.get_current_span() is span.span
        assert span.recording

    (ended,) = recorded.spans
    assert ended.parent is not None
    assert f"{ended.context.trace_id:032x}" == TRACE
    assert f"{ended.parent.span_id:016x}" == PARENT
    assert span.span_id != PARENT
    assert ended.kind is SpanKind.SERVER
    assert ended.attributes == {"a": 1, "correlation_id": "corr-1"}


def test_what_a_library_starts_hangs_below_the_request(recorded: Recorded) -> None:
    """And what it sends names its span."""
    with (
        start_server_span("GET", traceparent=SAMPLED) as server,
        tracer.start_as_current_span("call", kind=SpanKind.CLIENT) as call,
    ):
        assert f"{call.get_span_context().span_id:016x}" in sent()

    child, _ = recorded.spans
    assert child.parent is not None
    assert f"{child.parent.span_id:016x}" == server.span_id


def test_an_unsampled_request_makes_no_object_of_the_sdk(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are there all the same; a library below it records nothing, and passes them on."""
    made: list[object] = []
    monkeypatch.setattr(sdk.Tracer, "start_span", lambda *_, **__: made.append(1))

    def never() -> dict[str, Any]:
        raise AssertionError("attributes of an unsampled span were computed")

    with start_server_span("GET", traceparent=UNSAMPLED, attributes_lazy=never) as span:
        span.set("key", "value")
        span.record_error(ValueError())
        assert not span.recording
        assert span.traceparent().encode() == UNSAMPLED
        assert sent().encode() == UNSAMPLED
    monkeypatch.undo()
    with start_server_span("GET", traceparent=UNSAMPLED), tracer.start_as_current_span("a") as a:
        assert not a.is_recording()
        assert sent()[-2:] == "00"

    assert made == []
    assert recorded.spans == []


@pytest.mark.parametrize("given", [UNSAMPLED, None])
def test_an_unsampled_span_has_its_ids_in_the_form_of_the_api(given: bytes | None) -> None:
    """Whoever reads the current span finds what the header says, and that it is a caller's."""
    with start_server_span("GET", correlation_id="c", traceparent=given, tracestate="v=1") as span:
        current = trace.get_current_span()
        own = current.get_span_context()
        assert own.is_valid
        assert trace.format_trace_id(own.trace_id) == span.trace_id
        assert trace.format_span_id(own.span_id) == span.span_id
        assert own.is_remote is (given is not None)
        assert own.trace_state.get("v") == ("1" if given else None)
        assert not own.trace_flags.sampled
        assert span.trace_id in span.traceparent()
        assert span.trace_id in repr(current)
    assert not trace.get_current_span().get_span_context().is_valid


def test_without_an_exporter_the_caller_s_context_is_passed_on_unchanged() -> None:
    """A process that records nothing must not put itself between two that do."""
    with start_server_span("GET", traceparent=SAMPLED, tracestate="vendor=1"):
        assert sent().encode() == SAMPLED
    with start_server_span("GET") as root:
        assert not root.sampled
        assert len(root.trace_id) == 32


def test_roots_follow_the_sampler() -> None:
    """A ratio of zero records no root, and still every sampled caller's trace."""
    with recording(Sampler(ratio=0.0)) as recorded:
        start_server_span("GET").end()
        assert recorded.spans == []
        start_server_span("GET", traceparent=SAMPLED).end()
        assert len(recorded.spans) == 1


def test_a_root_keeps_the_id_it_was_decided_by(recorded: Recorded) -> None:
    """Other processes decide by it, too."""
    sampler = Sampler(ratio=0.5)
    with recording(sampler) as found:
        spans = []
        for _ in range(50):
            with start_server_span("GET") as span:
                spans.append((int(span.trace_id, 16), span.recording))

    assert all(sampler.root(trace_id) is kept for trace_id, kept in spans)
    assert len(found.spans) == sum(kept for _, kept in spans)
    assert 0 < len(found.spans) < 50
    assert recorded.spans == found.spans  # the same memory


def test_a_call_that_belongs_to_no_request_is_no_trace(recorded: Recorded) -> None:
    """A background task polls all day."""
    tracer.start_span("poll", kind=SpanKind.CLIENT).end()
    with tracer.start_as_current_span("job"), tracer.start_as_current_span(
        "poll", kind=SpanKind.CLIENT
    ):  # fmt: skip
        pass

    assert [span.name for span in recorded.spans] == ["poll", "job"]


def test_an_exception_marks_the_span(recorded: Recorded) -> None:
    """The text of an exception may quote what a client sent."""
    with (
        pytest.raises(ValueError, match="password"),
        start_server_span("GET", traceparent=SAMPLED),
    ):
        raise ValueError("password=hunter22 is wrong")

    (span,) = recorded.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes == {"error.type": "ValueError"}
    assert span.events[0].attributes is not None
    assert span.events[0].attributes["exception.message"] == "password=[redacted] is wrong"
    assert "hunter22" not in (span.status.description or "")


def test_cancellation_is_not_an_error(recorded: Recorded) -> None:
    """A client that went away is no fault of the service."""
    with pytest.raises(asyncio.CancelledError), start_server_span("GET", traceparent=SAMPLED):
        raise asyncio.CancelledError

    assert recorded.spans[0].status.status_code is StatusCode.UNSET


def test_ending_twice_records_once(recorded: Recorded) -> None:
    """Some callers end in `finally` and by `with`."""
    with start_server_span("GET", traceparent=SAMPLED) as span:
        span.end()

    assert len(recorded.spans) == 1


def test_a_foreign_instrumentation_s_span_is_redacted(recorded: Recorded) -> None:
    """Name, attributes, events, links and status, whoever recorded them; the rest stays."""
    watched = trace.SpanContext(1, 2, is_remote=True)
    span = recorded.tracers.get_tracer("lib").start_span(
        "GET /?token=hunter22", links=[trace.Link(watched, {"password": "hunter22", "n": 1})]
    )
    span.set_attributes(
        {
            "url.full": "http://u:hunter22@h/?api_key=hunter22&a=1", "n": 7, "ok": True, "f": 0.5,
            "http.request.header.authorization": ("Bearer hunter22hunter22",), "items": ("a", "b"),
        }
    )  # fmt: skip
    span.add_event("secret=hunter22", {"body": '{"password": "hunter22"}', "n": 1}, 7)
    span.record_exception(ValueError("token=hunter22"))
    span.set_status(StatusCode.ERROR, "apiKey=hunter22")
    span.end()

    (seen,) = recorded.spans
    assert "hunter22" not in seen.to_json()
    assert seen.name == "GET /?token=[redacted]"
    assert seen.attributes is not None
    assert seen.attributes["url.full"] == "http://[redacted]@h/?api_key=[redacted]&a=1"
    assert (seen.attributes["n"], seen.attributes["ok"], seen.attributes["f"]) == (7, True, 0.5)
    assert seen.attributes["items"] == ("a", "b")
    assert (seen.events[0].name, seen.events[0].timestamp) == ("secret=[redacted]", 7)
    assert seen.links[0].context == watched
    assert seen.status.description == "apiKey=[redacted]"


def test_a_span_without_secrets_is_handed_on_as_it_is(recorded: Recorded) -> None:
    """Down to the object: copying costs."""
    with start_server_span("GET", traceparent=SAMPLED) as span:
        span.set_many({"n": 1, "text": "plain"})
        span.add_event("event", {"n": 1})

    assert recorded.spans[0].attributes == {"n": 1, "text": "plain"}


def test_what_otlp_can_t_hold_costs_itself_and_not_its_batch() -> None:
    """The exporter encodes a batch as a whole."""
    assert cleaning.clean_value("n", 1 << 70) == str(1 << 70)
    assert cleaning.clean_value("t", "\ud800") == "?"
    assert cleaning.clean_value("l", [1 << 70, "\ud800"]) == [str(1 << 70), "?"]
    assert len(cleaning.clean_value("t", "x" * 20_000)) == cleaning.TEXT_MAX_CHARS


def _bounded(forced: int) -> Sampler:
    """Return a sampler without roots, whose clock stands still."""
    sampler = Sampler(ratio=0.0)
    sampler.forced = TokenBucket(forced, lambda: 0.0)
    return sampler


def test_a_flood_of_sampled_requests_is_bounded() -> None:
    """What is over the limit is an unsampled request."""
    with recording(_bounded(1)) as recorded:
        flags = []
        for _ in range(15):
            with start_server_span("GET", traceparent=SAMPLED) as span:
                flags.append(span.traceparent()[-2:])

    assert flags == ["01"] * 10 + ["00"] * 5
    assert len(recorded.spans) == 10
