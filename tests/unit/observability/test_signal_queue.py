"""The one queue: first in, first out, bounded, and honest about what it lost."""

from caas_observability.setup.signals import MARKER_RESERVE_ITEMS, LogItem, SignalQueue


def log(n: int) -> LogItem:
    """Make a record."""
    return LogItem(n, 9, "INFO", str(n), "x", {})


def test_order_is_kept_across_signals() -> None:
    """A log record and a span come out as they went in."""
    queue = SignalQueue()
    items: list[object] = [log(1), "span", log(2)]
    for item in items:
        queue.put(item)

    assert queue.take(2) == items[:2]
    assert queue.take(10) == items[2:]
    assert queue.take(10) == []


def test_a_full_queue_drops_the_newest_and_counts() -> None:
    """Memory is bounded; what was lost is known by signal."""
    queue = SignalQueue(max_items=2)
    kept = [queue.put(item) for item in ("a", "b", "c", log(1))]

    assert kept == [True, True, False, False]
    assert (queue.dropped_spans, queue.dropped_logs) == (1, 1)
    assert queue.take(9) == ["a", "b"]


def test_markers_have_a_bounded_reserve() -> None:
    """A full queue can still be asked to end, and not without limit."""
    queue = SignalQueue(max_items=1)
    queue.put("a")
    kept = [queue.put("marker", MARKER_RESERVE_ITEMS) for _ in range(MARKER_RESERVE_ITEMS + 1)]

    assert kept.count(True) == MARKER_RESERVE_ITEMS
    assert len(queue) == 1 + MARKER_RESERVE_ITEMS


def test_a_complete_batch_wakes_the_exporter_once() -> None:
    """Once, not on every further item."""
    queue = SignalQueue(batch_items=3)
    woken: list[int] = []
    queue.wake = lambda: woken.append(len(queue))
    for n in range(5):
        queue.put(n)

    assert woken == [3]
