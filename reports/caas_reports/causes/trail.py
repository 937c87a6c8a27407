"""What an exchange left behind: its operation, the spans below it, its log lines."""

import re
from collections.abc import Iterator
from functools import cached_property

import msgspec

from caas_reports.causes.phrases import TEXT_CHARS_MAX, short
from caas_reports.model import Attempt, Exchange, LogRecord, Span

# What differs from request to request in a path: ids, digests, long numbers.
_VARIABLE = re.compile(
    r"(?<=/)(?:[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,}|[0-9]+|[^/]*%[^/]*|[^/]{48,})(?=/|$)"
)
_ORIGIN = re.compile(r"^[a-z]+://[^/]+")
_STATUS = "http.response.status_code"
ALARMING = frozenset({"warning", "error", "critical"})
LOG_LINES_MAX = 4
STACK_LINES_MAX = 3
# Attributes that say again what stands beside them.
_PLAIN_ATTRIBUTES = frozenset({"correlation_id", "method", "path"})


class Trail:
    """Finds, for one attempt, what belongs to each of its exchanges."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @cached_property
    def _below(self) -> dict[str, list[Span]]:
        found: dict[str, list[Span]] = {}
        for span in self._attempt.spans:
            found.setdefault(span.parent_span_id, []).append(span)
        return found

    @cached_property
    def _exchanges(self) -> dict[str, Exchange]:
        return {exchange.id: exchange for exchange in self._attempt.exchanges}

    def exchange(self, exchange_id: str | None) -> Exchange | None:
        """Give an exchange by its id."""
        return self._exchanges.get(exchange_id or "")

    def children(self, span_id: str) -> list[Span]:
        """Give the spans right below one."""
        return self._below.get(span_id, [])

    def spans(self, exchange: Exchange) -> Iterator[tuple[int, Span]]:
        """Give the spans below an exchange, each with its depth, parents first."""
        waiting = (
            [(0, span) for span in self.children(exchange.span_id)] if exchange.span_id else []
        )
        seen: set[str] = set()
        while waiting:
            depth, span = waiting.pop(0)
            if span.span_id in seen:
                continue  # what a service reports may be a circle
            seen.add(span.span_id)
            yield depth, span
            waiting += [(depth + 1, child) for child in self.children(span.span_id)]

    def made_good(self, span: Span) -> bool:
        """Whether a call that failed was made again, and answered: `NOSCRIPT`, a retry."""
        return span.kind == "client" and any(
            other.kind == "client"
            and other.status != "error"
            and other.name == span.name
            and other.offset_ms > span.offset_ms
            for other in self.children(span.parent_span_id)
        )

    def passed_on(self, exchange: Exchange) -> tuple[str, str] | None:
        """Name the service and operation that an answer may come from: the one asked for it.

        That is so when the service that answered asked one other, once, and was told that status.
        """
        answered = [s for s in self.children(exchange.span_id) if s.kind == "server"]
        asked = [
            (call, server)
            for own in answered
            for call in self.children(own.span_id)
            if call.kind == "client"
            for server in self.children(call.span_id)
            if server.kind == "server" and server.service != own.service
        ]
        if len(asked) != 1:
            return None
        ((call, server),) = asked
        told = call.attributes.get(_STATUS, server.attributes.get(_STATUS))
        return (server.service, server.name) if told == exchange.status else None

    def operation(self, exchange: Exchange) -> str:
        """Name what was asked for: the server span's `METHOD /route`, or the path without ids."""
        for span in self.children(exchange.span_id) if exchange.span_id else ():
            if span.kind == "server" and span.name.startswith(f"{exchange.method} /"):
                return span.name
        path = _ORIGIN.sub("", exchange.url).partition("?")[0] or "/"
        return f"{exchange.method} {_VARIABLE.sub('{id}', path)}"

    def logs(self, exchange: Exchange) -> list[LogRecord]:
        """Give the log lines under an exchange, in order."""
        spans = {span.span_id for _, span in self.spans(exchange)} | {exchange.span_id}
        found = [
            record
            for record in self._attempt.logs
            if (record.span_id and record.span_id in spans)
            or (
                exchange.correlation_id
                and record.attributes.get("correlation_id") == exchange.correlation_id
            )
        ]
        return sorted(found, key=lambda record: record.offset_ms)

    def busiest(self, exchange: Exchange) -> tuple[Span, float] | None:
        """Give the span below an exchange that took most time itself, with those milliseconds."""
        own = [(span, self._own_ms(span)) for _, span in self.spans(exchange)]
        return max(own, key=lambda one: one[1], default=None)

    def _own_ms(self, span: Span) -> float:
        """Give the time of a span in which none of its children ran."""
        end = span.offset_ms + span.duration_ms
        covered, at = 0.0, span.offset_ms
        for child in sorted(self.children(span.span_id), key=lambda child: child.offset_ms):
            start = max(at, child.offset_ms)
            stop = min(end, child.offset_ms + child.duration_ms)
            if stop > start:
                covered += stop - start
                at = stop
        return span.duration_ms - covered


def first_lines(logs: list[LogRecord]) -> Iterator[LogRecord]:
    """Choose the lines to read first: what alarmed, else the last ones."""
    alarming = [record for record in logs if record.level in ALARMING]
    for record in (alarming or logs)[-LOG_LINES_MAX:]:
        attributes = {
            name: _tail(value) if name.endswith("stacktrace") else _cut(value)
            for name, value in record.attributes.items()
            if name not in _PLAIN_ATTRIBUTES
        }
        yield msgspec.structs.replace(
            record, message=short(record.message, TEXT_CHARS_MAX), attributes=attributes
        )


def _tail(value: object) -> str:
    """Keep the end of a stack: where it broke."""
    return "\n".join(str(value).strip().splitlines()[-STACK_LINES_MAX:])


def _cut(value: object) -> object:
    return short(value, TEXT_CHARS_MAX) if isinstance(value, str) else value
