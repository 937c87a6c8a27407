"""Spans and log lines find exactly the attempt they belong to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_observability.correlation import AttemptTrace, correlate
from caas_observability.receiver.records import ReceivedLog, ReceivedSpan

ROOT = "00000000000000f0"


def span(trace: str, span_id: str, parent: str, *, start: int = 0) -> ReceivedSpan:
    """Make a span."""
    return ReceivedSpan(
        trace_id=trace, span_id=span_id, parent_span_id=parent, name="x", kind="server",
        service="svc", start_ns=start, end_ns=start + 1,
    )  # fmt: skip


def log(trace: str, span_id: str = "", *, service: str = "svc", time: int = 0) -> ReceivedLog:
    """Make a record."""
    return ReceivedLog(
        time_ns=time, service=service, level="info", message="m", trace_id=trace, span_id=span_id
    )


def attempt(trace: str, *ids: str) -> AttemptTrace:
    """Make an attempt that opened the spans *ids*."""
    return AttemptTrace(attempt_id=f"attempt-{trace}", trace_id=trace, span_ids=frozenset(ids))


def test_what_hangs_below_the_root_is_owned() -> None:
    """Also through several services, in whatever order it arrived."""
    spans = [span("t", "c", "b", start=3), span("t", "b", "a", start=2), span("t", "a", ROOT)]
    found = correlate(spans, [log("t", "c", time=2), log("t", ROOT)], [attempt("t", ROOT)])
    mine = found.attempts["attempt-t"]

    assert [s.span_id for s in mine.spans] == ["a", "b", "c"]
    assert [line.span_id for line in mine.logs] == [ROOT, "c"]
    assert mine.orphan_spans == ()
    assert found.foreign_spans == ()


def test_any_span_the_runner_opened_is_a_root() -> None:
    """Each request of an attempt has a span id of its own."""
    found = correlate([span("t", "a", "r2")], [], [attempt("t", ROOT, "r2")])

    assert len(found.attempts["attempt-t"].spans) == 1


def test_a_known_trace_with_an_unknown_parent_is_an_orphan() -> None:
    """So is everything below it, and a circle, and the lines written under them."""
    spans = [
        span("t", "a", "gone"), span("t", "b", "a"), span("t", "x", "y"), span("t", "y", "x"),
        span("t", "root-of-its-own", ""),
    ]  # fmt: skip
    found = correlate(spans, [log("t", "b"), log("t", "nobody")], [attempt("t", ROOT)])
    mine = found.attempts["attempt-t"]

    assert mine.spans == ()
    assert len(mine.orphan_spans) == 5
    assert len(mine.orphan_logs) == 2


def test_other_traces_are_foreign_and_markers_are_ignored() -> None:
    """A marker is the runner's own doing."""
    found = correlate(
        [span("other", "a", ""), span("marker", "b", "")],
        [log("other"), log("marker")],
        [attempt("t", ROOT)],
        ignored_traces={"marker"},
    )

    assert [s.trace_id for s in found.foreign_spans] == ["other"]
    assert [line.trace_id for line in found.foreign_logs] == ["other"]
    assert found.attempts["attempt-t"].spans == ()


def test_lines_without_a_trace_are_counted_by_service() -> None:
    """They are what a service forgot to correlate."""
    logs = [log("", service="a"), log("", service="b"), log("", service="a")]

    assert correlate([], logs, []).uncorrelated_logs == {"a": 2, "b": 1}


def test_two_attempts_can_t_share_a_trace() -> None:
    """Nothing could be told apart."""
    with pytest.raises(ValueError, match="share"):
        correlate([], [], [attempt("t", "a"), attempt("t", "b")])


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 30)), max_size=60))
def test_parallel_attempts_never_mix(count: int, picks: list[tuple[int, int]]) -> None:
    """However the spans of many attempts interleave, each goes to its own."""
    attempts = [attempt(f"t{n}", f"root{n}") for n in range(count)]
    made: dict[int, list[str]] = {n: [f"root{n}"] for n in range(count)}
    spans = []
    for number, (which, below) in enumerate(picks):
        owner = which % count
        parent = made[owner][below % len(made[owner])]
        made[owner].append(f"s{number}")
        spans.append(span(f"t{owner}", f"s{number}", parent))
    found = correlate(reversed(spans), [], attempts)

    for n in range(count):
        mine = found.attempts[f"attempt-t{n}"]
        assert {s.span_id for s in mine.spans} == set(made[n][1:])
        assert mine.orphan_spans == ()
