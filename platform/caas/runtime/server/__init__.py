"""An HTTP/1.1 server for ASGI applications, on the event loop's own thread.

llhttp parses, asyncio's transports do the I/O; what is here is the part between: framing of
answers, limits, time-outs, back-pressure, orderly ends. docs/adr/0011-http-server.md says why
it exists and what it does not do.
"""

from caas.runtime.server.exchange import EXTENSION, Exchange, encode_block
from caas.runtime.server.lifespan import Lifespan, LifespanError
from caas.runtime.server.limits import ServerLimits
from caas.runtime.server.server import HttpServer

__all__ = [
    "EXTENSION",
    "Exchange",
    "HttpServer",
    "Lifespan",
    "LifespanError",
    "ServerLimits",
    "encode_block",
]
