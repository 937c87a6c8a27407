"""What the drivers' instrumentations are kept from."""

from datetime import timedelta

import pytest
from pymongo import monitoring

from caas.testing.recorded import Recorded
from caas_observability.setup import drivers
from caas_observability.setup.tracing import start_server_span

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def started(request_id: int) -> monitoring.CommandStartedEvent:
    """Return what the driver says when a command begins."""
    return monitoring.CommandStartedEvent({"find": "users"}, "db", request_id, ("h", 1), request_id)


def test_commands_that_never_end_are_forgotten(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled one reports no end; whoever hangs up all day must not fill the memory."""
    monkeypatch.setattr(drivers, "OPEN_COMMANDS_MAX", 3)
    listener = drivers.MongoCommands()
    with start_server_span("GET", traceparent=SAMPLED):
        for request_id in range(10):
            listener.started(started(request_id))
            assert len(listener._span_dict) <= 3
        kept = started(9)
        listener.succeeded(
            monitoring.CommandSucceededEvent(
                timedelta(0), {}, "find", kept.request_id, kept.connection_id, kept.operation_id
            )
        )

    assert [span.name for span in recorded.spans] == ["db.find", "GET"]


def test_outside_a_recorded_request_no_command_is_kept(recorded: Recorded) -> None:
    """Not even as a span that nobody records."""
    listener = drivers.MongoCommands()
    listener.started(started(1))
    with start_server_span("GET", traceparent=SAMPLED[:-2] + "00"):
        listener.started(started(2))

    assert listener._span_dict == {}
    assert recorded.spans == []
