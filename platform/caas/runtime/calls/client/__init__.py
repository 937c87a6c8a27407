"""A pooled HTTP/1.1 client for calls between services: deadlines, streaming, no lost request.

Why not a library: docs/adr/0006-gateway-http-client.md has what aiohttp and pyreqwest lose, with
figures. The closing-peer table is a test.
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
