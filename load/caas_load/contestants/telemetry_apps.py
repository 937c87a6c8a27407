"""What the telemetry benchmark serves: applications bare and traced, and a null receiver."""

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar, get
from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from caas_observability.setup import metrics
from caas_observability.setup.logs import get_logger
from caas_observability.setup.metrics import http_server
from caas_observability.setup.process import Telemetry, configure
from caas_observability.setup.tracing import start_server_span

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

_BODY = b'{"pong":true}'
_ROUTE = "/v1/ping"
_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain")
_access = get_logger("access")


def create_bare() -> Application:
    """Return an application that answers and does nothing else."""

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send, None)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [_JSON]})
        await send({"type": "http.response.body", "body": _BODY})

    return app


def create_traced() -> Application:
    """Return the same application with a server span, metrics and an access log."""
    telemetry: list[Telemetry] = []

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send, telemetry)
            return
        if scope["path"] == "/internal/metrics":
            await _answer_metrics(send)
            return
        started = time.perf_counter()
        fields = dict(scope["headers"])
        span = start_server_span(
            "GET",
            correlation_id="bench",
            traceparent=fields.get(b"traceparent"),
            tracestate=fields.get(b"tracestate"),
            attributes_lazy=lambda: _attributes(scope, fields),
        )
        http_server.active += 1
        headers = [_JSON, (b"traceresponse", span.traceparent().encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": _BODY})
        http_server.active -= 1
        seconds = time.perf_counter() - started
        http_server.record("GET", _ROUTE, 200, seconds)
        if span.recording:
            span.update_name("GET /v1/ping")
            span.set_many({"http.route": _ROUTE, "http.response.status_code": 200})
            _access.info(
                "request", method="GET", route=_ROUTE, path=scope["path"], status=200,
                duration_ms=round(seconds * 1000, 3),
            )  # fmt: skip
        span.end()

    return app


def create_litestar() -> Litestar:
    """Return the least that Litestar can be."""
    return Litestar([_ping], logging_config=None, openapi_config=None)


def create_stock() -> Litestar:
    """Return the same with Litestar's own instrumentation and the SDK as documented: spans only."""
    tracers = TracerProvider(resource=Resource.create({"service.name": "stock"}))
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    stock = OpenTelemetryPlugin(OpenTelemetryConfig(tracer_provider=tracers))
    return Litestar([_ping], logging_config=None, openapi_config=None, plugins=[stock])


@get(_ROUTE, sync_to_thread=False)
def _ping() -> dict[str, bool]:
    return {"pong": True}


async def _lifespan(receive: Receive, send: Send, telemetry: list[Telemetry] | None) -> None:
    await receive()
    if telemetry is not None:
        telemetry.append(configure("bench", "0", os.environ))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if telemetry:
        await telemetry[0].shutdown()
    await send({"type": "lifespan.shutdown.complete"})


async def _answer_metrics(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [_TEXT]})
    await send({"type": "http.response.body", "body": metrics.render()})


def _attributes(scope: dict[str, Any], fields: dict[bytes, bytes]) -> dict[str, Any]:
    host, _, port = fields.get(b"host", b"").decode("latin-1").partition(":")
    return {
        "http.request.method": scope["method"],
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
        "client.address": scope["client"][0],
        "user_agent.original": fields.get(b"user-agent", b"").decode("latin-1"),
        "server.address": host,
        "server.port": int(port or 80),
    }


async def receive_otlp(_scope: Any, protocol: Any) -> None:
    """Take any OTLP request and say it was accepted (RSGI: the least CPU beside the server)."""
    await protocol()
    protocol.response_bytes(200, [("content-type", "application/x-protobuf")], b"")
