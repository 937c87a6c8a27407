"""JSON lines: fields, correlation, redaction, and the OTLP record beside each."""

import io
import logging
import re
import sys
from collections.abc import Iterator

import msgspec
import pytest
import structlog
from opentelemetry._logs import SeverityNumber

from caas.testing.recorded import Recorded
from caas_observability.setup import cleaning, log_lines, logs
from caas_observability.setup.logs import Sink, get_logger
from caas_observability.setup.tracing import start_server_span

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"


class Stream:
    """What was written, one bytes object a line."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []

    @property
    def last(self) -> dict[str, object]:
        """Return the last line, decoded."""
        line: dict[str, object] = msgspec.json.decode(self.raw[-1])
        return line


@pytest.fixture
def stream() -> Iterator[Stream]:
    """Catch log lines from level debug on."""
    caught = Stream()
    replaced = logs.install(Sink("svc", level="debug", write=caught.raw.append))
    yield caught
    logs.install(replaced)


def test_a_line_has_the_agreed_members(stream: Stream) -> None:
    """`caas logs` and people's own tools read them."""
    get_logger("auth").info("user signed in", count=2, ratio=0.5, ok=True, none=None)

    line = stream.last
    assert stream.raw[0].endswith(b"}\n")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("timestamp")))
    assert line == {
        "level": "info",
        "event": "user signed in",
        "service.name": "svc",
        "logger": "auth",
        "count": 2,
        "ratio": 0.5,
        "ok": True,
        "none": None,
    }


def test_a_line_inside_a_span_carries_its_ids(stream: Stream) -> None:
    """Also when the trace is not sampled: the line can still be found by trace."""
    unsampled = SAMPLED.replace("-01", "-00")
    with start_server_span("GET", correlation_id="corr-1", traceparent=unsampled) as span:
        get_logger("x").warning("slow")

    assert stream.last["trace_id"] == TRACE
    assert stream.last["span_id"] == span.span_id
    assert stream.last["correlation_id"] == "corr-1"


def test_fields_and_events_are_redacted(stream: Stream) -> None:
    """By name, by shape and inside any value."""
    get_logger("x").info(
        "got token=hunter22", password="hunter22", body={"apiKey": "hunter22", "n": 1},
        url="mongodb://u:hunter22@h/", items=["Bearer hunter22hunter22"],
    )  # fmt: skip

    assert b"hunter22" not in stream.raw[0]
    assert stream.last["body"] == {"apiKey": "[redacted]", "n": 1}


def test_the_caller_cannot_forge_the_agreed_members(stream: Stream) -> None:
    """A field of the same name is kept under another one."""
    get_logger("x").info("real", level="fake", trace_id="fake")

    assert stream.last["level"] == "info"
    assert stream.last["field.level"] == "fake"
    assert "trace_id" not in stream.last


def test_a_client_cannot_break_out_of_its_line(stream: Stream) -> None:
    """Newlines and control characters are escaped."""
    get_logger("x").info("a\nb", path="/\r\n\x00\u2028")

    assert stream.raw[0].count(b"\n") == 1
    assert stream.last["event"] == "a\nb"


def test_an_exception_is_described_without_source_lines(stream: Stream) -> None:
    """Frames by file and line; no code and no locals, which may hold secrets."""
    try:
        raise ValueError("password=hunter22")  # noqa: TRY301
    except ValueError as error:
        get_logger("x").exception("failed")
        get_logger("x").error("failed", exc_info=error)

    for raw in stream.raw:
        line = msgspec.json.decode(raw)
        assert line["exception.type"] == "ValueError"
        assert line["exception.message"] == "password=[redacted]"
        assert line["exception.stacktrace"].startswith("test_json_logs.py:")
        assert b"hunter22" not in raw


class _Opaque:
    def __str__(self) -> str:
        return "password=hunter22"


@pytest.mark.parametrize(
    "value", [_Opaque(), {1, 2}, b"\xff", 10**40, float("nan"), {_Opaque(): 1}, "\ud800"]
)
def test_no_value_breaks_logging(stream: Stream, value: object) -> None:
    """Whatever is passed, there is one line and no secret in it."""
    get_logger("x").info("odd", value=value)

    assert stream.last["event"] == "odd"
    assert b"hunter22" not in stream.raw[0]


def test_long_and_many_fields_are_bounded(stream: Stream) -> None:
    """A line can't grow with what a client sends."""
    get_logger("x").info("e" * 20_000, **{f"k{n}": "v" * 20_000 for n in range(200)})

    assert len(stream.raw[0]) < (logs.FIELDS_MAX + 1) * (cleaning.TEXT_MAX_CHARS + 20)
    assert len(stream.last) <= logs.FIELDS_MAX + 5


