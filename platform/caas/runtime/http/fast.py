"""What a handler that skips Litestar gets and gives back.

A fast route serves a hot path with the behaviour of the Litestar route it stands for. A raw handler
serves everything below a path prefix and may stream both ways (the gateway's proxy).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from caas.runtime.identity.peers import PeerTrust
from caas_observability.setup.tracing import ServerSpan

Headers = list[tuple[bytes, bytes]]
Stream = Callable[[], AsyncIterator[bytes]]

_NO_PEER = ("", 0)


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

    def __init__(
        self,
        scope: Mapping[str, Any],
        fields: dict[bytes, bytes],
        trust: PeerTrust,
        span: ServerSpan,
    ) -> None:
        """Read the ASGI *scope*; *fields* are its headers by name."""
        method: str = scope["method"]
        self.method = "GET" if method == "HEAD" else method
        self.path: str = scope["path"]
        self.raw_path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.headers: Headers = scope["headers"]
        self.fields = fields
        self.peer: str = (scope.get("client") or _NO_PEER)[0]
        self.scheme: str = scope["scheme"]
        self.span = span
        self.correlation_id = span.correlation_id
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
