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

import msgspec
import structlog

from caas_observability.redaction import REDACTED, is_secret_name, redact_json, redact_text
from caas_observability.setup import context, log_lines
from caas_observability.setup.log_lines import LEVELS, Sink, install
from caas_observability.setup.signals import LogItem

FIELDS_MAX = 64
TEXT_MAX_CHARS = 8192
STACK_MAX_FRAMES = 30
REMEMBERED_MAX = 4096
REMEMBERED_MAX_CHARS = 128

__all__ = [
    "Logger",
    "Sink",
    "bridge_stdlib",
    "configure_structlog",
    "emit",
    "get_logger",
    "install",
]

_OTLP_SEVERITY = {"debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21}
_SEVERITY_TEXT = {level: level.upper() for level in LEVELS}
_OUTSIDE = ("", "", False, "")  # trace id, span id, sampled, correlation id


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
        # The short way past structlog's chain: four times as fast, and the same line.
        if LEVELS[level] >= log_lines.current_sink().threshold:
            emit(level, event, self._logger.name, {**self._context, **fields})


def get_logger(name: str, **fields: Any) -> Logger:
    """Return the logger called *name*; safe at import, before anything is set up."""
    return Logger(_Output(name), [_emit_event], fields)


def configure_structlog() -> None:
    """Make `structlog.get_logger()`, as libraries call it, write the same lines."""
    structlog.configure(
        processors=[_emit_event],
        wrapper_class=Logger,
        context_class=dict,
        logger_factory=lambda *names: _Output(str(names[0]) if names else "structlog"),
        cache_logger_on_first_use=False,
    )


class _Output:
    """What structlog calls last; the line is already on its way, so there is nothing to do."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _done(self, _event: object = None) -> None:
        """Do nothing."""

    debug = info = warning = error = critical = _done


def _emit_event(output: _Output, method: str, event: MutableMapping[str, Any]) -> str:
    """End structlog's chain with our line."""
    fields = dict(event)
    emit(method, str(fields.pop("event", "")), output.name, fields)
    return ""


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


_clean: dict[str, str] = {}  # short texts and what redaction leaves of them
_plain_names: set[str] = set()


def _redact_short(text: str) -> str:
    """Redact *text*, remembering short ones: methods, routes and events come again and again."""
    clean = _clean.get(text)
    if clean is None:
        clean = redact_text(text[:TEXT_MAX_CHARS])
        if len(text) <= REMEMBERED_MAX_CHARS:
            if len(_clean) >= REMEMBERED_MAX:
                _clean.clear()
            _clean[text] = clean
    return clean


def _is_secret(name: str) -> bool:
    if is_secret_name(name):
        return True
    if len(_plain_names) < REMEMBERED_MAX and len(name) <= REMEMBERED_MAX_CHARS:
        _plain_names.add(name)
    return False


def _redact(fields: dict[str, Any]) -> dict[str, Any]:
    """Return *fields*, bounded and redacted."""
    if "exc_info" in fields:
        fields |= _describe(fields.pop("exc_info"))
    if len(fields) > FIELDS_MAX:
        fields = dict(list(fields.items())[:FIELDS_MAX])
    for key, value in fields.items():
        kind = type(value)
        if kind is bool or value is None:
            continue
        if key not in _plain_names and _is_secret(key):
            fields[key] = REDACTED
        elif kind is str:
            if _clean.get(value) is not value:
                fields[key] = _redact_short(value)
        elif kind is not int and kind is not float:
            fields[key] = redact_json(_plain(value))
    return fields


def _plain(value: Any) -> Any:
    """Return *value* as JSON has it, so that no type's own text escapes redaction."""
    try:
        return msgspec.to_builtins(value, enc_hook=str, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        return str(type(value))


def emit(level: str, event: str, logger: str, fields: dict[str, Any]) -> None:
    """Record one event: a line, and an OTLP record; takes over *fields*."""
    sink = log_lines.current_sink()
    scope = context.current_scope()
    sink.take(
        LogItem(
            time.time_ns(),
            _OTLP_SEVERITY[level],
            _SEVERITY_TEXT[level],
            _redact_short(event),
            logger,
            _redact(fields),
            *(
                _OUTSIDE
                if scope is None
                else (scope.trace_id, scope.span_id, scope.sampled, scope.correlation_id)
            ),
        )
    )


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
            emit(level, event, record.name, fields)
        except Exception:  # noqa: BLE001 - the handler's own text would show the arguments
            return


def bridge_stdlib(threshold: int = logging.INFO) -> None:
    """Route the root logger here, in place of whatever handlers it has; idempotent."""
    root = logging.getLogger()
    if not any(isinstance(handler, StdlibBridge) for handler in root.handlers):
        root.handlers = [StdlibBridge()]
    root.setLevel(threshold)
