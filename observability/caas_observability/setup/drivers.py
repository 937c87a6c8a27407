"""Client spans of the drivers, by OpenTelemetry's own instrumentations.

Commands below a recorded span are recorded, and no others: a poll of a background task is no
trace of its own, and an unsampled request pays for no span. Arguments never reach a span, for they
hold keys, tokens and passwords.
"""

import os
from collections.abc import Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation._semconv import _StabilityMode
from opentelemetry.instrumentation.pymongo import CommandTracer
from opentelemetry.instrumentation.redis import RedisInstrumentor
from pymongo import monitoring

SEMCONV_OPT_IN = "http,database"
OPEN_COMMANDS_MAX = 4_096  # spans that wait for their command's end


def use_stable_names() -> None:
    """Ask for the stable semantic conventions; without, instrumentations use those of 2023."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", SEMCONV_OPT_IN)


class MongoCommands(CommandTracer):
    """The instrumentation's listener, one a client; it forgets commands that never end.

    A command whose task is cancelled reports no end, and the instrumentation keeps its span.
    """

    def __init__(self) -> None:
        # The instrumentor that would read this from the environment listens to every client.
        super().__init__(
            trace.get_tracer("opentelemetry.instrumentation.pymongo"),
            request_hook=_name_operation,
            failed_hook=_hide_message,
            semconv_opt_in_mode=_StabilityMode.DATABASE,
        )

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Start a span below a recorded one."""
        if not trace.get_current_span().is_recording():
            return
        if len(self._span_dict) >= OPEN_COMMANDS_MAX:
            self._span_dict.pop(next(iter(self._span_dict)))
        super().started(event)


def _name_operation(span: trace.Span, event: monitoring.CommandStartedEvent) -> None:
    """Set what the conventions require and the instrumentation leaves out."""
    span.set_attribute("db.operation.name", event.command_name)


def _hide_message(span: trace.Span, event: monitoring.CommandFailedEvent) -> None:
    """Replace the server's message, which may quote what was stored, by its code."""
    span.set_status(trace.Status(trace.StatusCode.ERROR))
    span.set_attribute("db.response.status_code", str(event.failure.get("code", "") or "network"))


def instrument_redis() -> None:
    """Instrument the Redis clients of this process; a second call does nothing."""
    use_stable_names()
    instrumentor = RedisInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(request_hook=_name_command, skip_dep_check=True)


def _name_command(span: trace.Span, _client: Any, command: Sequence[Any], _: Any) -> None:
    span.set_attribute("db.operation.name", str(command[0]))
