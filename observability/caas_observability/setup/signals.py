"""The one queue that everything recorded goes through, spans and log records in one order.

One order is what makes an end marker possible: when the marker's span has arrived, whatever
this process recorded before it has arrived too.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

QUEUE_MAX_ITEMS = 8192
BATCH_MAX_ITEMS = 512
MARKER_RESERVE_ITEMS = 64  # room that only end markers may use, so that a full queue still ends


class LogItem:
    """One log record on its way to standard output and the exporter, already redacted."""

    __slots__ = (
        "attributes", "body", "correlation_id", "logger", "sampled", "severity", "severity_text",
        "span_id", "time_ns", "trace_id",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 - by position: one is made for every line
        self,
        time_ns: int,
        severity: int,
        severity_text: str,
        body: str,
        logger: str,
        attributes: dict[str, Any],
        trace_id: str = "",
        span_id: str = "",
        sampled: bool = False,  # noqa: FBT001, FBT002
        correlation_id: str = "",
    ) -> None:
        self.time_ns = time_ns
        self.severity = severity
        self.severity_text = severity_text
        self.body = body
        self.logger = logger
        self.attributes = attributes
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.correlation_id = correlation_id


class SignalQueue:
    """A bounded first-in first-out queue; what does not fit is counted and let go.

    Attributes:
        dropped_spans: Spans that found the queue full, or that the exporter gave up on.
        dropped_logs: The same for log records.
        wake: Called when a batch is complete or a marker asks for export; any thread.
    """

    __slots__ = ("_items", "batch_items", "dropped_logs", "dropped_spans", "max_items", "wake")

    def __init__(
        self, *, max_items: int = QUEUE_MAX_ITEMS, batch_items: int = BATCH_MAX_ITEMS
    ) -> None:
        self._items: deque[Any] = deque()
        self.max_items = max_items
        self.batch_items = min(batch_items, max_items)
        self.dropped_spans = 0
        self.dropped_logs = 0
        self.wake: Callable[[], None] = _nobody_waits

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any, reserve: int = 0) -> bool:
        """Append *item* unless the queue is full; tell whether it was kept."""
        items = self._items
        size = len(items)
        if size >= self.max_items + reserve:
            self.count_dropped(item)
            return False
        items.append(item)
        if size + 1 == self.batch_items:
            self.wake()
        return True

    def take(self, max_items: int) -> list[Any]:
        """Remove and return the oldest items, at most *max_items*."""
        items = self._items
        return [items.popleft() for _ in range(min(max_items, len(items)))]

    def count_dropped(self, item: Any) -> None:
        """Count one item as lost."""
        if type(item) is LogItem:
            self.dropped_logs += 1
        else:
            self.dropped_spans += 1


def _nobody_waits() -> None:
    """Do nothing: no exporter runs."""