def test_bound_fields_are_on_every_line(stream: Stream) -> None:
    """`bind` does not change the logger it came from."""
    logger = get_logger("x", unit="a")
    bound = logger.bind(job=7)
    bound.debug("one", step=1)
    logger.critical("two")

    first, second = map(msgspec.json.decode, stream.raw)
    assert (first["unit"], first["job"], first["step"]) == ("a", 7, 1)
    assert "job" not in second


def test_the_level_is_a_threshold() -> None:
    """Below it nothing is built, and a misspelt level stops the start."""
    written: list[bytes] = []
    replaced = logs.install(Sink("svc", level="WARNING", write=written.append))
    try:
        get_logger("x").info("no")
        get_logger("x").warning("yes")
    finally:
        logs.install(replaced)

    assert len(written) == 1
    with pytest.raises(ValueError, match="loud"):
        Sink(level="loud")


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Bridge the standard library, and put it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    logs.bridge_stdlib(logging.DEBUG)
    yield root
    root.handlers, root.level = handlers, level


def test_the_standard_library_writes_the_same_lines(
    stream: Stream, root_logger: logging.Logger
) -> None:
    """Servers and drivers log through it; bridging twice doubles nothing."""
    logs.bridge_stdlib(logging.DEBUG)
    logging.getLogger("pymongo.command").warning("token=%s", "hunter22")
    logging.getLogger("a").log(25, "between info and warning")

    assert root_logger.handlers != []
    first, second = map(msgspec.json.decode, stream.raw)
    assert (first["level"], first["logger"]) == ("warning", "pymongo.command")
    assert first["event"] == "token=[redacted]"
    assert second["level"] == "info"


def test_a_broken_log_call_shows_no_arguments(
    stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    """The standard handler would print them to standard error as they are."""
    record = logging.LogRecord("lib", logging.INFO, "", 1, "%d", ("hunter22",), None)
    logs.StdlibBridge().emit(record)

    assert (stream.last["template"], stream.last["logger"]) == ("%d", "lib")
    assert b"hunter22" not in stream.raw[0]
    assert capsys.readouterr().err == ""


def test_structlog_s_own_loggers_write_the_same_lines(stream: Stream) -> None:
    """Libraries that call `structlog.get_logger()` are covered."""
    logs.configure_structlog()
    try:
        structlog.get_logger("lib").bind(a=1).info("hello", password="hunter22")
    finally:
        structlog.reset_defaults()

    assert (stream.last["event"], stream.last["logger"], stream.last["a"]) == ("hello", "lib", 1)
    assert stream.last["password"] == "[redacted]"


def test_each_line_is_an_otlp_record_too(stream: Stream, recorded: Recorded) -> None:
    """With or without a trace, in the order it was written; nothing of the line's own members."""
    get_logger("x").error("outside", a=1)
    with start_server_span("GET", correlation_id="corr-1", traceparent=SAMPLED) as span:
        get_logger("x").info("inside", token="hunter22")

    outside, inside = recorded.logs
    assert (outside.severity_number, outside.body) == (SeverityNumber.ERROR, "outside")
    assert outside.trace_id == 0
    assert outside.attributes == {"a": 1}
    assert (inside.trace_id, inside.span_id) == (int(TRACE, 16), int(span.span_id, 16))
    assert inside.attributes == {"token": "[redacted]", "correlation_id": "corr-1"}
    assert len(stream.raw) == 2


def test_a_library_that_logs_through_the_api_is_redacted(recorded: Recorded) -> None:
    """Its records never pass our loggers."""
    with start_server_span("GET", correlation_id="corr-1", traceparent=SAMPLED):
        recorded.loggers.get_logger("lib").emit(
            body="token=hunter22", attributes={"password": "hunter22", "n": {"jwt": "hunter22"}}
        )

    (record,) = recorded.logs
    assert record.body == "token=[redacted]"
    assert record.attributes == {
        "password": "[redacted]", "n": {"jwt": "[redacted]"}, "correlation_id": "corr-1",
    }  # fmt: skip


def test_a_captured_or_closed_stdout_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log call never raises because of where its line goes."""
    captured = io.StringIO()
    monkeypatch.setattr(sys, "stdout", captured)
    log_lines.write_stdout(b"line\n")
    assert captured.getvalue() == "line\n"

    captured.close()
    log_lines.write_stdout(b"line\n")
