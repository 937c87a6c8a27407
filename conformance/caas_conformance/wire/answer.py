"""An answer, and the record of the exchange that brought it."""

from typing import Any

import msgspec

from caas_conformance.wire.evidence import MISSING, Value

_UNREAD: Any = object()


class ExchangeRecord:
    """One request on the wire, as it happened; turned into the report's model at the end.

    Times are `time.perf_counter()` seconds. `received` holds at most
    `CAPTURED_BYTES_MAX` bytes as they came, whatever the body's size was. `error` says what is
    wrong with the answer, `notes` what is odd about it and no fault by itself.
    """

    __slots__ = (
        "body",
        "body_bytes",
        "connected_at",
        "correlation_id",
        "ended_at",
        "error",
        "events",
        "first_byte_at",
        "id",
        "is_traced",
        "method",
        "notes",
        "protocol",
        "received",
        "received_bytes",
        "request_body",
        "request_headers",
        "response_headers",
        "retried",
        "sampled",
        "sent",
        "service",
        "span_id",
        "started_at",
        "status",
        "step",
        "trailers",
        "url",
    )

    def __init__(
        self, exchange_id: str, *, protocol: str, service: str, method: str, url: str
    ) -> None:
        self.id = exchange_id
        self.protocol = protocol
        self.service = service
        self.method = method
        self.url = url
        self.step: int | None = None
        self.span_id = ""
        self.correlation_id = ""
        self.is_traced = False
        self.sampled = True
        self.status: int | None = None
        self.error = ""
        self.notes: list[str] = []
        self.retried = False
        self.sent = b""
        self.received: list[bytes] = []
        self.received_bytes = 0
        self.request_headers: list[tuple[str, str]] = []
        self.request_body = b""
        self.response_headers: list[tuple[str, str]] = []
        self.trailers: list[tuple[str, str]] = []
        self.body = b""
        self.body_bytes = 0
        self.started_at = 0.0
        self.connected_at = 0.0
        self.first_byte_at = 0.0
        self.ended_at = 0.0
        self.events: list[tuple[float, str, str, str, bytes]] = []


class Answer:
    """What came back: status, headers and body; a member that is not there is `MISSING`."""

    __slots__ = ("_json", "closed", "content", "exchange", "headers", "reason", "status",
                 "trailers", "version")  # fmt: skip

    def __init__(self, exchange: ExchangeRecord) -> None:
        self.exchange = exchange
        self.status: int | None = None
        self.reason = ""
        self.version = ""
        self.headers: list[tuple[str, str]] = []
        self.trailers: list[tuple[str, str]] = []
        self.content = b""
        self.closed = False
        self._json: Any = _UNREAD

    def __repr__(self) -> str:
        return f"Answer({self.exchange.method} {self.exchange.url} -> {self.outcome})"

    @property
    def exchange_id(self) -> str:
        """Id of its exchange within the attempt."""
        return self.exchange.id

    @property
    def outcome(self) -> str:
        """The status, and what is wrong with the answer, or what happened instead."""
        error = self.exchange.error or ("connection closed" if self.closed else "no answer")
        if self.status is None:
            return error
        return f"{self.status}, but {error}" if self.exchange.error else str(self.status)

    @property
    def json(self) -> Any:
        """The decoded JSON body, or `MISSING` when the body is no JSON."""
        if self._json is _UNREAD:
            try:
                self._json = msgspec.json.decode(self.content) if self.content else MISSING
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._json = MISSING
        return self._json

    @property
    def body(self) -> Value:
        """The JSON body as evidence."""
        return Value("body", self.json, self.exchange.id)

    @property
    def text(self) -> Value:
        """The body as text, whatever its type; missing when it is no UTF-8."""
        try:
            return Value("text", self.content.decode(), self.exchange.id)
        except UnicodeDecodeError:
            return Value("text", MISSING, self.exchange.id)

    @property
    def size(self) -> Value:
        """How many bytes the body has."""
        return Value("body.bytes", len(self.content), self.exchange.id)

    @property
    def elapsed_ms(self) -> Value:
        """Milliseconds from the first byte sent to the last received."""
        elapsed = (self.exchange.ended_at - self.exchange.started_at) * 1000
        return Value("elapsed_ms", round(elapsed, 3), self.exchange.id)

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case; empty when there is none."""
        value = self.header("content-type").value
        return value.partition(";")[0].strip().lower() if isinstance(value, str) else ""

    def at(self, *path: str | int) -> Value:
        """Return a member of the JSON body: `answer.at("client.plan")`."""
        return self.body.at(*path)

    def header(self, name: str) -> Value:
        """Return a header by name, case aside; several of one name are joined by a comma."""
        return self._field("header", name, self.headers)

    def trailer(self, name: str) -> Value:
        """Return a field that came behind the body; never among the headers (RFC 9110, 6.5)."""
        return self._field("trailer", name, self.trailers)

    def _field(self, kind: str, name: str, fields: list[tuple[str, str]]) -> Value:
        lower = name.lower()
        found = [value for key, value in fields if key.lower() == lower]
        joined: Any = ", ".join(found) if found else MISSING
        return Value(f"{kind}.{lower}", joined, self.exchange.id)
