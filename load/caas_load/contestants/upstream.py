"""The upstream behind both gateways: answers at once, so that what is measured is the gateway."""

import os
from typing import Any

BODY = b'{"sessions":[{"session_id":"a2f1fe91-ea07-44f6-ae55-36efd086527c","is_active":true}]}'
JSON = [("content-type", "application/json"), ("x-upstream", "bench")]
TENANTS = "/api/v1/auth/internal/tenants/"
# What the gateway needs of the auth service: the keys to verify tokens, and the tenant's plan.
JWKS = os.environ.get("BENCH_JWKS", '{"keys":[]}').encode()
TENANT = os.environ.get("BENCH_TENANT", "{}").encode()


async def app(scope: Any, protocol: Any) -> None:
    """Answer every request with 200 (RSGI: the leanest server of this environment)."""
    path = scope.path
    if path == "/.well-known/jwks.json":
        body = JWKS
    else:
        body = TENANT if path.startswith(TENANTS) else BODY
    protocol.response_bytes(200, JSON, body)
