"""W3C Trace Context headers and what is current."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_observability.setup import context, propagation
from caas_observability.setup.context import split_traceparent
from caas_observability.setup.tracing import start_server_span

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False), ("03", True)])
def test_a_valid_header_is_read(kind: type, flags: str, sampled: bool) -> None:  # noqa: FBT001
    """Only bit 0 of the flags means sampled; the others are reserved."""
    text = f"00-{TRACE}-{SPAN}-{flags}"

    assert split_traceparent(text if kind is str else text.encode()) == (TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-extra",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"0-0{TRACE}-{SPAN}-01",
        f"00-{TRACE}{SPAN[:1]}-{SPAN[1:]}-01",
        f"00_{TRACE}_{SPAN}_01",
        f" 00-{TRACE}-{SPAN}-0",
        f"cc-{TRACE}-{SPAN}-01.more",
    ],
)
def test_an_invalid_header_is_ignored(header: str) -> None:
    """W3C Trace Context 3.2.2.3: restart the trace rather than guess."""
    assert split_traceparent(header) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """W3C Trace Context 3.2.2.4."""
    short = split_traceparent(f"cc-{TRACE}-{SPAN}-01")

    assert short == (TRACE, SPAN, True)
    assert split_traceparent(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings") == short


@given(st.binary(max_size=80))
def test_no_header_value_raises(value: bytes) -> None:
    """The header comes from outside."""
    parsed = split_traceparent(value)
    context.clean_tracestate(value)

    assert parsed is None or len(parsed[0]) == 32


@given(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.booleans())
def test_writing_and_reading_is_the_identity(trace: int, span: int, sampled: bool) -> None:  # noqa: FBT001
    """What one service writes the next one reads, an unsampled trace included."""
    header = f"00-{trace:032x}-{span:016x}-0{int(sampled)}"
    carrier: dict[str, str] = {}
    with start_server_span("GET", traceparent=header) as current:
        propagation.inject(carrier)
        assert current.traceparent() == header

    assert carrier["traceparent"] == header


def test_our_tracestate_member_is_not_passed_on() -> None:
    """The end marker is for the service it was sent to, not for those behind it."""
    assert context.clean_tracestate("a=1, caas=flush ,b=2").to_header() == "a=1,b=2"
    assert not context.clean_tracestate("a=" + "x" * 600)
    assert not context.clean_tracestate("a=1\r\nx: y")


@pytest.mark.parametrize(
    ("state", "asked"),
    [(None, False), (b"", False), (b"caas=flush", True), ("a=1, caas=flush", True),
     ("xcaas=flush", False), ("caas=flush2", False)],
)  # fmt: skip
def test_the_end_marker_is_a_whole_member(state: str | bytes | None, asked: bool) -> None:  # noqa: FBT001
    """A member of another vendor that looks alike is no marker."""
    assert context.asks_flush(state) is asked


def test_ids_are_fresh() -> None:
    """Each request without a caller's trace begins one."""
    seen = set()
    for _ in range(100):
        with start_server_span("GET") as span:
            seen |= {span.trace_id, span.span_id}

    assert len(seen) == 200


def test_the_correlation_id_belongs_to_the_request() -> None:
    """It is gone with its request, and a request inside another one has its own."""
    with start_server_span("GET", correlation_id="abc"):
        assert context.current_correlation_id() == "abc"
        with start_server_span("GET", correlation_id="def"):
            assert context.current_correlation_id() == "def"
        assert context.current_correlation_id() == "abc"

    assert context.current_correlation_id() == ""


def test_any_mapping_carries_the_context() -> None:
    """A Socket.IO handshake and an event are mappings just as headers are."""
    carrier: dict[str, str] = {}
    propagation.inject(carrier)
    assert carrier == {}

    header = f"00-{TRACE}-{SPAN}-00"
    with start_server_span("GET", correlation_id="abc", traceparent=header, tracestate="vendor=1"):
        propagation.inject(carrier)
    read = propagation.extract(carrier)

    assert carrier["x-correlation-id"] == "abc"
    assert read is not None
    assert (read.trace_id, read.span_id) == (int(TRACE, 16), int(SPAN, 16))
    assert read.trace_state.to_header() == "vendor=1"
    assert propagation.extract({"traceparent": 1}) is None
