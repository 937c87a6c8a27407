"""What an exchange left behind: its operation, its spans, who spent the time."""

import msgspec
import pytest

from caas_reports.causes.trail import Trail
from caas_reports.model import Attempt, Exchange, Run, Span, Status, Timings, Verdict
from caas_reports.operations import SHOWN_MAX, slowest
from caas_reports.testing import build_run

ID = "0b0c4f1e-8f0e-4d0e-9b51-1f1f6f1f2a10"


def _exchange(url: str = "http://h:1/a") -> Exchange:
    return Exchange(
        id="x1", protocol="http", service="gateway", method="GET", url=url, offset_ms=0.0,
        span_id="c", timings=Timings(total_ms=9.0),
    )  # fmt: skip


def _span(span_id: str, parent: str, offset_ms: float = 0.0, duration_ms: float = 1.0) -> Span:
    return Span(
        span_id=span_id, parent_span_id=parent, name=span_id, kind="internal", service="gateway",
        offset_ms=offset_ms, duration_ms=duration_ms,
    )  # fmt: skip


def _trail(*spans: Span) -> Trail:
    attempt = Attempt(
        number=1, status=Status.FINISHED, verdict=Verdict.PASSED, started_at="", duration_ms=9.0,
        exchanges=(_exchange(),), spans=spans,
    )  # fmt: skip
    return Trail(attempt)


@pytest.mark.parametrize(
    ("url", "operation"),
    [
        ("http://127.0.0.1:4000/v1/tenant", "GET /v1/tenant"),
        (f"http://h/v1/keys/{ID}", "GET /v1/keys/{id}"),
        (f"http://h/v1/keys/{ID}/parts/12?page=3", "GET /v1/keys/{id}/parts/{id}"),
        ("http://h/v1/files/a%2Fb", "GET /v1/files/{id}"),
        ("http://h", "GET /"),
    ],
)
def test_an_operation_without_a_server_span_is_its_path_without_ids(
    url: str, operation: str
) -> None:
    """So that the same route is the same operation in every case."""
    assert _trail().operation(_exchange(url)) == operation


def test_the_server_span_knows_the_route() -> None:
    """`/v1/auth/{provider}` can't be told from a path."""
    served = msgspec.structs.replace(_span("s", "c"), kind="server", name="GET /{anything}")

    assert _trail(served).operation(_exchange()) == "GET /{anything}"


def test_the_busiest_span_is_the_one_without_a_child_to_blame() -> None:
    """Time in children that overlap is counted once."""
    spans = (
        _span("a", "c", 0, 100), _span("b", "a", 10, 60), _span("d", "a", 40, 50),
        _span("e", "b", 10, 5),
    )  # fmt: skip

    busiest = _trail(*spans).busiest(_exchange())

    assert busiest is not None
    assert (busiest[0].span_id, busiest[1]) == ("b", 55)


def test_spans_that_claim_to_be_each_others_parent_end() -> None:
    """A service may report anything."""
    spans = (_span("a", "c"), _span("b", "a"), _span("a", "b"))

    assert [span.span_id for _, span in _trail(*spans).spans(_exchange())] == ["a", "b"]


def test_the_slowest_operations_name_their_slowest_request(run: Run) -> None:
    """By 95th percentile, with a way to the evidence."""
    found = slowest(run)

    assert [one.p95_ms for one in found] == sorted((one.p95_ms for one in found), reverse=True)
    stream = found[0]
    assert (stream.name, stream.slowest_case) == ("POST /v1/chat/stream", "T04.01")
    tenant = next(one for one in found if one.name == "GET /v1/tenant")
    assert tenant.count == 3
    assert tenant.median_ms <= tenant.p95_ms <= tenant.slowest_ms
    assert len(slowest(build_run(0))) == 0
    assert len(found) <= SHOWN_MAX
