"""W3C Trace Context headers and what is current."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_observability.setup import context, propagation
from caas_observability.setup.context import SpanContext, parse_traceparent
from caas_observability.setup.tracing import start_server_span

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False), ("03", True)])
def test_a_valid_header_is_read(kind: type, flags: str, sampled: bool) -> None:  # noqa: FBT001
    """Only bit 0 of the flags means sampled; the others are reserved."""
    text = f"00-{TRACE}-{SPAN}-{flags}"
    parsed = parse_traceparent(text if kind is str else text.encode())

    assert parsed is not None
    assert (parsed.trace_id, parsed.span_id, parsed.sampled) == (TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        None,
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
def test_an_invalid_header_is_ignored(header: str | None) -> None:
    """W3C Trace Context 3.2.2.3: restart the trace rather than guess."""
    assert parse_traceparent(header) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """W3C Trace Context 3.2.2.4."""
    short = parse_traceparent(f"cc-{TRACE}-{SPAN}-01")
    longer = parse_traceparent(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings")

    assert short is not None
    assert longer is not None
    assert longer.trace_id == short.trace_id == TRACE


@given(st.binary(max_size=80))
def test_no_header_value_raises(value: bytes) -> None:
    """The header comes from outside."""
    parsed = parse_traceparent(value, value)

    assert parsed is None or len(parsed.trace_id) == 32


@given(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.booleans())
def test_writing_and_reading_is_the_identity(trace: int, span: int, sampled: bool) -> None:  # noqa: FBT001
    """What one service writes the next one reads."""
    written = SpanContext(f"{trace:032x}", f"{span:016x}", sampled)
    parsed = parse_traceparent(written.traceparent())

    assert parsed is not None
    assert parsed.traceparent() == written.traceparent()


def test_our_tracestate_member_is_not_passed_on() -> None:
    """The end marker is for the service it was sent to, not for those behind it."""
    assert context.clean_tracestate("a=1, caas=flush ,b=2") == "a=1,b=2"
    assert context.clean_tracestate("a=" + "x" * 600) == ""
    assert context.clean_tracestate("a=1\r\nx: y") == ""


@pytest.mark.parametrize(
    ("state", "asked"),
    [(None, False), (b"", False), (b"caas=flush", True), ("a=1, caas=flush", True),
     ("xcaas=flush", False), ("caas=flush2", False)],
)  # fmt: skip
def test_the_end_marker_is_a_whole_member(state: str | bytes | None, asked: bool) -> None:  # noqa: FBT001
    """A member of another vendor that looks alike is no marker."""
    assert context.asks_flush(state) is asked


def test_ids_are_fresh_hex_text() -> None:
    """Both widths, from one draw or two."""
    trace_id, span_id = context.new_ids()

    assert (len(trace_id), len(span_id)) == (32, 16)
    assert len({context.new_span_id() for _ in range(100)}) == 100
    assert len({context.new_ids() for _ in range(100)}) == 100


def test_the_correlation_id_belongs_to_the_span() -> None:
    """It is gone with its request, and inherited below it."""
    with start_server_span("GET"):
        context.set_correlation_id("abc")
        assert context.current_correlation_id() == "abc"
        with start_server_span("GET"):
            assert context.current_correlation_id() == "abc"

    assert context.current_correlation_id() == ""
    assert context.traceparent() == ""


def test_any_mapping_carries_the_context() -> None:
    """A Socket.IO handshake and an event are mappings just as headers are."""
    carrier: dict[str, str] = {}
    propagation.inject(carrier)
    assert carrier == {}

    header = f"00-{TRACE}-{SPAN}-00"
    with start_server_span("GET", traceparent=header, tracestate="vendor=1") as span:
        context.set_correlation_id("abc")
        propagation.inject(carrier)
    read = propagation.extract(carrier)

    assert carrier["x-correlation-id"] == "abc"
    assert read is not None
    assert (read.traceparent(), read.tracestate) == (span.traceparent(), "vendor=1")
    assert propagation.extract({"traceparent": 1}) is None
