"""What a handler that skips Litestar gets and gives back.

A fast route serves a hot path with the behaviour of the Litestar route it stands for. It may run
outside of a task until it first waits, so it uses no `asyncio.timeout` before that. A raw
handler serves everything below a path prefix and may stream both ways (the gateway's proxy).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from caas.runtime.peers import PeerTrust
from caas_observability.tracing import Span

Headers = list[tuple[bytes, bytes]]
Stream = Callable[[], AsyncIterator[bytes]]


class FastRequest:
    """One request whose target and headers the edge has already checked.

    Attributes:
        method: Upper case; GET for a HEAD request, since both run the same code.
        path: Decoded UTF-8, without control characters or empty and dot segments.
        raw_path: The path as it came, percent-encoded.
        query: Undecoded; no scalar parameter occurs twice.
        headers: In order, names in lower case.
        fields: The same by name; headers that may not repeat don't.
        body: Complete for fast routes, empty for raw handlers, which call `stream`.
        span: The server span.
        correlation_id: As sent back to the client.
        peer: Address of the connection's other end.
        scheme: Of the connection: `http` or `https`.
        answer_headers: What the answer will carry whoever gives it, a refusal included; a handler
            or guard may append.
        deadline: `time.monotonic()` at which the caller gives up; None when it didn't say.
    """

    __slots__ = (
        "_address", "_stream", "_trust", "answer_headers", "body", "correlation_id", "deadline",
        "fields", "headers", "method", "path", "peer", "query", "raw_path", "route", "scheme",
        "span",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - made in one place, once a request
        self,
        *,
        method: str,
        path: str,
        raw_path: bytes,
        query: bytes,
        headers: Headers,
        fields: dict[bytes, bytes],
        peer: str,
        scheme: str,
        trust: PeerTrust,
        span: Span,
        correlation_id: str,
    ) -> None:
        self.method = method
        self.path = path
        self.raw_path = raw_path
        self.query = query
        self.headers = headers
        self.fields = fields
        self.peer = peer
        self.scheme = scheme
        self.span = span
        self.correlation_id = correlation_id
        self.body = b""
        self.answer_headers: Headers = []
        self.deadline: float | None = None
        self.route = ""
        self._trust = trust
        self._address: str | None = None
        self._stream: Stream | None = None

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the header *name* (lower case)."""
        return self.fields.get(name)

    @property
    def client_ip(self) -> str:
        """The client's address: the peer, or what a trusted proxy says about it."""
        if self._address is None:
            self._address = self._trust.client_ip(self.peer, self.headers, self.fields)
        return self._address

    @property
    def client_scheme(self) -> str:
        """`http` or `https`: the connection's, or what a trusted proxy says of the client's."""
        return self._trust.client_scheme(self.peer, self.scheme, self.fields)

    def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; raise a 413 refusal when it grows over the limit."""
        if self._stream is None:
            return _once(self.body)
        return self._stream()


class FastResponse:
    """What a handler answers; the edge adds correlation, trace, CORS and security headers.

    Attributes:
        body: Bytes, or an iterator that is sent as it yields and closed when the client leaves.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes | AsyncIterator[bytes] = b"",
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body


FastHandler = Callable[[FastRequest], Awaitable[FastResponse]]
RawHandler = Callable[[FastRequest], Awaitable[FastResponse]]


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
