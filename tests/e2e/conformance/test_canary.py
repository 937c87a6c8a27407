"""Nothing secret that goes in comes out: a canary in every header, body and token.

What the services wrote is looked at as bytes: their logs, the telemetry as it was sent, and the
stack file. Headers whose purpose is to name a request in telemetry (`traceparent`, `tracestate`,
`x-correlation-id`) carry no canary: they are written down by design.
"""

import base64
import http.client
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import msgspec
import pytest

from caas_observability.receiver.server import OtlpReceiver

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]

METHODS = {"get", "post", "put", "patch", "delete"}
TIMEOUT_S = 30


class Wire(OtlpReceiver):
    """A receiver that keeps the bytes as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def accept(self, signal: str, body: bytes, *, is_json: bool) -> Counter[str]:
        """Keep the body, then receive it."""
        self.bodies.append(body)
        return super().accept(signal, body, is_json=is_json)


def call(base: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Send one request; whatever the answer is, return it."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body or None, headers)
        return connection.getresponse().read()
    finally:
        connection.close()


def filled(schema: Any, document: Any, canary: str) -> Any:
    """Return a value of *schema* with the canary wherever text is free."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for union in ("oneOf", "anyOf", "allOf"):
        if union in schema:
            return filled(schema[union][0], document, canary)
    kind = schema.get("type")
    if kind == "object":
        return {
            name: filled(member, document, canary)
            for name, member in schema.get("properties", {}).items()
        }
    if kind == "array":
        return [filled(schema.get("items", {}), document, canary)]
    if "enum" in schema:
        return schema["enum"][0]
    return 1 if kind in {"integer", "number"} else canary


def requests(document: Any, canary: str, token: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield every operation of the document, its body full of canaries, then of the token."""
    for path, operations in document["paths"].items():
        for method in METHODS & operations.keys():
            content = operations[method].get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            target = re.sub(r"\{[^}]*\}", "3f0e9b1c-5f5e-4e7b-9a53-0d9b3a3f7d11", path)
            for text in (canary, token):
                body = (
                    b"" if schema is None else msgspec.json.encode(filled(schema, document, text))
                )
                yield method.upper(), target, body


def headers_with(canary: str, token: str, traceparent: str) -> Iterator[dict[str, str]]:
    """Yield sets of headers that carry the canary in every place a credential may stand."""
    common = {"content-type": "application/json", "traceparent": traceparent}
    for credential in (f"Bearer {canary}", f"Bearer {token}", f"Basic {canary}", canary):
        yield {
            **common,
            "authorization": credential,
            "x-api-key": canary,
            "x-service-secret": canary,
            "cookie": f"session={canary}",
            "user-agent": canary,
            "referer": f"https://example.com/?token={canary}",
            "origin": f"https://{canary}.example.com",
            "x-forwarded-for": canary,
            "x-forwarded-host": canary,
            "idempotency-key": canary,
            "x-anything": canary,
            "accept": canary,
        }


def traced() -> str:
    """Return a sampled trace context, so that everything is recorded."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def drive(stack: Any, canary: str, token: str) -> int:
    """Send the canary everywhere; return how many requests that took."""
    sent = 0
    for service in stack.entries["services"]:
        base = stack.url(service)
        document = msgspec.json.decode(call(base, "GET", "/documentation/json", {}))
        for method, path, body in requests(document, canary, token):
            for headers in headers_with(canary, token, traced()):
                call(base, method, path, headers, body)
                sent += 1
    return sent + live_secrets(stack, canary)


def live_secrets(stack: Any, canary: str) -> int:
    """Make the canary a password that really is one, right and wrong."""
    auth = stack.url("auth-service")
    headers = {"content-type": "application/json", "traceparent": traced()}
    account = {"email": f"a{secrets.token_hex(4)}@example.com", "password": f"Aa1!{canary}"}
    register = {**account, "company_name": "Canary", "plan": "free"}
    answers = [
        call(auth, "POST", f"/api/v1/auth/client/{route}", headers, msgspec.json.encode(body))
        for route, body in (
            ("register", register),
            ("register", register),
            ("login", account),
            ("login", {**account, "password": f"Bb2!{canary}"}),
        )
    ]
    assert b"api_key" in answers[0], "the canary never was a live secret"
    return len(answers)


def written(directory: Path) -> dict[str, bytes]:
    """Return every file that the platform's services wrote for people to read."""
    files = [*directory.glob("logs/*"), directory / "stack.json"]
    return {path.name: path.read_bytes() for path in files if path.is_file()}


async def test_a_canary_is_written_nowhere(boot: Any, tmp_path: Path) -> None:
    """Logs, telemetry and the stack file hold neither the canary nor a token that carries it."""
    canary = f"canary{secrets.token_hex(12)}"
    claims = base64.urlsafe_b64encode(msgspec.json.encode({"sub": canary})).rstrip(b"=").decode()
    token = f"eyJhbGciOiJFZERTQSJ9.{claims}.{secrets.token_urlsafe(48)}"

    def run(endpoint: str) -> tuple[int, dict[str, bytes]]:
        state = tmp_path / "state"
        with boot(state, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as stack:
            sent = drive(stack, canary, token)
        return sent, written(state)

    async with Wire() as receiver:
        sent, files = await anyio.to_thread.run_sync(run, receiver.endpoint)
    evidence = {**files, "telemetry": b"\n".join(receiver.bodies)}

    assert sent > 100
    assert len(evidence["telemetry"]) > 100 * sent, "telemetry did not arrive"
    assert len(files) > len(("stack.json", "auth-service.jsonl", "gateway.jsonl")) - 1
    for name, content in evidence.items():
        for needle in (canary, claims):
            at = content.find(needle.encode())
            assert at < 0, f"{name}: {content[max(0, at - 200) : at + 60]!r}"
