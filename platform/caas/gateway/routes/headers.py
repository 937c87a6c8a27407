"""Which headers pass through the gateway, in which direction.

RFC 9110, 7.6.1: what belongs to one connection stays there, named in `Connection` or not. What
the platform itself says in headers is never believed from outside, and never told there.
"""

from caas.runtime.http.edge.headers import EDGE_OWNED
from caas.runtime.http.fast import FastRequest

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization",
        b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
INTERNAL_PREFIXES = (
    b"x-forwarded-", b"x-caas-", b"x-service-", b"x-tenant-", b"x-user-", b"x-internal-",
)  # fmt: skip

# Beside the hop-by-hop ones: what the client writes itself, who the caller is (passed on only
# where the service reads it), and other people's words on where the request comes from.
_NOT_UPSTREAM = HOP_BY_HOP | {
    b"host", b"content-length", b"expect", b"traceparent", b"tracestate", b"x-correlation-id",
    b"authorization", b"x-api-key", b"cookie", b"forwarded", b"via", b"x-real-ip", b"baggage",
    b"x-tenant", b"x-user", b"x-original-url", b"x-rewrite-url", b"x-http-method-override",
    b"true-client-ip", b"cf-connecting-ip", b"x-client-ip",
}  # fmt: skip
_NOT_DOWNSTREAM = HOP_BY_HOP | EDGE_OWNED | {
    b"content-length", b"server", b"date", b"via", b"traceparent", b"tracestate",
    b"x-powered-by", b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset",
}  # fmt: skip
_ORDINARY_CONNECTION = frozenset({b"keep-alive", b"close"})


def upstream_headers(
    request: FastRequest, credential: bytes | None, service_secret: bytes
) -> Headers:
    """Return what a service behind gets.

    Args:
        request: As it came.
        credential: The one credential header that the service reads; None for none.
        service_secret: Shows the service that `x-forwarded-for` is ours.
    """
    fields = request.fields
    dropped = _NOT_UPSTREAM
    connection = fields.get(b"connection")
    if connection is not None and connection.lower() not in _ORDINARY_CONNECTION:
        dropped = dropped | _named_in(request.headers)
    headers = [
        header
        for header in request.headers
        if header[0] not in dropped
        and not header[0].startswith(INTERNAL_PREFIXES)
        and b"_" not in header[0]  # some servers read `x_user_id` as `x-user-id`
    ]
    if credential is not None and credential in fields:
        headers.append((credential, fields[credential]))
    headers.append((b"x-service-secret", service_secret))
    headers.append((b"x-forwarded-for", request.client_ip.encode("latin-1")))
    headers.append((b"x-forwarded-proto", request.client_scheme.encode("ascii")))
    headers.append((b"x-forwarded-host", fields.get(b"host", b"")))
    return headers


def downstream_headers(headers: Headers) -> Headers:
    """Return what the client gets of a service's headers; framing is written anew."""
    dropped = _NOT_DOWNSTREAM
    if any(name == b"connection" for name, _ in headers):
        dropped = dropped | _named_in(headers)
    return [
        header
        for header in headers
        if header[0] not in dropped and not header[0].startswith(INTERNAL_PREFIXES)
    ]


def _named_in(headers: Headers) -> frozenset[bytes]:
    return frozenset(
        token.strip().lower()
        for name, value in headers
        if name == b"connection"
        for token in value.split(b",")
    )
