"""The one ASGI layer of a service: what every request gets, once, before any route sees it.

In order: correlation id and server span; the limits of `edge_limits`; a fast route, a raw
prefix handler or Litestar; the answer with security, CORS and trace headers; metrics and the
access log inside the span. A client can't make it answer 5xx.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from caas.runtime.calls.deadline import set_deadline
from caas.runtime.http.edge import limits
from caas.runtime.http.edge.body import Inbound, WatchKeeper
from caas.runtime.http.edge.correlation import CorrelationIds
from caas.runtime.http.edge.cors import CorsPolicy
from caas.runtime.http.edge.reply import AnswerCutOffError, Reply
from caas.runtime.http.edge.routing import RouteTable
from caas.runtime.http.edge.server_span import describe_answer, describe_connection, shown_path
from caas.runtime.http.fast import FastHandler, FastRequest, FastResponse, RawHandler
from caas.runtime.http.health import READY_PATH
from caas.runtime.http.idempotency import Idempotency
from caas.runtime.http.problems import RefusalError, Style, problem_of, record_problem
from caas.runtime.identity.peers import PeerTrust
from caas_observability.setup.logs import get_logger
from caas_observability.setup.metrics import http_server
from caas_observability.setup.tracing import start_server_span

__all__ = [
    "Edge",
    "EdgeOptions",
    "FastHandler",
    "FastRequest",
    "FastResponse",
    "RawHandler",
]

CLIENT_GONE_STATUS = 499  # in logs and metrics only, as nginx has it
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_FAILED = 400
_SERVER_ERROR = 500

_access = get_logger("caas.access")


class EdgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How one service's edge differs.

    Attributes:
        style: Whose members problem documents have beside RFC 9457's.
        body_types: Media types of bodies beside JSON, lower case.
        body_max_bytes: The largest body, inclusive.
        log_all: Whether unsampled, successful requests are logged as well.
        repeatable_query: Query parameters that are documented as lists.
    """

    trust: PeerTrust
    cors: CorsPolicy
    style: Style = "service"
    body_types: frozenset[bytes] = frozenset()
    body_max_bytes: int = limits.BODY_MAX_BYTES
    log_all: bool = False
    repeatable_query: frozenset[str] = frozenset()


