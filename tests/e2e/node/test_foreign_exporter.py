"""A Node.js service with OpenTelemetry's own SDK exports into the runner's receiver."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from caas.testing.patience import PATIENCE_S
from caas_observability.correlation import AttemptTrace, correlate
from caas_observability.receiver.server import OtlpReceiver

pytestmark = [pytest.mark.node, pytest.mark.e2e, pytest.mark.anyio]

FOLDER = Path(__file__).with_name("telemetry")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
async def installed() -> None:
    """Install what `package-lock.json` pins, once a checkout."""
    if (FOLDER / "node_modules" / ".package-lock.json").exists():
        return
    npm = await asyncio.create_subprocess_exec(
        *("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"), cwd=FOLDER
    )
    assert await npm.wait() == 0


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    """Listen as the runner does."""
    async with OtlpReceiver() as listening:
        yield listening


@pytest.mark.usefixtures("installed")
async def test_its_spans_and_log_records_belong_to_the_attempt(receiver: OtlpReceiver) -> None:
    """Protobuf of another encoder, names of another language, and the same ownership."""
    service = await asyncio.create_subprocess_exec(
        *("node", FOLDER / "service.cjs"),
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint},
        stdout=asyncio.subprocess.PIPE,
    )
    assert service.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        port = int(await service.stdout.readline())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET /orders HTTP/1.1\r\nhost: x\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\n"
            "x-correlation-id: run.X.1\r\nconnection: close\r\n\r\n".encode()
        )
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        service.send_signal(signal.SIGTERM)
        assert await service.wait() == 0

    attempt = AttemptTrace(attempt_id="a", trace_id=TRACE, span_ids=frozenset({PARENT}))
    found = correlate(receiver.store.spans, receiver.store.logs, [attempt]).attempts["a"]
    (span,) = found.spans
    (log,) = found.logs
    assert (span.service, span.kind, span.parent_span_id) == ("node-service", "server", PARENT)
    assert (log.service, log.level, log.message) == ("node-service", "warning", "order refused")
    assert log.span_id == span.span_id
    assert log.attributes == {"order.id": 7, "correlation_id": "run.X.1"}
    assert (found.orphan_spans, found.orphan_logs) == ((), ())
