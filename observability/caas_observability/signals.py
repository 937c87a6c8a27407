"""The one queue that everything recorded goes through, spans and log records in one order.

One order is what makes an end marker possible: when the marker's span has arrived, whatever
this process recorded before it has arrived too.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

QUEUE_MAX_ITEMS = 8192
BATCH_MAX_ITEMS = 512
QUEUE_MAX_BYTES = 32 * 1024 * 1024  # of encoded items
MARKER_RESERVE_ITEMS = 64  # room that only end markers may use, so that a full queue still ends


@dataclass(slots=True, kw_only=True, eq=False)
class LogItem:
    """One log record on its way to the exporter, already redacted."""

    time_ns: int
    severity: int
    severity_text: str
    body: str
    logger: str
    trace_id: str
    span_id: str
    sampled: bool
    attributes: dict[str, Any]
    correlation_id: str = ""


class SignalQueue:
    """A bounded first-in first-out queue; what does not fit is counted and let go.

    Attributes:
        encode: Turns an item into what is kept: bytes, or `(scope, bytes)` of a log record. Done
            on the way in, an item costs its bytes and no work for the garbage collector; spans
            kept as objects made every full collection walk thousands of them. None keeps items.
        dropped_spans: Spans that found the queue full, or that the exporter gave up on.
        dropped_logs: The same for log records.
        wake: Called when a batch is complete or a marker asks for export; any thread.
    """

    __slots__ = (
        "_bytes", "_items", "batch_items", "dropped_logs", "dropped_spans", "encode", "max_items",
        "wake",
    )  # fmt: skip

    def __init__(
        self, *, max_items: int = QUEUE_MAX_ITEMS, batch_items: int = BATCH_MAX_ITEMS
    ) -> None:
        self._items: deque[Any] = deque()
        self._bytes = 0
        self.max_items = max_items
        self.batch_items = min(batch_items, max_items)
        self.dropped_spans = 0
        self.dropped_logs = 0
        self.encode: Callable[[Any], Any] | None = None
        self.wake: Callable[[], None] = _nobody_waits

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any, reserve: int = 0) -> bool:
        """Append *item* unless the queue is full; tell whether it was kept."""
        items = self._items
        size = len(items)
        if size >= self.max_items + reserve or self._bytes > QUEUE_MAX_BYTES:
            self.count_dropped(item)
            return False
        encode = self.encode
        if encode is not None:
            try:
                item = encode(item)
            except (TypeError, ValueError, AttributeError, RecursionError):
                self.count_dropped(item)
                return False
            self._bytes += len(item[1]) if type(item) is tuple else len(item)
        items.append(item)
        if size + 1 == self.batch_items:
            self.wake()
        return True

    def take(self, max_items: int) -> list[Any]:
        """Remove and return the oldest items, at most *max_items*."""
        items = self._items
        taken = [items.popleft() for _ in range(min(max_items, len(items)))]
        if not items:
            self._bytes = 0  # also makes good what threads miscounted
        elif self.encode is not None:
            self._bytes -= sum(len(i[1]) if type(i) is tuple else len(i) for i in taken)
        return taken

    def count_dropped(self, item: Any) -> None:
        """Count one item as lost."""
        if is_log(item):
            self.dropped_logs += 1
        else:
            self.dropped_spans += 1


def is_log(item: Any) -> bool:
    """Tell a log record from a span, encoded or not."""
    return type(item) is LogItem or type(item) is tuple


def _nobody_waits() -> None:
    """Do nothing: no exporter runs."""
