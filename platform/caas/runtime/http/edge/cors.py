"""Cross-origin answers: an allowed origin is reflected, every other one gets no permission.

`*` never goes out, since the API works with credentials (Fetch standard, section 3.3.5).
"""

from collections.abc import Collection

Headers = list[tuple[bytes, bytes]]

PREFLIGHT_MAX_AGE_S = 600
ALLOW_HEADERS = (
    b"authorization, content-type, idempotency-key, traceparent, tracestate, x-api-key, "
    b"x-correlation-id"
)
EXPOSE_HEADERS = (
    b"retry-after, traceresponse, x-correlation-id, x-ratelimit-limit, x-ratelimit-remaining, "
    b"x-ratelimit-reset"
)


class CorsPolicy:
    """The origins that browsers may call from; an empty one permits none.

    Args:
        origins: Serialised origins (`https://app.example`), compared byte for byte.
    """

    __slots__ = ("_granted",)

    def __init__(self, origins: Collection[str]) -> None:
        self._granted: dict[bytes, Headers] = {
            origin.encode("ascii"): [
                (b"access-control-allow-origin", origin.encode("ascii")),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", EXPOSE_HEADERS),
                (b"vary", b"Origin"),
            ]
            for origin in origins
            if origin not in {"*", "null"}
        }

    def fields(self, origin: bytes) -> Headers:
        """Return the headers for a request from *origin*."""
        return self._granted.get(origin, _REFUSED)

    def preflight(self, origin: bytes, allow: bytes) -> Headers:
        """Return what a preflight adds to `fields`; *allow* lists the path's methods."""
        if origin not in self._granted:
            return []
        return [
            (b"access-control-allow-methods", allow),
            (b"access-control-allow-headers", ALLOW_HEADERS),
            (b"access-control-max-age", b"%d" % PREFLIGHT_MAX_AGE_S),
        ]


_REFUSED: Headers = [(b"vary", b"Origin")]
