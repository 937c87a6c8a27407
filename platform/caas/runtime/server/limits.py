"""What the server allows a client: every wait, queue and size has its bound here."""

import msgspec


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one server. Times are kept to within `SWEEP_S` of the server.

    Attributes:
        connections_max: Open at once; one more is answered 503 and closed.
        head_bytes_max: Request line and headers; over it is a 414 or 431. The edge's own limits
            are lower and are told in a problem document.
        head_s: From the first byte of a request to the end of its head.
        idle_s: Between two requests. Longer than clients keep unused connections, so that the
            side that closes is theirs.
        body_held_bytes_max: Body bytes held for an application that reads slowly; then reading
            pauses.
        pipelined_max: Requests read ahead of the one that is served; then reading pauses.
        write_stall_s: How long a client may read nothing of an answer that waits for it.
        linger_s: After an answer that came before the end of its request: how long what is
            still sent is read and dropped, so that the answer is not lost to a reset.
    """

    connections_max: int = 8_192
    head_bytes_max: int = 65_536
    head_s: float = 15.0
    idle_s: float = 75.0
    body_held_bytes_max: int = 65_536
    pipelined_max: int = 8
    write_stall_s: float = 30.0
    linger_s: float = 2.0
