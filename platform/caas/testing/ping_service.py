"""The smallest service behind the real edge, for measuring what the edge and telemetry cost."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from caas.contracts.services import ServiceSpec
from caas.runtime.app import create_service_app
from caas.runtime.edge import Edge
from caas.runtime.fast import FastRequest, FastResponse

SERVICE = ServiceSpec(
    name="ping-service",
    app="caas.testing.ping_service:create_app",
    seed_port=3902,
    profiles=(),
    url_env="CAAS_PING_URL",
    needs=(),
)
_JSON = ((b"content-type", b"application/json"),)
_BODY = b'{"pong":true}'


@asynccontextmanager
async def _nothing_to_open(_: Litestar) -> AsyncIterator[None]:
    yield


async def _ping(_: FastRequest) -> FastResponse:
    return FastResponse(200, _JSON, _BODY)


def create_app() -> Edge:
    """Return a service whose one route, `GET /v1/ping`, does nothing."""
    return create_service_app(
        SERVICE,
        [],
        version="0",
        environ=os.environ,
        lifespan=_nothing_to_open,
        dependencies={},
        readiness=dict,
        fast_routes=lambda: {("GET", "/v1/ping"): _ping},
    )
