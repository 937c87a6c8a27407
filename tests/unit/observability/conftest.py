"""A recorder of its own for each test; nothing is exported."""

from collections.abc import Iterator

import pytest

from caas_observability.setup import context, tracing
from caas_observability.setup.signals import SignalQueue
from caas_observability.setup.tracing import Recorder


@pytest.fixture(autouse=True)
def no_scope() -> Iterator[None]:
    """Begin and end outside every span."""
    assert context.current() is None
    yield
    leaked = context.current_scope()
    if leaked is not None:
        context.deactivate(leaked)
    assert leaked is None


@pytest.fixture
def queue() -> Iterator[SignalQueue]:
    """Record every trace into this queue."""
    recorded = SignalQueue()
    replaced = tracing.install(Recorder(recorded))
    yield recorded
    tracing.install(replaced)
