"""A process of its own, flooded by a stranger who asks for every request to be recorded."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from caas.kernel.ids import new_id
from caas.stack.servers.embedded import free_port
from caas.testing.http.serving import container_command
from caas_observability.receiver.server import OtlpReceiver
from caas_observability.setup.sampling import BURST_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

FLOOD = 60
PER_S = 1
WAIT_MAX_S = 30.0


@asynccontextmanager
async def ping_service(log: Path, **environ: str) -> AsyncIterator[str]:
    """Run the service as a container would; give its address."""
    port = free_port()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *container_command("caas.testing.http.ping_service:create_app", port),
            env={**os.environ, **environ},
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(WAIT_MAX_S):
            while True:
                assert process.returncode is None
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
            yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), WAIT_MAX_S)


@pytest.mark.parametrize("sampler", ["parentbased_always_off", "traceidratio"])
async def test_a_stranger_fills_neither_log_nor_receiver(
    tmp_path: Path, wire_to: Any, sampler: str
) -> None:
    """What is granted is recorded, logged and said; the rest is served all the same."""
    receiver = OtlpReceiver()
    await receiver.start()
    log = tmp_path / "ping.jsonl"
    # An id that every ratio says yes to: its low half is 1.
    traces = [f"{number + 1:016x}{1:016x}" for number in range(FLOOD)]
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        "OTEL_TRACES_SAMPLER": sampler,
        "OTEL_TRACES_SAMPLER_ARG": "0.000001",
        "CAAS_TRACE_FORCED_PER_S": str(PER_S),
        "CAAS_ENVIRONMENT": "development",
    }
    async with ping_service(log, **environ) as url:
        wire = wire_to(url)
        granted = []
        for trace in traces:
            answer = await wire.get(
                "/v1/ping", f"Traceparent: 00-{trace}-{'1' * 16}-01\r\n".encode()
            )
            assert answer.status == 200
            if answer.header("traceresponse").endswith("-01"):
                granted.append(trace)
        marker = new_id().replace("-", "")
        await wire.get(
            "/health",
            f"Traceparent: 00-{marker}-{'1' * 16}-01\r\nTracestate: caas=flush\r\n".encode(),
        )
        await receiver.wait_for_span(marker, "ping-service", kind="internal", timeout_s=WAIT_MAX_S)
        figures = await wire.raw(b"GET /internal/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await receiver.close()

    recorded = [trace for trace in traces if receiver.store.spans_of(trace)]
    logged = [trace for trace in traces if trace in log.read_text()]
    assert recorded == granted
    assert logged == granted
    assert PER_S * BURST_S <= len(granted) < FLOOD
    assert f'caas_trace_wishes_refused_total{{wish="forced"}} {FLOOD - len(granted)}.0' in (
        figures.body.decode()
    )
