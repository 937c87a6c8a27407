"""Requests of one attempt: traced, timed, captured; connections are kept for its length."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from caas_conformance.errors import AuthoringError, CaseStoppedError
from caas_conformance.wire import credentials
from caas_conformance.wire.answer import Answer, ExchangeRecord
from caas_conformance.wire.connection import Connection, Origin, connect
from caas_conformance.wire.trace_context import AttemptTrace

EXCHANGE_TIMEOUT_S = 10.0
EXCHANGES_MAX = 5_000
CONNECTIONS_MAX = 128
DRAIN_S = 0.25
# RFC 9110, 9.2.2: only these may be sent twice (RFC 9112, 9.3.1).
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
PATH_SAFE = "/%:@!$&'()*+,;=~-._"

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Query = Mapping[str, Any] | Iterable[tuple[str, Any]]


class Endpoint:
    """A service's URL, taken apart once for all attempts.

    Attributes:
        url: Without a slash at the end, and without credentials.
        authorization: The header that the credentials of the URL make; empty without any.
        secrets: Every spelling of them that may turn up somewhere.
    """

    __slots__ = ("authorization", "base_path", "host_header", "origin", "secrets", "service", "url")

    def __init__(self, service: str, url: str, userinfo: str = "") -> None:
        plain, own = credentials.parted(url)
        parts = urlsplit(plain)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AuthoringError(f"{service}: {credentials.masked(url)!r} is no http(s) URL")
        tls = parts.scheme == "https"
        self.service = service
        self.url = plain.rstrip("/")
        self.base_path = parts.path.rstrip("/")
        self.origin = Origin(parts.hostname, parts.port or (443 if tls else 80), tls)
        self.host_header = parts.netloc
        self.authorization, self.secrets = credentials.basic(userinfo or own)


class Wire:
    """Every exchange of one attempt, in order, and the time spent waiting for them.

    Args:
        trace: Names the attempt in `traceparent` and `x-correlation-id`.
        before_send: Called before each exchange; raises when the case must stop.

    Attributes:
        late: Exchanges that were handed on as whole, before bytes turned up behind them.
        at_close: Asked at the end of the attempt for what is broken and was not looked at.
    """

    __slots__ = ("_before_send", "_idle", "_in_flight", "_limit", "_since", "_used", "at_close",
                 "exchanges", "late", "step", "sut_wait_s", "trace")  # fmt: skip

    def __init__(self, trace: AttemptTrace, before_send: Callable[[], None]) -> None:
        self.trace = trace
        self.exchanges: list[ExchangeRecord] = []
        self.sut_wait_s = 0.0
        self.step: int | None = None
        self._before_send = before_send
        self.late: list[ExchangeRecord] = []
        self.at_close: list[Callable[[], Answer | None]] = []
        self._idle: dict[Origin, list[Connection]] = {}
        self._used: list[Connection] = []
        self._in_flight = 0
        self._since = 0.0
        self._limit = asyncio.Semaphore(CONNECTIONS_MAX)

    def new_exchange(self, protocol: str, service: str, method: str, url: str) -> ExchangeRecord:
        """Open a record with the next id and a fresh client span.

        Raises:
            AuthoringError: the attempt made `EXCHANGES_MAX` already.
        """
        self._before_send()
        number = len(self.exchanges) + 1
        if number > EXCHANGES_MAX:
            raise AuthoringError(f"over {EXCHANGES_MAX} exchanges in one attempt")
        record = ExchangeRecord(
            f"x{number}", protocol=protocol, service=service, method=method, url=url
        )
        record.span_id = self.trace.new_span_id()
        record.correlation_id = f"{self.trace.correlation_prefix}.x{number}"
        record.step = self.step
        self.exchanges.append(record)
        return record

    async def exchange(
        self,
        endpoint: Endpoint,
        message: bytes,
        record: ExchangeRecord,
        timeout_s: float,
        *,
        own_connection: bool = False,
    ) -> Answer:
        """Send the bytes and return the answer; `record.error` says when it is not whole.

        Raises:
            EnvironmentBrokenError: nothing listens.
        """
        async with self._limit:
            record.started_at = perf_counter()
            self.entered(record.started_at)
            answer = Answer(record)
            connection: Connection | None = None
            try:
                async with asyncio.timeout(timeout_s):
                    if not own_connection:
                        connection = await self._kept(endpoint.origin, record.method)
                    if connection is not None:
                        answer = connection.begin(message, record)
                        await connection.finished()
                        if connection.unanswered and record.method in IDEMPOTENT:
                            _note_retry(record)
                            connection = None
                    if connection is None:
                        connection = await self._connect(endpoint.origin, record)
                        answer = connection.begin(message, record)
                        await connection.finished()
                if own_connection and not record.error:
                    await connection.drained(DRAIN_S)
            except TimeoutError:
                record.error = f"no whole answer within {timeout_s:g} s"
            except Exception as error:
                record.error = record.error or str(error)
                raise
            finally:
                record.ended_at = record.ended_at or perf_counter()
                self.left(perf_counter())
                self._keep(endpoint.origin, connection, record)
        record.status = answer.status
        record.response_headers = answer.headers
        record.trailers = answer.trailers
        record.body = answer.content
        record.body_bytes = len(answer.content)
        return answer

    async def settled(self) -> None:
        """Ask for nothing more and read what the services still send, until they close.

        Bytes behind an answer that was whole are then in `late`, however late they came.
        """
        used = [*self._used, *(c for kept in self._idle.values() for c in kept)]
        if not used:
            return
        self.entered(perf_counter())
        try:
            await asyncio.gather(*(connection.drained(DRAIN_S) for connection in used))
        finally:
            self.left(perf_counter())

    def close(self) -> None:
        """Close every connection that is not in use."""
        for connection in (*self._used, *(c for kept in self._idle.values() for c in kept)):
            connection.close()
        self._used.clear()
        self._idle.clear()

    async def _connect(self, origin: Origin, record: ExchangeRecord) -> Connection:
        connection = await connect(origin)
        connection.on_late = self.late.append
        record.connected_at = perf_counter()
        return connection

    async def _kept(self, origin: Origin, method: str) -> Connection | None:
        idle = self._idle.get(origin)
        if idle and method not in IDEMPOTENT:
            await asyncio.sleep(0)  # learn first which of them the service has closed
        while idle:
            connection = idle.pop()
            if connection.open:
                return connection
        return None

    def _keep(self, origin: Origin, connection: Connection | None, record: ExchangeRecord) -> None:
        if connection is None:
            return
        if record.error:
            connection.close()
            return
        connection.handed_on = True
        if connection.open:
            self._idle.setdefault(origin, []).append(connection)
        else:
            self._used.append(connection)
            if len(self._used) > CONNECTIONS_MAX:
                self._used.pop(0).close()

    def entered(self, now: float) -> None:
        """Note that the case begins to wait for the platform."""
        if not self._in_flight:
            self._since = now
        self._in_flight += 1

    def left(self, now: float) -> None:
        """Note that one wait is over; what overlaps counts once."""
        self._in_flight -= 1
        if not self._in_flight:
            self.sut_wait_s += now - self._since


def _note_retry(record: ExchangeRecord) -> None:
    record.retried = True
    record.notes.append(f"sent again on a fresh connection: {record.error}")
    record.error = ""
    record.ended_at = 0.0


class ServiceClient:
    """Requests to one service.

    Each carries a fresh client span as `traceparent` and its own `x-correlation-id`; a header
    given by the case replaces either, and `None` leaves it out.
    """

    __slots__ = ("endpoint", "on_unanswered", "wire")

    def __init__(
        self, wire: Wire, endpoint: Endpoint, on_unanswered: Callable[[Answer], None]
    ) -> None:
        self.wire = wire
        self.endpoint = endpoint
        self.on_unanswered = on_unanswered

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return self.endpoint.url

    async def get(self, path: str, **options: Any) -> Answer:
        """Send GET; options as in `request`."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        """Send POST; options as in `request`."""
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Answer:
        """Send PUT; options as in `request`."""
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Answer:
        """Send PATCH; options as in `request`."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        """Send DELETE; options as in `request`."""
        return await self.request("DELETE", path, **options)

    async def head(self, path: str, **options: Any) -> Answer:
        """Send HEAD; options as in `request`."""
        return await self.request("HEAD", path, **options)

    async def options(self, path: str, **options: Any) -> Answer:
        """Send OPTIONS; options as in `request`."""
        return await self.request("OPTIONS", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = msgspec.UNSET,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        query: Query | None = None,
        timeout_s: float = EXCHANGE_TIMEOUT_S,
        sampled: bool = True,
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        Args:
            method: Sent as it is.
            path: Absolute; what is not allowed in a path is percent-encoded, `%` is kept.
            json: Encoded as the body, with its content type; `None` sends `null`.
            body: Sent as it is; name its type in *headers*.
            headers: Sent besides the harness's own, which they replace; `None` leaves one out.
            query: Pairs for the query; several values of one name as a list of pairs.
            timeout_s: Until the whole answer is there.
            sampled: Whether the services are to record it.

        Raises:
            EnvironmentBrokenError: nothing listens there.
            CaseStoppedError: the answer did not come, or came broken; recorded as failed.
        """
        record, message = self.prepare(
            method, path, json=json, body=body, headers=headers, query=query, sampled=sampled
        )
        answer = await self.wire.exchange(self.endpoint, message, record, timeout_s)
        if record.error:
            self.on_unanswered(answer)
            raise CaseStoppedError(f"{method} {path}: {record.error}")
        return answer

    def prepare(
        self,
        method: str,
        path: str,
        *,
        json: Any = msgspec.UNSET,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        query: Query | None = None,
        protocol: str = "http",
        sampled: bool = True,
    ) -> tuple[ExchangeRecord, bytes]:
        """Open an exchange and write its request, which is not sent yet; as `request`."""
        if json is not msgspec.UNSET and body is not None:
            raise AuthoringError("give json or body, not both")
        target = self.endpoint.base_path + quote(path, safe=PATH_SAFE + "?")
        if query is not None:
            pairs = query.items() if isinstance(query, Mapping) else query
            target = f"{target}?{urlencode(list(pairs))}"
        record = self.wire.new_exchange(protocol, self.endpoint.service, method, "")
        record.url = self._origin_url + target
        record.sampled = sampled
        lines = self._headers(record, headers)
        content = body
        if json is not msgspec.UNSET:
            content = msgspec.json.encode(json)
            lines.setdefault("content-type", "application/json")
        if content is not None or method in ("POST", "PUT", "PATCH"):
            content = content or b""
            lines.setdefault("content-length", str(len(content)))
        # Spelled as curl does it, so that a command copied from the report sends the same bytes.
        sent = [("Host" if k == "host" else k, v) for k, v in lines.items() if v is not None]
        record.request_headers = sent
        record.request_body = content or b""
        head = "".join(
            [
                f"{method} {target} HTTP/1.1\r\n",
                *[f"{k}: {v}".rstrip(" ") + "\r\n" for k, v in sent],
            ]
        )
        message = head.encode("latin-1") + b"\r\n" + (content or b"")
        return record, message

    async def raw(self, message: bytes, *, timeout_s: float = EXCHANGE_TIMEOUT_S) -> Answer:
        """Send *message* byte for byte on its own connection; no header is added.

        The answer may have no status: `answer.closed` says whether the peer closed instead.

        Raises:
            EnvironmentBrokenError: nothing listens there.
            CaseStoppedError: the answer did not come, came broken, or another one came behind it.
        """
        first = message.split(b"\r\n", 1)[0].split(b" ")
        method = first[0].decode("latin-1")[:16] or "RAW"
        record = self.wire.new_exchange("raw", self.endpoint.service, method, self.url)
        answer = await self.wire.exchange(
            self.endpoint, message, record, timeout_s, own_connection=True
        )
        if record.error and not (answer.status is None and answer.closed):
            self.on_unanswered(answer)
            raise CaseStoppedError(f"raw request: {record.error}")
        return answer

    @property
    def _origin_url(self) -> str:
        url = self.endpoint.url
        return url.removesuffix(self.endpoint.base_path) if self.endpoint.base_path else url

    def _headers(
        self, record: ExchangeRecord, given: Mapping[str, str | None] | None
    ) -> dict[str, str | None]:
        lines: dict[str, str | None] = {
            "host": self.endpoint.host_header,
            "accept": "*/*",
            "authorization": self.endpoint.authorization or None,
            "traceparent": self.wire.trace.traceparent(record.span_id, sampled=record.sampled),
            "x-correlation-id": record.correlation_id,
        }
        for name, value in (given or {}).items():
            lines[name.lower()] = value
        record.is_traced = given is None or not (
            {"traceparent", "x-correlation-id"} & {name.lower() for name in given}
        )
        return lines
