"""A pooled HTTP/1.1 client for calls between services: deadlines, streaming, no lost request.

Why not a library: measured against @fastify/http-proxy (1.00) on the same path, aiohttp reaches
0.46 and httptools on bare asyncio protocols 1.51 (docs/adr/0006-gateway-http-client.md).
"""

from caas.runtime.calls.client.client import Fetched, HttpClient
from caas.runtime.calls.client.errors import (
    UpstreamBusyError,
    UpstreamClosedError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from caas.runtime.calls.client.head import BadRequestHeadError
from caas.runtime.calls.client.limits import ClientLimits
from caas.runtime.calls.client.response import ClientResponse

__all__ = [
    "BadRequestHeadError",
    "ClientLimits",
    "ClientResponse",
    "Fetched",
    "HttpClient",
    "UpstreamBusyError",
    "UpstreamClosedError",
    "UpstreamConnectError",
    "UpstreamError",
    "UpstreamProtocolError",
    "UpstreamTimeoutError",
]
