"""Parts of others plug into a service's telemetry as their documentation says."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest

from caas.testing.patience import PATIENCE_S
from caas_observability.receiver.server import OtlpReceiver

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

# A service that calls another with aiohttp, instrumented by OpenTelemetry's contrib package; an
# exporter and a processor of others see its spans beside ours.
SERVICE = f"""
import asyncio, os
from aiohttp import ClientSession, web
from opentelemetry import trace
from opentelemetry._logs import get_logger
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from caas_observability.setup import process
from caas_observability.setup.tracing import start_server_span

class Baggage(SpanProcessor):
    def on_start(self, span, parent_context=None):
        span.set_attribute("deployment.zone", "a")

async def main():
    telemetry = process.configure("svc", "1", os.environ)
    telemetry.tracers.add_span_processor(Baggage())
    console = ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\\n")
    telemetry.tracers.add_span_processor(SimpleSpanProcessor(console))
    AioHttpClientInstrumentor().instrument()
    seen = []

    async def upstream(request):
        seen.append(request.headers)
        return web.Response()

    app = web.Application()
    app.router.add_get("/", upstream)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    parent = "00-{TRACE}-{PARENT}-0"
    for flag in "10":
        with start_server_span("GET", correlation_id="corr-1", traceparent=parent + flag):
            async with ClientSession() as session:
                await session.get(f"http://127.0.0.1:{{port}}/?api_key=hunter22")
            get_logger("lib").emit(body="password=hunter22")
    await runner.cleanup()
    await telemetry.shutdown()
    for headers in seen:
        print("sent", headers["traceparent"], headers["x-correlation-id"])

asyncio.run(main())
"""

# A supervisor that imports once and forks a process a service.
FORKS = """
import asyncio, os
from caas_observability.setup import process
from caas_observability.setup.logs import get_logger
from caas_observability.setup.tracing import start_server_span

get_logger("supervisor").info("before")

async def serve(name):
    telemetry = process.configure(name, "1", os.environ)
    with start_server_span(name):
        get_logger("x").info("served")
    await telemetry.shutdown()

for name in ("a", "b"):
    if os.fork() == 0:
        asyncio.run(serve(name))
        os._exit(0)
assert [os.wait()[1], os.wait()[1]] == [0, 0]
"""


async def run(script: Path, source: str, endpoint: str) -> str:
    """Run *source* to its end; return what it wrote, errors included."""
    script.write_text(source)  # noqa: ASYNC240 - a line or two
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, script),
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    written, _ = await asyncio.wait_for(child.communicate(), PATIENCE_S)
    assert child.returncode == 0, written.decode()
    return written.decode()


async def test_a_foreign_instrumentation_s_spans_are_in_the_trace(tmp_path: Path) -> None:
    """Below the request, redacted for every exporter, passed on by their headers and ours."""
    async with OtlpReceiver() as receiver:
        written = await run(tmp_path / "service.py", SERVICE, receiver.endpoint)

    call, server = receiver.store.spans_of(TRACE)
    assert (server.kind, server.parent_span_id) == ("server", PARENT)
    assert (call.kind, call.parent_span_id) == ("client", server.span_id)
    assert call.scope == "opentelemetry.instrumentation.aiohttp_client"
    assert call.attributes["url.full"].endswith("/?api_key=[redacted]")
    assert call.attributes["deployment.zone"] == "a"  # what the foreign processor set
    sent = [line for line in written.splitlines() if line.startswith("sent")]
    assert sent[0] == f"sent 00-{TRACE}-{call.span_id}-01 corr-1"
    assert sent[1].startswith(f"sent 00-{TRACE}-")
    assert sent[1].endswith("-00 corr-1")

    logs = receiver.store.logs_of(TRACE)
    assert [log.message for log in logs] == ["password=[redacted]"] * 2
    assert {log.attributes["correlation_id"] for log in logs} == {"corr-1"}

    exported = [
        msgspec.json.decode(line) for line in written.splitlines() if line.startswith('{"name"')
    ]
    assert [span["name"] for span in exported] == [call.name, server.name]
    assert "hunter22" not in written


async def test_each_forked_process_records_and_exports_on_its_own(tmp_path: Path) -> None:
    """What was imported before the fork is shared, and no thread, queue or id of the SDK."""
    async with OtlpReceiver() as receiver:
        await run(tmp_path / "forks.py", FORKS, receiver.endpoint)

    spans = {span.service: span for span in receiver.store.spans}
    assert {service: span.name for service, span in spans.items()} == {"a": "a", "b": "b"}
    assert sorted(log.service for log in receiver.store.logs) == ["a", "b"]
    for key in ("service.instance.id", "process.pid"):
        assert spans["a"].resource[key] != spans["b"].resource[key]
    assert spans["a"].trace_id != spans["b"].trace_id
