"""When the circuit opens, what it lets through, and when it closes again."""

import pytest

from caas.runtime.calls.breaker import BreakerPolicy, CircuitBreaker, CircuitOpenError, State

POLICY = BreakerPolicy(failures_max=3, open_s=2.0, open_max_s=8.0)


class Bench:
    """A breaker whose time the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.changes: list[State] = []
        self.breaker = CircuitBreaker(
            "auth",
            POLICY,
            monotonic=lambda: self.now,
            on_change=lambda _, state: self.changes.append(state),
        )

    def fail(self, times: int = 1) -> None:
        """Make calls that fail."""
        for _ in range(times):
            self.breaker.failed(self.breaker.enter())

    def open(self) -> None:
        """Bring the circuit to open."""
        self.fail(POLICY.failures_max)
        assert self.breaker.state == "open"


@pytest.fixture
def bench() -> Bench:
    """Return a closed circuit."""
    return Bench()


def test_a_success_between_keeps_it_closed(bench: Bench) -> None:
    """Only failures in a row count: one bad call in three is not a dead service."""
    for _ in range(5):
        bench.fail(2)
        bench.breaker.succeeded(bench.breaker.enter())

    assert bench.breaker.state == "closed"


def test_open_refuses_with_the_seconds_left(bench: Bench) -> None:
    """A refusal costs no call, and says when to come back."""
    bench.open()
    bench.now += 0.5

    with pytest.raises(CircuitOpenError) as refused:
        bench.breaker.enter()

    assert refused.value.retry_after_s == 2
    assert refused.value.code == "upstream_unavailable"


def test_one_probe_decides(bench: Bench) -> None:
    """Half open lets exactly one call through; its success closes the circuit."""
    bench.open()
    bench.now += 2.0
    probe = bench.breaker.enter()
    with pytest.raises(CircuitOpenError):
        bench.breaker.enter()
    bench.breaker.succeeded(probe)

    bench.breaker.succeeded(bench.breaker.enter())
    assert bench.changes == ["open", "half_open", "closed"]


def test_failed_probes_wait_longer_each_time_up_to_a_limit(bench: Bench) -> None:
    """2, 4, 8, 8 seconds; a success starts over."""
    bench.open()
    for open_s in (2.0, 4.0, 8.0, 8.0):
        bench.now += open_s - 0.01
        with pytest.raises(CircuitOpenError):
            bench.breaker.enter()
        bench.now += 0.02
        bench.fail()
    bench.now += 8.0
    bench.breaker.succeeded(bench.breaker.enter())
    bench.open()
    bench.now += 2.0

    bench.breaker.enter()


def test_calls_under_way_when_it_opened_count_no_more(bench: Bench) -> None:
    """A late failure does not lengthen the wait, a late success does not close it."""
    late = [bench.breaker.enter() for _ in range(10)]
    bench.open()
    for ticket in late[:5]:
        bench.breaker.failed(ticket)
    for ticket in late[5:]:
        bench.breaker.succeeded(ticket)
    assert bench.breaker.state == "open"
    bench.now += 2.0

    assert bench.breaker.enter()


def test_an_abandoned_probe_frees_its_place(bench: Bench) -> None:
    """A client that leaves says nothing about the service; the next one probes."""
    bench.open()
    bench.now += 2.0
    bench.breaker.abandoned(bench.breaker.enter())

    bench.breaker.succeeded(bench.breaker.enter())
    assert bench.breaker.state == "closed"
