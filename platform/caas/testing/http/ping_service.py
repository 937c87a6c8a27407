"""The smallest service behind the real edge, for measuring what the edge and telemetry cost.

`CAAS_PING_TELEMETRY=none` takes span, metrics and access log out of the edge, in this process
only: what is left is what telemetry is measured against.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from prometheus_client import CollectorRegistry

from caas.contracts.services import ServiceSpec
from caas.runtime.http.app import Running, create_service_app
from caas.runtime.http.edge import layer as edge
from caas.runtime.http.fast import FastRequest, FastResponse
from caas_observability.setup.metrics import HttpServerMetrics
from caas_observability.setup.tracing import ServerSpan

SERVICE = ServiceSpec(
    name="ping-service",
    app="caas.testing.http.ping_service:create_app",
    seed_port=3902,
    profiles=(),
    url_env="CAAS_PING_URL",
    needs=(),
)
_JSON = ((b"content-type", b"application/json"),)
_BODY = b'{"pong":true}'
_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


class _NoSpan(ServerSpan):
    __slots__ = ()

    def __init__(self) -> None:
        self.recording = self.sampled = False
        self.correlation_id = "bench"

    def traceparent(self) -> str:
        return _TRACEPARENT

    def end(self) -> None:
        """Do nothing."""


class _NoMetrics(HttpServerMetrics):
    def record(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Do nothing."""


@asynccontextmanager
async def _lifespan(_: Litestar) -> AsyncIterator[Running]:
    yield Running(fast_routes={("GET", "/v1/ping"): _ping})


async def _ping(_: FastRequest) -> FastResponse:
    return FastResponse(200, _JSON, _BODY)


def _take_telemetry_out() -> None:
    span = _NoSpan()

    def start_server_span(_name: str, **_: Any) -> ServerSpan:
        return span

    edge.start_server_span = start_server_span  # type: ignore[assignment,attr-defined]
    edge.http_server = _NoMetrics(CollectorRegistry())  # type: ignore[attr-defined]


def create_app() -> edge.Edge:
    """Return a service whose one route, `GET /v1/ping`, does nothing."""
    if os.environ.get("CAAS_PING_TELEMETRY") == "none":
        _take_telemetry_out()
    return create_service_app(
        SERVICE,
        [],
        version="0",
        environ=os.environ,
        lifespan=_lifespan,
        dependencies={},
    )
