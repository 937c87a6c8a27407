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
from collections.abc import MutableMapping
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.instrumentation.structlog import StructlogProcessor
from opentelemetry.sdk._logs import LoggerProvider

from caas_observability.setup import context, log_lines
from caas_observability.setup.cleaning import clean_text, clean_value
from caas_observability.setup.log_lines import LEVELS, RESERVED, Sink, install

FIELDS_MAX = 64
STACK_MAX_FRAMES = 30

__all__ = [
    "Logger",
    "Sink",
    "bridge_stdlib",
    "configure_structlog",
    "export_to",
    "get_logger",
    "install",
]


class Logger(structlog.BoundLoggerBase):
    """Writes records; `bind` gives a logger whose fields go on every line."""

    def debug(self, event: str, **fields: Any) -> None:
        """Record what only a developer wants."""
        self.record("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Record what happened."""
        self.record("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Record what somebody should look at some day."""
        self.record("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Record what went wrong; `exc_info=error` adds its type, text and stack."""
        self.record("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Record an error with the exception that is being handled."""
        fields.setdefault("exc_info", True)
        self.record("error", event, fields)

    def critical(self, event: str, **fields: Any) -> None:
        """Record what stops the service."""
        self.record("critical", event, fields)

    def record(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Record *event* at *level*, unless that is below the threshold."""
        if LEVELS[level] >= log_lines.current_sink().threshold:
            self._process_event(level, event, fields)  # the chain's end writes the line


def get_logger(name: str, **fields: Any) -> Logger:
    """Return the logger called *name*; safe at import, before anything is set up."""
    return Logger(_Output(name), _CHAIN, fields)


def configure_structlog() -> None:
    """Make `structlog.get_logger()`, as libraries call it, write the same lines."""
    structlog.configure(
        processors=_CHAIN,
        wrapper_class=Logger,
        context_class=dict,
        logger_factory=lambda *names: _Output(str(names[0]) if names else "structlog"),
        cache_logger_on_first_use=False,
    )


class _Output:
    """What structlog has below its loggers: here only a name, since the chain writes."""

    def __init__(self, name: str) -> None:
        self.name = name


def _describe(error: object) -> dict[str, Any]:
    """Turn `exc_info` into exception.type, exception.message and exception.stacktrace."""
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if not isinstance(error, BaseException):
        return {}
    # Frames only: source lines and locals may hold what nobody meant to log.
    frames = traceback.extract_tb(error.__traceback__)[-STACK_MAX_FRAMES:]
    return {
        "exception.type": type(error).__qualname__,
        "exception.message": str(error),
        "exception.stacktrace": "\n".join(
            f"{os.path.basename(f.filename)}:{f.lineno} {f.name}"  # noqa: PTH119
            for f in frames
        ),
    }


def clean_fields(_logger: object, level: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Begin the chain: bound and redact the fields, describe an exception."""
    fields = dict(event)
    text = clean_text(str(fields.pop("event", "")))
    if "exc_info" in fields:
        fields |= _describe(fields.pop("exc_info"))
    if len(fields) > FIELDS_MAX:
        fields = dict(list(fields.items())[:FIELDS_MAX])
    shown = {
        f"field.{name}" if name in RESERVED else name: clean_value(name, value)
        for name, value in fields.items()
    }
    return {"event": text, "level": level, "timestamp": time.time(), **shown}


def write_line(output: Any, level: str, event: MutableMapping[str, Any]) -> str:
    """End the chain: hand the line to the sink."""
    sink = log_lines.current_sink()
    line = {
        "timestamp": log_lines.rfc3339(int(event.pop("timestamp") * 1e9)),
        "level": event.pop("level"),
        "event": event.pop("event"),
        "service.name": sink.service_name,
        "logger": output.name,
    }
    span = context.current_span_context()
    if span.is_valid:
        line["trace_id"] = trace.format_trace_id(span.trace_id)
        line["span_id"] = trace.format_span_id(span.span_id)
    correlation_id = context.current_correlation_id()
    if correlation_id:
        line["correlation_id"] = correlation_id
    line |= event
    sink.take(line, urgent=LEVELS[level] >= LEVELS["error"])
    return ""


# One list for every logger, those made at import included: `export_to` changes it in place.
_CHAIN: list[Any] = [clean_fields, write_line]


def export_to(provider: LoggerProvider | None) -> None:
    """Make each line an OpenTelemetry log record of *provider*'s as well; None ends that."""
    exporting = [] if provider is None else [StructlogProcessor(provider)]  # type: ignore[no-untyped-call]
    _CHAIN[:] = [clean_fields, *exporting, write_line]


class StdlibBridge(logging.Handler):
    """Sends the standard library's records (servers, drivers) the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record* as one of our lines; never raises."""
        try:
            level = next(
                (name for name, no in reversed(LEVELS.items()) if record.levelno >= no), "debug"
            )
            if LEVELS[level] < log_lines.current_sink().threshold:
                return
            fields: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info else {}
            try:
                event = record.getMessage()
            except Exception:  # noqa: BLE001 - a broken log call is not the service's failure
                event, fields["template"] = "log record can't be formatted", str(record.msg)
            get_logger(record.name).record(level, event, fields)
        except Exception:  # noqa: BLE001 - the handler's own text would show the arguments
            return


def bridge_stdlib(threshold: int = logging.INFO) -> None:
    """Route the root logger here, in place of whatever handlers it has; idempotent."""
    root = logging.getLogger()
    if not any(isinstance(handler, StdlibBridge) for handler in root.handlers):
        root.handlers = [StdlibBridge()]
    root.setLevel(threshold)
