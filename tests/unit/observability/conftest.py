"""A recorder of its own for each test; nothing is exported."""

from collections.abc import Iterator

import pytest
from opentelemetry import context as api

from caas.testing.recorded import Recorded, recording
from caas_observability.setup import context


@pytest.fixture(autouse=True)
def no_scope() -> Iterator[None]:
    """Begin and end outside every span."""
    assert not context.current_span_context().is_valid
    before = api.get_current()
    yield
    leaked = context.current_span_context()
    api.attach(before)
    assert not leaked.is_valid


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """Record every trace and log line in memory."""
    with recording() as found:
        yield found
