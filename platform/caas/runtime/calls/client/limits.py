"""What a client allows a peer: every wait, queue and size has its bound here."""

import msgspec


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one pool, which is one origin.

    Attributes:
        connections_max: Open or opening connections.
        waiters_max: Requests that may queue for a connection; one more fails at once.
        connect_s: From the start of a connect to an open connection.
        first_byte_s: From the last byte sent to the complete response head.
        total_s: From the call to the last byte of the body; None for endless streams.
        idle_s: How long an unused connection is kept. Shorter than the servers' own
            keep-alive, so that the side that closes is this one.
        head_bytes_max: Status line and headers of a response.
        body_bytes_max: A body that is read as a whole. Streamed bodies have no total bound.
        buffer_bytes_max: Body bytes held for a slow reader before reading pauses.
    """

    connections_max: int = 256
    waiters_max: int = 4096
    connect_s: float = 2.0
    first_byte_s: float = 15.0
    total_s: float | None = 30.0
    idle_s: float = 10.0
    head_bytes_max: int = 64 * 1024
    body_bytes_max: int = 8 * 1024 * 1024
    buffer_bytes_max: int = 256 * 1024