class Edge:
    """Wraps a Litestar application; see the module.

    Attributes:
        litestar: The wrapped application.
        routes: What is known about a path.
        proxy: Raw handlers by path prefix, the longest first.
    """

    __slots__ = (
        "_correlation",
        "_fast", "_idempotency",
        "_keeper", "_options", "_own", "_prefixes", "litestar", "proxy", "routes",
    )  # fmt: skip

    def __init__(
        self,
        litestar: ASGIApp,
        options: EdgeOptions,
        *,
        routes: RouteTable,
        own_routes: Mapping[tuple[str, str], FastHandler],
    ) -> None:
        self.litestar = litestar
        self.routes = routes
        self.proxy: list[tuple[str, RawHandler]] = []
        self._options = options
        self._keeper = WatchKeeper()
        self._correlation = CorrelationIds()
        self._prefixes: tuple[str, ...] = ()
        self._own = dict(own_routes)
        self._fast: dict[tuple[str, bytes], FastHandler] = {}
        self._idempotency: Idempotency | None = None
        self.install({}, {}, None)

    def install(
        self,
        fast_routes: Mapping[tuple[str, str], FastHandler],
        proxy: Mapping[str, RawHandler],
        idempotency: Idempotency | None,
    ) -> None:
        """Take what exists only once the service runs; a trailing slash makes no difference.

        Args:
            fast_routes: `(method, path)` -> handler, served past Litestar.
            proxy: Path prefix -> handler of everything below it.
            idempotency: Serves the routes declared idempotent; None leaves the header alone.
        """
        routes = {**self._own, **fast_routes}
        self._fast = {
            (method, path.encode("ascii") + slash): handler
            for (method, path), handler in routes.items()
            for slash in (b"", b"/")
        }
        self.proxy = sorted(proxy.items(), key=lambda item: -len(item[0]))
        self._prefixes = tuple(prefix for prefix, _ in self.proxy)
        self._idempotency = idempotency
        self._correlation = CorrelationIds()  # anew in each forked process
        self.routes.add_fast(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] != ScopeType.HTTP:
            await self.litestar(scope, receive, send)
            return
        started = time.perf_counter()
        http: Any = scope
        fields: dict[bytes, bytes] = dict(http["headers"])
        verb: str = http["method"]
        given = fields.get(b"x-correlation-id")
        correlation = self._correlation
        span = start_server_span(
            verb,
            correlation_id=(given and correlation.accept(given)) or correlation.fresh(),
            traceparent=fields.get(b"traceparent"),
            tracestate=fields.get(b"tracestate"),
            attributes_lazy=lambda: describe_connection(http),
        )
        request = FastRequest(http, fields, self._options.trust, span)
        reply = Reply(send, span, head=verb == "HEAD")
        if b"origin" in fields:
            reply.headers += self._options.cors.fields(fields[b"origin"])
        request.answer_headers = reply.headers
        inbound = Inbound(
            receive,
            has_body=_has_body(fields),
            declared=int(fields.get(b"content-length", -1)),
        )
        http_server.active += 1
        try:
            fast = self._fast.get((request.method, request.raw_path))
            self._check(request, http["http_version"], fast)
            if fast is not None and request.deadline is None:
                await self._serve_fast(fast, request, inbound, reply)
            else:
                await self._dispatch(request, http, inbound, reply)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not inbound.gone or task is None:
                raise
            task.uncancel()
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            if not await self._refuse(error, request, reply):
                # The server logs what it gets, texts included; ours has none.
                raise AnswerCutOffError from None
        finally:
            inbound.close()
            http_server.active -= 1
            self._finish(verb, request, reply, time.perf_counter() - started)

    def _check(self, request: FastRequest, version: str, fast: FastHandler | None) -> None:
        """Apply the rules that need no body; raise a `RefusalError`."""
        fields, headers = request.fields, request.headers
        limits.check_header_size(headers)
        if len(headers) > limits.HEADERS_MAX_COUNT:
            raise limits.headers_too_large()
        if len(fields) != len(headers):
            limits.check_repeats(headers)
        # The server writes an empty one when there is none, which HTTP/1.0 allows.
        if not fields.get(b"host") and version == "1.1":
            raise RefusalError(400, "The Host header is missing", code="bad_framing")
        if b"transfer-encoding" in fields:
            limits.check_framing(fields)
        if fast is None:
            limits.check_target(request.raw_path, request.query)
            limits.check_path(request.raw_path)
        if request.query:
            limits.check_target(request.raw_path, request.query)
            limits.check_query(request.query, self._options.repeatable_query)
        # Only services tell us their caller's deadline: a stranger's would make us answer 5xx.
        if b"x-caas-deadline-ms" in fields and self._options.trust.shows_secret(fields):
            request.deadline = limits.parse_deadline(fields[b"x-caas-deadline-ms"])

    async def _dispatch(
        self, request: FastRequest, scope: Any, inbound: Inbound, reply: Reply
    ) -> None:
        if request.deadline is None:
            await self._route(request, scope, inbound, reply)
            return
        set_deadline(request.deadline)
        try:
            async with asyncio.timeout(request.deadline - time.monotonic()):
                await self._route(request, scope, inbound, reply)
        except TimeoutError:
            raise RefusalError(503, "The caller's deadline has passed", code="deadline") from None

    async def _route(
        self, request: FastRequest, scope: Any, inbound: Inbound, reply: Reply
    ) -> None:
        method = request.method
        fast = self._fast.get((method, request.raw_path))
        if fast is not None:
            await self._serve_fast(fast, request, inbound, reply)
            return
        if method == "OPTIONS" and b"access-control-request-method" in request.fields:
            await reply.respond(self._preflight(request))
            return
        if request.path.startswith(self._prefixes):
            raw = self._raw_handler(request)
            if raw is not None:
                await self._route_raw(raw, request, inbound, reply)
                return
        if method == "OPTIONS":
            await reply.respond(self._options_answer(request))
            return
        await self._route_litestar(request, scope, inbound, reply)

    async def _serve_fast(
        self, fast: FastHandler, request: FastRequest, inbound: Inbound, reply: Reply
    ) -> None:
        request.route = request.path.rstrip("/")
        if request.method in _BODY_METHODS:
            request.body = await self._read_body(request, inbound)
        await reply.respond(await fast(request))

    async def _route_raw(
        self, raw: RawHandler, request: FastRequest, inbound: Inbound, reply: Reply
    ) -> None:
        limit = self._options.body_max_bytes
        limits.check_declared_size(request.fields, limit)
        request._stream = lambda: inbound.stream(limit)  # noqa: SLF001 - set by the edge alone
        inbound.watch(self._keeper)
        await reply.respond(await raw(request))

    async def _route_litestar(
        self, request: FastRequest, scope: Any, inbound: Inbound, reply: Reply
    ) -> None:
        scope["method"] = request.method
        scope["caas_request"] = request
        if request.method in _BODY_METHODS:
            request.body = await self._read_body(request, inbound)
        else:
            # A write is never cut short: half an effect is worse than an unread answer.
            inbound.watch(self._keeper)

        receive = inbound.hand_over(request.body)
        try:
            keeper = self._idempotency if b"idempotency-key" in request.fields else None
            if keeper is not None and self.routes.is_idempotent(request.path, request.method):
                await keeper.serve(
                    request,
                    lambda out: self.litestar(scope, receive, out),
                    reply,
                    authorize=lambda: self.routes.authorize(request.path, "POST", scope),
                )
            else:
                await self.litestar(scope, receive, reply)
        finally:
            request.route = scope.get("path_template", "")

    async def _read_body(self, request: FastRequest, inbound: Inbound) -> bytes:
        """Return the whole body of a request whose method may have one.

        Raises:
            RefusalError: 413, 415, 408, or 400 for a body that ends early or is no JSON text.
        """
        fields = request.fields
        if not _has_body(fields):
            return b""
        limit = self._options.body_max_bytes
        limits.check_declared_size(fields, limit)
        limits.check_content_type(fields, self._options.body_types)
        body = await inbound.read(limit)
        if b"json" in fields.get(b"content-type", b""):
            limits.check_json_text(body)
        return body

    def _raw_handler(self, request: FastRequest) -> RawHandler | None:
        path = request.path
        for prefix, handler in self.proxy:
            if path.startswith(prefix) and (
                len(path) == len(prefix) or prefix[-1] == "/" or path[len(prefix)] == "/"
            ):
                request.route = prefix
                return handler
        return None

    def _preflight(self, request: FastRequest) -> FastResponse:
        origin = request.fields.get(b"origin", b"")
        allow = self.allow(request.path)
        return FastResponse(204, [(b"allow", allow), *self._options.cors.preflight(origin, allow)])

    def _options_answer(self, request: FastRequest) -> FastResponse:
        allow = self.allow(request.path)
        if not allow:
            raise RefusalError(404, "Not Found")
        return FastResponse(204, [(b"allow", allow)])

    def allow(self, path: str) -> bytes:
        """List the methods of *path* as `Allow` has them; empty for an unknown path."""
        return ", ".join(self.routes.methods(path)).encode()

    async def _refuse(self, error: Exception, request: FastRequest, reply: Reply) -> bool:
        """Answer with a problem; tell whether that was still possible."""
        problem = problem_of(error)
        record_problem(error, problem, request.span)
        if reply.status:
            return False
        await reply.refuse(problem, self._options.style)
        return True

    def _finish(self, verb: str, request: FastRequest, reply: Reply, seconds: float) -> None:
        """Close the books: metrics, access log, span."""
        span, route = request.span, request.route
        status = reply.status if reply.complete else CLIENT_GONE_STATUS
        http_server.record(verb, route, status, seconds)
        if span.recording:
            describe_answer(span, verb, request, status)
        if status >= _FAILED or span.sampled or self._options.log_all:
            record = _access.info
            if status >= _SERVER_ERROR:
                # "Not ready" is no failure of that route: it is what it was asked, every second.
                record = _access.warning if route == READY_PATH else _access.error
            record(
                "request",
                method=verb,
                route=route,
                path=shown_path(route, request.path) if route else "",  # as in the span
                status=status,
                duration_ms=round(seconds * 1000, 3),
            )
        span.end()


def _has_body(fields: dict[bytes, bytes]) -> bool:
    return fields.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in fields
