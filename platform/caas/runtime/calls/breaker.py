"""A circuit breaker: stop calling a service that does not answer, and find out when it does.

Own code, because the libraries do not fit: they decorate coroutines (a proxied exchange outlives
its call), or read the wall clock themselves, or keep each circuit behind locks and a unit of
work. This one is a state and two counters, driven by whoever makes the call.
"""

import time
from collections.abc import Callable
from typing import Literal

import msgspec

from caas.kernel.errors import UnavailableError

State = Literal["closed", "open", "half_open"]


class CircuitOpenError(UnavailableError):
    """The service behind failed too often lately; it is not called at the moment."""

    code = "upstream_unavailable"


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a circuit opens and closes.

    Attributes:
        failures_max: Failures in a row, without a success between, that open it.
        open_s: How long it stays open the first time; doubled by every failed probe.
        open_max_s: The longest it stays open.
        probes_max: Calls let through at once while half open.
    """

    failures_max: int = 5
    open_s: float = 1.0
    open_max_s: float = 8.0
    probes_max: int = 1


class CircuitBreaker:
    """Guards the calls to one service; used from one event loop.

    Each call takes a ticket (`enter`) and gives it back with how it went. Tickets of an earlier
    state are ignored, so that a hundred calls that were under way when a service died count
    once, and a late success does not close a circuit that was opened for good reason.
    """

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        on_change: Callable[[str, State], None] | None = None,
    ) -> None:
        self.name = name
        self.state: State = "closed"
        self._policy = policy or BreakerPolicy()
        self._monotonic = monotonic
        self._on_change = on_change
        self._failures = 0
        self._probes = 0
        self._open_s = self._policy.open_s
        self._open_until = 0.0
        self._generation = 0

    def enter(self) -> int:
        """Return a ticket for one call.

        Raises:
            CircuitOpenError: the circuit is open, or half open with its probes under way.
        """
        if self.state == "closed":
            return self._generation
        left_s = self._open_until - self._monotonic()
        if self.state == "open" and left_s <= 0:
            self._become("half_open")
        if self.state == "half_open" and self._probes < self._policy.probes_max:
            self._probes += 1
            return self._generation
        raise CircuitOpenError(
            "A service behind this one is unavailable", retry_after_s=max(1, int(left_s + 0.999))
        )

    def succeeded(self, ticket: int) -> None:
        """Note that the service answered, whatever the answer's status."""
        if ticket != self._generation:
            return
        self._failures = 0
        if self.state == "half_open":
            self._open_s = self._policy.open_s
            self._become("closed")

    def failed(self, ticket: int) -> None:
        """Note that the service did not answer."""
        if ticket != self._generation:
            return
        self._failures += 1
        if self.state == "half_open":
            self._open_s = min(self._open_s * 2, self._policy.open_max_s)
            self._open()
        elif self._failures >= self._policy.failures_max:
            self._open()

    def abandoned(self, ticket: int) -> None:
        """Note that the caller left before the end: nothing is known about the service."""
        if ticket == self._generation and self.state == "half_open":
            self._probes -= 1

    def _open(self) -> None:
        self._open_until = self._monotonic() + self._open_s
        self._become("open")

    def _become(self, state: State) -> None:
        self.state = state
        self._generation += 1
        self._failures = self._probes = 0
        if self._on_change is not None:
            self._on_change(self.name, state)
