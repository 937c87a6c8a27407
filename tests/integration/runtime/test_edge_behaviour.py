"""What the edge adds to every answer, and how a request ends early."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from caas.runtime.http.fast import FastRequest, FastResponse
from caas.testing.http.serving import serving
from caas.testing.patience import PATIENCE_S
from caas.testing.recorded import recording
from caas_observability.setup import logs

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

SECRET = b"service-secret-of-the-tests"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01".encode()
ITEM = "0b8e4a5e-3b0f-4c9a-9a59-5d1f2f6f7a11"
SECURITY = {
    "content-security-policy": "default-src 'self';base-uri 'self';font-src 'self' https: data:;"
    "form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';"
    "script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';"
    "upgrade-insecure-requests",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "origin-agent-cluster": "?1",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=15552000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-dns-prefetch-control": "off",
    "x-download-options": "noopen",
    "x-frame-options": "SAMEORIGIN",
    "x-permitted-cross-domain-policies": "none",
    "x-xss-protection": "0",
    "cache-control": "no-store",
}


@pytest.mark.parametrize("target", ["/items", "/fast", "/raw/x", "/nowhere", "/items/%00", "/bug"])
async def test_every_answer_has_the_security_headers(demo: Any, target: str) -> None:
    """Case 1 of the seed report; refusals and errors included, each header once."""
    answer = await demo.get(target)

    assert {name: answer.header(name) for name in SECURITY} == SECURITY


async def test_a_given_correlation_id_comes_back(demo: Any) -> None:
    """128 characters are allowed."""
    given = "a.B_9-" + "x" * 122

    answer = await demo.get("/fast", f"X-Correlation-Id: {given}\r\n".encode())

    assert answer.header("x-correlation-id") == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "é", "<script>"])
async def test_a_bad_correlation_id_is_replaced(demo: Any, given: str) -> None:
    """It is written into logs, so only plain characters pass."""
    first = await demo.get("/fast", f"X-Correlation-Id: {given}\r\n".encode("latin-1"))
    second = await demo.get("/fast")

    fresh = first.header("x-correlation-id")
    assert fresh not in {"", given, second.header("x-correlation-id")}
    assert len(fresh) == 36


async def test_the_trace_continues(demo: Any) -> None:
    """`traceresponse` names the caller's trace."""
    answer = await demo.get("/fast", b"Traceparent: " + PARENT + b"\r\n")

    assert answer.header("traceresponse").split("-")[1] == TRACE


async def test_cors_reflects_only_allowed_origins(demo: Any) -> None:
    """An unknown origin gets no permission, and `*` never goes out."""
    good = await demo.get("/fast", b"Origin: https://app.example\r\n")
    bad = await demo.get("/fast", b"Origin: https://app.example.evil.com\r\n")
    null = await demo.get("/fast", b"Origin: null\r\n")

    assert good.header("access-control-allow-origin") == "https://app.example"
    assert good.header("access-control-allow-credentials") == "true"
    assert good.header("vary") == "Origin"
    assert (bad.status, bad.header("access-control-allow-origin")) == (200, "")
    assert null.header("access-control-allow-origin") == ""


async def test_cors_preflight_lists_the_paths_methods(demo: Any) -> None:
    """Answered here, for proxied paths as well."""
    headers = b"Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"

    answer = await demo.get("/items", headers, method="OPTIONS")

    assert answer.status == 204
    assert answer.header("access-control-allow-methods") == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize(
    ("headers", "ip"),
    [
        (b"", "127.0.0.1"),
        (b"X-Forwarded-For: 203.0.113.9\r\n", "127.0.0.1"),
        (
            b"X-Forwarded-For: 203.0.113.9\r\nX-Service-Secret: %s\r\n" % SECRET,
            "203.0.113.9",
        ),
        (
            b"X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nX-Service-Secret: %s\r\n" % SECRET,
            "203.0.113.9",
        ),
        (b"X-Forwarded-For: 203.0.113.9\r\nX-Service-Secret: wrong\r\n", "127.0.0.1"),
    ],
)
async def test_a_forwarded_address_needs_the_secret(demo: Any, headers: bytes, ip: str) -> None:
    """Anybody can write `x-forwarded-for`."""
    answer = await demo.get("/fast", headers)

    assert answer.json()["ip"] == ip


async def test_a_fast_route_gets_its_body(demo: Any) -> None:
    """Read and limited by the edge, with or without a trailing slash."""
    answer = await demo.post("/fast/", b'{"a":1}')

    assert answer.json()["size"] == 7


