"""Passes requests on to the services behind.

Admission runs first, then the body is read, then the call is made: a client that sends slowly
holds no connection that others need. The answer streams; what comes back is filtered, and a
refusal is put into the gateway's own words. When the client leaves, the edge cancels this
handler, and the client's cancellation closes the connection upstream.
"""

import asyncio
import time
from collections.abc import Mapping

import msgspec

from caas.gateway.clients import Upstream, read_refusal, retry_after_s
from caas.gateway.operations.operation import Operation
from caas.gateway.operations.table import OperationTable
from caas.gateway.routes.admission import Admission
from caas.gateway.routes.headers import Headers, downstream_headers, upstream_headers
from caas.kernel.errors import InvalidInputError
from caas.runtime.calls.client import ClientResponse
from caas.runtime.http.edge.body import BODY_READ_MAX_S
from caas.runtime.http.edge.limits import check_content_type, check_json_text
from caas.runtime.http.fast import FastRequest, FastResponse
from caas.runtime.http.problems import CHALLENGE, Problem, RefusalError

REFUSAL_MAX_BYTES = 64 * 1024

_REFUSED = 400
_SERVER_ERROR = 500
_UNAVAILABLE = 503
_TYPE_PREFIX = "urn:caas:error:"


class Proxy:
    """The raw handler of everything in the table.

    Args:
        upstreams: By `service.name`; one for each service of the table.
        total_s: From a request to the last byte of its answer.
    """

    def __init__(
        self,
        table: OperationTable,
        admission: Admission,
        upstreams: Mapping[str, Upstream],
        *,
        service_secret: str,
        total_s: float,
    ) -> None:
        self._table = table
        self._admission = admission
        self._secret = service_secret.encode()
        self._total_s = total_s
        self._targets = {
            operation: (
                upstreams[backend.service],
                operation.upstream.partition("{")[0].encode("ascii"),
            )
            for backend in table.backends
            for operation in backend.operations
        }

    async def __call__(self, request: FastRequest) -> FastResponse:
        """Serve one request below the prefixes of the table."""
        operation = self._table.find(request.path, request.method)
        if operation is None:
            return self._without_operation(request)
        request.route = operation.path
        await self._admission.admit(request, operation.need)
        response = await self._send(request, operation)
        if response.status >= _REFUSED:
            return await self._refusal(response)
        headers = downstream_headers(response.headers)
        if response.complete:
            return FastResponse(response.status, headers, await response.read())
        declared = response.header(b"content-length")
        if declared is not None:
            headers.append((b"content-length", declared))
        return FastResponse(response.status, headers, aiter(response))

    def _without_operation(self, request: FastRequest) -> FastResponse:
        methods = self._table.methods(request.path)
        if not methods:
            raise RefusalError(404, "Not Found")
        known = {*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}
        allow = (b"allow", ", ".join(sorted(known)).encode())
        if request.method == "OPTIONS":
            return FastResponse(204, [allow])
        raise RefusalError(405, "Method Not Allowed", headers=(allow,))

    async def _send(self, request: FastRequest, operation: Operation) -> ClientResponse:
        body = await self._body(request, operation)
        upstream, target = self._targets[operation]
        if operation.parameter is not None:
            target += request.raw_path.rstrip(b"/").rpartition(b"/")[2]
        if request.query:
            target += b"?" + request.query
        headers = upstream_headers(request, operation.credential, self._secret)
        if operation.takes_body:
            headers = [header for header in headers if header[0] != b"content-type"]
        return await upstream.request(
            request.method.encode("ascii"),
            target,
            headers=headers,
            body=body,
            timeout_s=self._time_left_s(request),
            route=operation.upstream,
        )

    def _time_left_s(self, request: FastRequest) -> float:
        if request.deadline is None:
            return self._total_s
        return min(self._total_s, request.deadline - time.monotonic())

    async def _body(self, request: FastRequest, operation: Operation) -> bytes | None:
        """Return the body to send; None for none."""
        fields = request.fields
        if b"content-length" not in fields and b"transfer-encoding" not in fields:
            return None
        body = await _whole(request)
        if operation.takes_body:
            _check_own_body(request, operation, body)
            return None
        return body

    async def _refusal(self, response: ClientResponse) -> FastResponse:
        """Say what a service refused; its own troubles stay inside."""
        body = await response.read(bytes_max=REFUSAL_MAX_BYTES)
        status = response.status
        extra: Headers = []
        if status >= _SERVER_ERROR:
            if status != _UNAVAILABLE:
                raise RefusalError(502, "A service behind this one failed", code="upstream_failed")
            wait = b"%d" % retry_after_s(response.headers)
            raise RefusalError(
                503,
                "A service behind this one is unavailable",
                code="upstream_unavailable",
                headers=((b"retry-after", wait),),
            )
        refusal = read_refusal(body)
        problem = Problem(
            status=status,
            code=refusal.type.removeprefix(_TYPE_PREFIX) or "refused",
            detail=refusal.detail or "The request was refused",
            members={} if refusal.valid is None else {"valid": refusal.valid},
            errors=refusal.broken_rules(),
        )
        for name, value in response.headers:
            if name in {b"retry-after", b"www-authenticate", b"accept", b"accept-encoding"}:
                extra.append((name, value))
        if status == 401 and not any(name == b"www-authenticate" for name, _ in extra):  # noqa: PLR2004
            extra.append((b"www-authenticate", CHALLENGE))
        return FastResponse(status, [*problem.fields(), *extra], problem.body("gateway"))


async def _whole(request: FastRequest) -> bytes:
    """Return the body, which the edge limits in size; raise a 408 refusal when it stalls."""
    try:
        async with asyncio.timeout(BODY_READ_MAX_S):
            return b"".join([piece async for piece in request.stream()])
    except TimeoutError:
        raise RefusalError(408, "The body did not arrive in time") from None


def _check_own_body(request: FastRequest, operation: Operation, body: bytes) -> None:
    """Check an optional body that only the gateway reads.

    Raises:
        RefusalError: 415 or 400, not JSON.
        InvalidInputError: Not the documented shape.
    """
    if not body or operation.body is None:
        return
    check_content_type(request.fields)
    check_json_text(body)
    try:
        msgspec.json.decode(body, type=operation.body)
    except msgspec.ValidationError:
        raise InvalidInputError("The request does not have the documented shape") from None
    except msgspec.DecodeError:
        raise RefusalError(400, "The body is not valid JSON", code="malformed_json") from None
