"""Response headers that every answer carries, made once.

The list is the one the seed's gateway sends (case 1 of its report). `cache-control` is ours:
answers hold tokens and tenants' data, so nothing is kept unless a handler says otherwise
(RFC 6749, section 5.1).
"""

CONTENT_SECURITY_POLICY = (
    b"default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';"
    b"frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';"
    b"script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests"
)

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"origin-agent-cluster", b"?1"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=15552000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-dns-prefetch-control", b"off"),
    (b"x-download-options", b"noopen"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-permitted-cross-domain-policies", b"none"),
    (b"x-xss-protection", b"0"),
    (b"cache-control", b"no-store"),
)

# What the edge owns: a handler's or an upstream's value for these would be a second one.
EDGE_OWNED = frozenset(name for name, _ in SECURITY_HEADERS) | {
    b"x-correlation-id",
    b"traceresponse",
    b"access-control-allow-origin",
    b"access-control-allow-credentials",
    b"access-control-expose-headers",
}
# A page or a download knows better than the default.
HANDLER_WINS = frozenset(
    {b"cache-control", b"content-security-policy", b"cross-origin-resource-policy"}
)


def merge(
    base: list[tuple[bytes, bytes]], own: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Join `SECURITY_HEADERS`, the edge's others and a handler's; none of the edge's twice."""
    names = {name for name, _ in own}
    if names.isdisjoint(EDGE_OWNED):
        return [*own, *SECURITY_HEADERS, *base]
    wins = names & HANDLER_WINS
    kept = [(n, v) for n, v in own if n not in EDGE_OWNED or n in wins]
    return kept + [(n, v) for n, v in (*SECURITY_HEADERS, *base) if n not in wins]