async def test_a_proxied_body_streams_both_ways(demo: Any) -> None:
    """The first chunk comes back before the second was sent."""
    reader, writer = await demo.connect()
    writer.write(
        b"POST /raw/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"AB"), PATIENCE_S)
    writer.write(b"2\r\ncd\r\n0\r\n\r\n")
    rest = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), PATIENCE_S)
    writer.close()

    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"CD" in rest


async def test_a_prefix_ends_at_a_segment(demo: Any) -> None:
    """`/raw` is not `/rawx`."""
    assert (await demo.get("/raw")).status == 200
    assert (await demo.get("/rawx")).status == 404


async def test_a_client_that_leaves_cancels_a_read(demo: Any, demo_seen: Any) -> None:
    """Nobody waits for the answer, so nobody works on it."""
    demo_seen.started.clear()
    _, writer = await demo.connect()
    writer.write(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(demo_seen.started.wait(), PATIENCE_S)

    writer.close()

    await asyncio.wait_for(demo_seen.cancelled.wait(), PATIENCE_S)


async def test_a_client_that_leaves_does_not_cut_a_write_short(demo: Any, demo_seen: Any) -> None:
    """Half an effect is worse than an unread answer."""
    demo_seen.started.clear()
    _, writer = await demo.connect()
    writer.write(b"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    await asyncio.wait_for(demo_seen.started.wait(), PATIENCE_S)
    writer.close()
    await writer.wait_closed()

    demo_seen.go_on.set()

    await asyncio.wait_for(demo_seen.finished.wait(), PATIENCE_S)
    demo_seen.go_on.clear()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_spent_deadline_is_a_503(demo: Any, method: str) -> None:
    """The calling service has given up by then; it may try again."""
    headers = b"X-Caas-Deadline-Ms: 30\r\nX-Service-Secret: %s\r\n" % SECRET

    answer = await demo.get("/wait", headers, method=method)

    assert answer.status == 503
    assert answer.json()["type"] == "urn:caas:error:deadline"


async def test_a_strangers_deadline_means_nothing(demo: Any) -> None:
    """A client can't make a service answer 5xx."""
    assert (await demo.get("/items", b"X-Caas-Deadline-Ms: 0\r\n")).status == 200


@pytest.mark.parametrize("deadline", [b"0", b"-5", b"soon"])
async def test_a_strangers_deadline_is_ignored(demo: Any, deadline: bytes) -> None:
    """Else anybody could make the platform answer 5xx."""
    answer = await demo.get("/health", b"X-Caas-Deadline-Ms: %s\r\n" % deadline)

    assert answer.status == 200


async def test_the_gateway_has_the_seeds_members(build_app: Any, wire_to: Any) -> None:
    """Case 27: `statusCode`, `error`, `message`."""
    async with serving(build_app(style="gateway")) as url:
        answer = await wire_to(url).get("/nowhere")
        health = await wire_to(url).get("/health")

    assert answer.json() == {
        "type": "urn:caas:error:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
        "error": "Not Found",
        "statusCode": 404,
        "message": "Not Found",
    }
    assert set(health.json()) == {"status", "timestamp"}


class Heard:
    """The server span, once it has ended."""

    def __init__(self) -> None:
        self.span: asyncio.Future[ReadableSpan] = asyncio.get_running_loop().create_future()

    def take(self, span: ReadableSpan) -> None:
        """Take one span."""
        if span.kind is SpanKind.SERVER and not self.span.done():
            self.span.set_result(span)


@contextmanager
def hearing(lines: list[bytes]) -> Iterator[Heard]:
    """Record every span and log line of this process."""
    heard = Heard()
    sink = logs.install(logs.Sink("demo", write=lines.append))
    try:
        with recording(tell=heard.take):
            yield heard
    finally:
        logs.install(sink)


async def test_a_sampled_request_has_a_server_span_and_an_access_log(demo: Any) -> None:
    """Names and attributes by semantic convention; the template, not the path, is the name."""
    lines: list[bytes] = []
    with hearing(lines) as heard:
        await demo.get("/items/a", b"Traceparent: " + PARENT + b"\r\nX-Correlation-Id: c1\r\n")
        span = await asyncio.wait_for(heard.span, PATIENCE_S)

    line = next(line for line in lines if b'"caas.access"' in line).decode()
    assert span.name == "GET /items/{item_id}"
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" == f"{TRACE}-00f067aa0ba902b7"
    assert span.attributes is not None
    assert span.attributes["correlation_id"] == "c1"
    assert span.attributes["http.route"] == "/items/{item_id}"
    assert span.attributes["url.path"] == "/items/{item_id}"
    assert span.attributes["http.response.status_code"] == 200
    assert all(part in line for part in (f'"trace_id":"{TRACE}"', '"correlation_id":"c1"'))


async def test_a_bug_marks_its_span(demo: Any) -> None:
    """Operators see the exception's type and place; its text may be a secret."""
    lines: list[bytes] = []
    with hearing(lines) as heard:
        await demo.get("/bug", b"Traceparent: " + PARENT + b"\r\n")
        span = await asyncio.wait_for(heard.span, PATIENCE_S)

    assert span.status.status_code is StatusCode.ERROR
    assert span.events[0].attributes is not None
    assert span.events[0].attributes["exception.type"] == "RuntimeError"
    assert b"conftest.py" in b"".join(lines)
    assert "hunter2" not in repr(lines) + span.to_json()


@pytest.mark.parametrize(("mode", "logged"), [("sampled", False), ("all", True)])
async def test_an_unsampled_success_is_logged_on_request(
    build_app: Any,
    wire_to: Any,
    mode: str,
    logged: bool,  # noqa: FBT001
) -> None:
    """A failure always is."""
    lines: list[bytes] = []
    environ = {"CAAS_ACCESS_LOG": mode}
    async with serving(build_app(environ=environ)) as url:
        sink = logs.install(logs.Sink("demo", write=lines.append))
        await wire_to(url).get(f"/items/{ITEM}")
        await wire_to(url).get("/items/hunter2")
        await wire_to(url).get("/items/%00")
        logs.install(sink)

    text = b"".join(lines)
    assert (f"/items/{ITEM}".encode() in text) is logged
    assert b"hunter2" not in text
    assert b'"status":400' in text


async def test_a_stream_that_breaks_is_cut_off(build_app: Any, wire_to: Any) -> None:
    """The connection ends without the last chunk, so nobody takes a part for the whole."""

    async def broken(_: FastRequest) -> FastResponse:
        async def part() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("hunter2")

        return FastResponse(200, ((b"content-type", b"text/plain"),), part())

    async with serving(build_app(running={"proxy": {"/raw": broken}})) as url:
        reader, writer = await wire_to(url).connect()
        writer.write(b"GET /raw HTTP/1.1\r\nHost: a\r\n\r\n")
        everything = await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()

    assert b"first" in everything
    assert not everything.endswith(b"0\r\n\r\n")
    assert b"hunter2" not in everything


async def test_a_health_probe_that_hangs_is_down(
    build_app: Callable[..., Any], wire_to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness answers within its own limit, whatever a dependency does."""
    monkeypatch.setattr("caas.runtime.http.health.PROBE_MAX_S", 0.05)

    async def hang() -> None:
        await asyncio.Event().wait()

    async def fine() -> None:
        return

    lines: list[bytes] = []
    async with serving(build_app(running={"probes": {"mongodb": hang, "redis": fine}})) as url:
        with hearing(lines) as heard:
            answer = await wire_to(url).get("/internal/ready", b"Traceparent: " + PARENT + b"\r\n")
            await asyncio.wait_for(heard.span, PATIENCE_S)

    assert answer.status == 503
    access = next(line for line in lines if b'"caas.access"' in line)
    assert b'"level":"warning"' in access  # a true answer, and one a second: no error of ours
    assert answer.json()["dependencies"] == {"mongodb": "down", "redis": "up"}


async def test_insides_are_for_insiders(demo: Any) -> None:
    """This machine under its own name, or the service secret; forwarded is not from here."""
    forwarded = b"X-Forwarded-For: 203.0.113.9\r\n"
    secret = b"X-Service-Secret: " + SECRET + b"\r\n"

    async def ask(target: str, host: bytes, headers: bytes = b"") -> int:
        line = f"GET {target} HTTP/1.1\r\n".encode()
        answer = await demo.raw(line + b"Host: " + host + b"\r\n" + headers + b"\r\n")
        status: int = answer.status
        return status

    for target in ("/internal/metrics", "/internal/health/detailed"):
        for here in (b"localhost:3000", b"127.0.0.1:3000", b"[::1]"):
            assert await ask(target, here) == 200
            assert await ask(target, here, forwarded) == 401
            assert await ask(target, here, forwarded + secret) == 200
        # What a browser sends for a page whose name was made to mean this machine.
        assert await ask(target, b"rebound.example:3000") == 401
        assert await ask(target, b"rebound.example:3000", secret) == 200
    for probed in ("/health", "/internal/health", "/internal/ready"):
        assert await ask(probed, b"10.0.0.7:3000") == 200
