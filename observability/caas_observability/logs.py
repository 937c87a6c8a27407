"""Structured logs: JSON lines on standard output, and the same records towards OTLP.

A line has `timestamp` (RFC 3339, UTC, milliseconds), `level`, `event`, `service.name`, `logger`
and, inside a span, `trace_id`, `span_id` and `correlation_id` at top level; then the caller's
fields, redacted.
"""

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from caas_observability import context
from caas_observability.redaction import redact_json, redact_text
from caas_observability.signals import LogItem, SignalQueue

FIELDS_MAX = 64
TEXT_MAX_CHARS = 8192
STACK_MAX_FRAMES = 30

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_OTLP_SEVERITY = {"debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21}
_RESERVED = frozenset(
    {"timestamp", "level", "event", "service.name", "logger", "trace_id", "span_id",
     "correlation_id"}
)  # fmt: skip

Write = Callable[[bytes], object]


def write_stdout(line: bytes) -> None:
    """Write one complete line to standard output at once, past any text layer's buffer."""
    try:
        os.write(sys.stdout.fileno(), line)
    except (OSError, ValueError):
        # No reader, a full disk or a captured stdout: logging never breaks the service.
        _write_captured(line)


def _write_captured(line: bytes) -> None:
    try:
        sys.stdout.write(line.decode())
        sys.stdout.flush()
    except (OSError, ValueError):
        return


class Sink:
    """Where this process's log records go.

    Attributes:
        service_name: Written into every line.
        threshold: Records below this standard-library level are dropped first of all.
        queue: Gets an OTLP record for each line; None while nothing is exported.
        write: Takes one encoded line with its newline.
    """

    __slots__ = ("queue", "service_name", "threshold", "write")

    def __init__(
        self,
        service_name: str = "unknown_service",
        *,
        level: str = "info",
        queue: SignalQueue | None = None,
        write: Write = write_stdout,
    ) -> None:
        """Make a sink.

        Raises:
            ValueError: *level* is not debug, info, warning, error or critical.
        """
        if level.lower() not in _LEVELS:
            raise ValueError(f"log level {level!r} is not one of {', '.join(_LEVELS)}")
        self.service_name = service_name
        self.threshold = _LEVELS[level.lower()]
        self.queue = queue
        self.write = write


_sink = Sink()
_encode = msgspec.json.Encoder(enc_hook=str).encode


def install(sink: Sink) -> Sink:
    """Make *sink* this process's; return the one it replaces."""
    global _sink
    replaced, _sink = _sink, sink
    return replaced


class Logger(structlog.BoundLoggerBase):
    """Writes records; `bind` gives a logger whose fields go on every line."""

    def debug(self, event: str, **fields: Any) -> None:
        """Record what only a developer wants."""
        self._record("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Record what happened."""
        self._record("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Record what somebody should look at some day."""
        self._record("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Record what went wrong; `exc_info=error` adds its type, text and stack."""
        self._record("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Record an error with the exception that is being handled."""
        fields.setdefault("exc_info", True)
        self._record("error", event, fields)

    def critical(self, event: str, **fields: Any) -> None:
        """Record what stops the service."""
        self._record("critical", event, fields)

    def _record(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _LEVELS[level] >= _sink.threshold:
            self._proxy_to_logger(level, event, **fields)


def get_logger(name: str, **fields: Any) -> Logger:
    """Return the logger called *name*; safe at import, before anything is set up."""
    logger: Logger = structlog.wrap_logger(
        _Output(name),
        processors=[_render_exception, _redact, _emit],
        wrapper_class=Logger,
        context_class=dict,
        **fields,
    )
    return logger


class _Output:
    """What structlog calls last; the line is already on its way, so there is nothing to do."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _done(self, _event: object = None) -> None:
        """Do nothing."""

    debug = info = warning = error = critical = _done


def _render_exception(
    _output: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace `exc_info` by exception.type, exception.message and exception.stacktrace."""
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()[1]
    elif isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    if isinstance(exc_info, BaseException):
        event["exception.type"] = type(exc_info).__qualname__
        event["exception.message"] = str(exc_info)
        # Frames only: source lines and locals may hold what nobody meant to log.
        frames = traceback.extract_tb(exc_info.__traceback__)[-STACK_MAX_FRAMES:]
        event["exception.stacktrace"] = "\n".join(
            f"{os.path.basename(f.filename)}:{f.lineno} {f.name}"  # noqa: PTH119
            for f in frames
        )
    return event


def _redact(
    _output: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Bound and redact what the caller gave."""
    message = redact_text(str(event.pop("event", ""))[:TEXT_MAX_CHARS])
    fields = redact_json(dict(list(event.items())[:FIELDS_MAX])) if event else {}
    fields["event"] = message
    return fields


def _emit(output: _Output, method: str, event: MutableMapping[str, Any]) -> str:
    fields = dict(event)
    emit(method, fields.pop("event"), output.name, fields)
    return ""


def emit(level: str, event: str, logger: str, fields: Mapping[str, Any]) -> None:
    """Write one record whose texts are already redacted: the line, then the OTLP record."""
    sink = _sink
    scope = context.current_scope()
    now_ns = time.time_ns()
    line: dict[str, Any] = {
        "timestamp": _rfc3339(now_ns // 1_000_000),
        "level": level,
        "event": event,
        "service.name": sink.service_name,
        "logger": logger,
    }
    if scope is not None:
        line["trace_id"] = scope.trace_id
        line["span_id"] = scope.span_id
        if scope.correlation_id:
            line["correlation_id"] = scope.correlation_id
    for key, value in fields.items():
        line[f"field.{key}" if key in _RESERVED else key] = value
    try:
        sink.write(_encode(line) + b"\n")
    except (TypeError, ValueError, RecursionError):
        sink.write(_encode({**{k: v for k, v in line.items() if k in _RESERVED}}) + b"\n")
    if sink.queue is not None:
        sink.queue.put(
            LogItem(
                time_ns=now_ns,
                severity=_OTLP_SEVERITY[level],
                severity_text=level.upper(),
                body=event,
                logger=logger,
                trace_id="" if scope is None else scope.trace_id,
                span_id="" if scope is None else scope.span_id,
                sampled=scope is not None and scope.sampled,
                attributes=dict(fields),
            )
        )


_last_ms, _last_text = -1, ""


def _rfc3339(ms: int) -> str:
    """Write *ms* as RFC 3339; lines of the same millisecond share the work."""
    global _last_ms, _last_text
    if ms != _last_ms:
        text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
        _last_ms, _last_text = ms, text.replace("+00:00", "Z")
    return _last_text


class StdlibBridge(logging.Handler):
    """Sends the standard library's records (servers, drivers) the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record* as one of our lines; never raises."""
        try:
            level = next(
                (name for name, no in reversed(_LEVELS.items()) if record.levelno >= no), "debug"
            )
            if _LEVELS[level] < _sink.threshold:
                return
            fields: MutableMapping[str, Any] = {"event": record.getMessage()}
            if record.exc_info:
                fields["exc_info"] = record.exc_info
            fields = _redact(None, level, _render_exception(None, level, fields))
            emit(level, fields.pop("event"), record.name, fields)
        except Exception:  # noqa: BLE001 - a broken log call is not the service's failure
            self.handleError(record)


def bridge_stdlib(threshold: int = logging.INFO) -> None:
    """Route the root logger here, in place of whatever handlers it has; idempotent."""
    root = logging.getLogger()
    if not any(isinstance(handler, StdlibBridge) for handler in root.handlers):
        root.handlers = [StdlibBridge()]
    root.setLevel(threshold)
