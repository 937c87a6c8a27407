"""A service under load whose receiver is killed and comes back: nothing is lost silently."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from caas.testing.patience import PATIENCE_S
from caas_observability.receiver.server import OtlpReceiver

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

QUEUE_ITEMS = 64
ATTEMPTS_MAX = 1000

RECEIVER = """
import asyncio, sys
from caas_observability.receiver.server import OtlpReceiver

async def main():
    receiver = OtlpReceiver(port=int(sys.argv[1]))
    await receiver.start()
    print(receiver.endpoint, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

SERVICE = """
import asyncio, os, signal
import httptools
from caas_observability.setup import metrics, process, tracing
from caas_observability.setup.logs import get_logger

log = get_logger("svc")

class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)
    def data_received(self, data):
        self.parser.feed_data(data)
    def on_message_begin(self):
        self.url, self.headers = b"", {}
    def on_url(self, url):
        self.url += url
    def on_header(self, name, value):
        self.headers[name.lower()] = value
    def on_message_complete(self):
        with tracing.start_server_span(
            "GET",
            traceparent=self.headers.get(b"traceparent"),
            tracestate=self.headers.get(b"tracestate"),
        ):
            log.error("served")
            body = metrics.render() if self.url == b"/metrics" else b"ok"
        head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
        self.transport.write(head + body)

async def main():
    telemetry = process.configure("svc", "1", os.environ)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
    await telemetry.shutdown()

asyncio.run(main())
"""


@asynccontextmanager
async def process(
    script: Path, source: str, *arguments: str, **environ: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run *source* as a process of its own; yield it with the first line it prints."""
    script.write_text(source)  # noqa: ASYNC240 - a line or two
    child = await asyncio.create_subprocess_exec(
        sys.executable, script, *arguments,
        env={**os.environ, **environ}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    first = (await child.stdout.readline()).decode().strip()
    drained = asyncio.ensure_future(child.stdout.read())  # a full pipe would stop it
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield child, first
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
        await drained
        await child.wait()


def random_hex(bits: int) -> str:
    """Return a random id."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"


class Client:
    """One kept connection to the service."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests = 0

    async def connect(self) -> None:
        """Open it."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def get(self, path: str = "/", headers: str = "") -> bytes:
        """Send a sampled request and return the body of its answer."""
        if not headers:
            ids = f"{random_hex(128)}-{random_hex(64)}"
            headers = f"traceparent: 00-{ids}-01\r\n"
        self.requests += 1
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        return await self.reader.readexactly(int(head.split(b"Content-Length: ")[1]))

    async def get_marked(self) -> str:
        """Send an end marker; return its trace."""
        trace_id = random_hex(128)
        parent = f"traceparent: 00-{trace_id}-{random_hex(64)}-01\r\n"
        await self.get("/", f"{parent}tracestate: caas=flush\r\n")
        return trace_id


async def figures(client: Client) -> dict[str, float]:
    """Read the exporter's metrics: exported and dropped spans and logs together, and queued."""
    text = (await client.get("/metrics")).decode()
    return {
        family.name: sum(s.value for s in family.samples if s.name.endswith(("_total", "_items")))
        for family in text_string_to_metric_families(text)
        if family.name.startswith("caas_telemetry") and "failures" not in family.name
    }


async def test_a_killed_receiver_costs_spans_and_never_requests(tmp_path: Path) -> None:
    """Every request is answered; each span and line is exported, counted as dropped, or queued."""
    receiver_script, service_script = tmp_path / "receiver.py", tmp_path / "service.py"
    async with process(receiver_script, RECEIVER, "0") as (receiver, endpoint):
        options = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_MAX_QUEUE_SIZE": str(QUEUE_ITEMS),
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
            "CAAS_LOG_LEVEL": "error",  # without the exporter's own lines, for the sum below
        }
        async with process(service_script, SERVICE, **options) as (_, port):
            client = Client(int(port))
            await client.connect()
            for _ in range(20):
                await client.get()
            receiver.kill()
            await receiver.wait()
            for _ in range(500):
                assert await client.get() == b"ok"

            alone = await figures(client)
            assert alone["caas_telemetry_dropped"] > 0
            assert alone["caas_telemetry_queue_items"] <= 2 * QUEUE_ITEMS  # of either signal

            async with OtlpReceiver(port=int(endpoint.rpartition(":")[2])) as back:
                marked = await back.wait_for_span(
                    await client.get_marked(), "svc", kind="internal", timeout_s=PATIENCE_S
                )
                lost = (
                    marked.attributes["caas.telemetry.dropped_spans"]
                    + marked.attributes["caas.telemetry.dropped_logs"]
                )
                assert lost >= alone["caas_telemetry_dropped"]
                # The receiver's answer may still be on its way to the exporter.
                accounted = expected = -1.0
                for _ in range(ATTEMPTS_MAX):
                    # A span and a line each, the page's own line; of the marker's request a
                    # line, and its two markers.
                    expected = 2 * client.requests + 1 + 1
                    accounted = sum((await figures(client)).values())
                    if accounted == expected:
                        break
                assert accounted == expected
            client.writer.close()
