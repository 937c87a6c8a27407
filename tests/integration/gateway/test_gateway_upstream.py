"""A service behind that dies, stalls, streams or lies."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from caas.gateway.routes import proxy
from caas.testing.patience import PATIENCE_S
from caas.testing.pauses import later

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

REFRESH = ("POST", "/v1/sdk/refresh", {"refresh_token": "r"})


async def answer_ok(
    head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Read a body of known size and answer 200."""
    await _body(head, reader)
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length: "):
            return await reader.readexactly(int(line[16:]))
    return b""


async def test_a_dead_service_is_a_clear_503_and_comes_back(platform: Any) -> None:
    """The circuit opens, refuses without calling, probes, and closes again."""
    door = await platform.gateway(breaker_open_s="0.05", breaker_open_max_s="0.05")
    acme = await door.register()
    await platform.stop_auth()
    for _ in range(7):
        answer = await door.ask("GET", "/v1/sessions", headers=acme.bearer)
        assert answer.status == 503
        assert answer.body["type"] == "urn:caas:error:upstream_unavailable"
        assert answer.body["statusCode"] == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "127.0.0.1" not in answer.text.decode()
    assert (await door.ask("GET", "/v1/ping")).status == 200
    await platform.start_auth()

    gives_up_at = time.monotonic() + PATIENCE_S
    while (await door.ask("GET", "/v1/sessions", headers=acme.bearer)).status != 200:
        assert time.monotonic() < gives_up_at
        await asyncio.sleep(0.02)
    assert (await door.ask("GET", "/v1/tenant", headers=acme.bearer)).status == 200


async def test_an_open_circuit_calls_nobody(before_raw: Any) -> None:
    """Five failures in a row, then silence until the circuit's time is over."""

    async def drop(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _body(head, reader)
        writer.close()

    door, service = await before_raw(drop, breaker_open_s="60")
    statuses = [(await door.ask(*REFRESH)).status for _ in range(8)]

    assert statuses == [503] * 8
    assert len(service.heads) == 5  # a POST is never repeated


async def test_a_client_that_leaves_stops_the_service(before_raw: Any) -> None:
    """The connection behind is closed while the service still works."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def stall(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        del writer
        await _body(head, reader)
        asked.set()
        await reader.read()  # until the gateway closes
        gone.set()

    door, _ = await before_raw(stall)
    leaving = asyncio.create_task(door.ask(*REFRESH))
    await asked.wait()
    leaving.cancel()

    await asyncio.wait_for(gone.wait(), PATIENCE_S)
    await asyncio.wait([leaving])


async def test_the_deadline_travels(before_raw: Any) -> None:
    """Our own budget for a stranger; a smaller one of another service is passed on."""
    door, service = await before_raw(answer_ok, upstream_total_s="90")
    json = (b"content-type", b"application/json")
    ours = (b"x-service-secret", b"a-secret-of-this-test")
    for headers in ([json], [json, ours]):
        await door.client.fetch(b"POST", b"/v1/sdk/refresh", headers, body=b"{}", timeout_s=50.0)
    sent = [
        [int(line.partition(b": ")[2]) for line in head.split(b"\r\n") if b"deadline" in line]
        for head in service.heads
    ]

    assert [len(budgets) for budgets in sent] == [1, 1]
    assert 50_000 < sent[0][0] <= 90_000
    assert 0 < sent[1][0] <= 50_000


async def test_a_service_that_is_too_slow_is_503(before_raw: Any) -> None:
    """The gateway's own patience ends, too, and so does the call."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def stall(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        del writer
        await _body(head, reader)
        asked.set()
        await reader.read()
        gone.set()

    door, _ = await before_raw(stall, upstream_total_s=str(PATIENCE_S / 3))
    asking = asyncio.create_task(door.ask(*REFRESH))
    await asked.wait()
    with later(PATIENCE_S / 2):
        answer = await asking

    assert (answer.status, answer.body["type"]) == (503, "urn:caas:error:upstream_timeout")
    await asyncio.wait_for(gone.wait(), PATIENCE_S)


async def test_forged_headers_stop_here(before_raw: Any) -> None:
    """What the service gets: our own word on where the request comes from, and no other."""
    door, service = await before_raw(answer_ok)
    forged = {
        "x-forwarded-for": "8.8.8.8",
        "forwarded": "for=8.8.8.8",
        "x-service-secret": "guess",
        "x-tenant-id": "victim",
        "x-user-id": "admin",
        "x-caas-role": "admin",
        "authorization": "Bearer x",
        "cookie": "a=b",
        "connection": "keep-alive, x-hop",
        "x-hop": "1",
        "x-harmless": "yes",
    }
    answer = await door.ask(*REFRESH, forged)
    head = service.heads[0].decode()

    assert answer.status == 200
    for secret in ("8.8.8.8", "guess", "victim", "admin", "Bearer", "a=b", "x-hop"):
        assert secret not in head
    assert "x-harmless: yes" in head
    assert "x-service-secret: a-secret-of-this-test" in head
    assert "x-forwarded-for: 127.0.0.1" in head
    assert head.count("traceparent: ") == 1
    assert head.count("x-correlation-id: ") == 1


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\nTraceback", 502, "upstream_failed"),
        (b"HTTP/1.1 502 X\r\ncontent-length: 0\r\n\r\n", 502, "upstream_failed"),
        (
            b"HTTP/1.1 503 X\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
            503,
            "upstream_unavailable",
        ),
        (b"HTTP/1.1 404 X\r\ncontent-length: 9\r\n\r\nTraceback", 404, "refused"),
        (b"not http at all\r\n\r\n", 503, "upstream_protocol"),
    ],
)
async def test_a_services_troubles_stay_inside(
    before_raw: Any, answer: bytes, status: int, code: str
) -> None:
    """The gateway's own words, in its own shape, whatever came from behind."""

    async def handler(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await _body(head, reader)
        writer.write(answer)

    door, _ = await before_raw(handler)
    got = await door.ask(*REFRESH)

    assert (got.status, got.body["statusCode"]) == (status, status)
    assert got.body["type"] == f"urn:caas:error:{code}"
    assert got.headers["content-type"] == "application/problem+json"
    assert b"Traceback" not in got.text
    if status == 503:
        assert got.headers["retry-after"] == ("7" if b"retry-after" in answer else "1")


async def test_a_body_streams_through(before_raw: Any) -> None:
    """The first piece arrives while the service still writes the rest; the size is kept."""
    arrived = asyncio.Event()

    async def handler(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await _body(head, reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nx-caas-node: 1\r\n\r\nfirst")
        await arrived.wait()
        writer.write(b"-last")

    door, _ = await before_raw(handler)
    response = await door.client.request(
        b"POST", b"/v1/sdk/refresh", [(b"content-type", b"application/json")], body=b"{}"
    )
    assert await response.chunk() == b"first"
    arrived.set()

    assert await response.read() == b"-last"
    assert response.header(b"content-length") == b"10"
    assert response.header(b"x-caas-node") is None


async def test_a_large_body_arrives_whole(before_raw: Any) -> None:
    """However many pieces it came in, in order."""
    got: list[bytes] = []

    async def handler(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        got.append(await _body(head, reader))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async def pieces() -> AsyncIterator[bytes]:
        for n in range(100):
            yield bytes([n]) * 4096

    door, _ = await before_raw(handler)
    response = await door.client.request(
        b"POST", b"/v1/sdk/refresh", [(b"content-type", b"application/json")], body=pieces()
    )

    assert response.status == 200
    assert got == [b"".join([bytes([n]) * 4096 for n in range(100)])]


@pytest.mark.parametrize("size_bytes", [100, 100_000])
async def test_a_slow_body_keeps_nobody_else_waiting(before_raw: Any, size_bytes: int) -> None:
    """It holds no connection to the service, of which there is one here."""
    rest = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"{"
        await rest.wait()
        yield b" " * (size_bytes - 2) + b"}"

    door, service = await before_raw(answer_ok, upstream_connections_max="1")
    headers = [(b"content-type", b"application/json")]
    slow = asyncio.create_task(
        door.client.request(
            b"POST", b"/v1/sdk/refresh", headers, body=pieces(), content_length=size_bytes
        )
    )
    quick = [await door.ask("POST", "/v1/sdk/refresh", {}) for _ in range(3)]
    seen = len(service.heads)
    rest.set()

    assert [answer.status for answer in quick] == [200, 200, 200]
    assert seen == 3
    assert (await slow).status == 200


async def test_a_body_that_stalls_is_408(before_raw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not 503: nothing is wrong behind the gateway, which is never called."""
    monkeypatch.setattr(proxy, "BODY_READ_MAX_S", 0.05)

    async def handler(*_: Any) -> None:
        raise AssertionError

    async def pieces() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    door, service = await before_raw(handler)
    headers = [(b"content-type", b"application/json")]
    response = await door.client.request(
        b"POST", b"/v1/sdk/refresh", headers, body=pieces(), content_length=100_000
    )

    assert response.status == 408
    assert service.heads == []


async def test_a_body_over_the_limit_is_413_on_the_way(before_raw: Any) -> None:
    """Refused by the edge while it streams; the service never gets the whole."""

    async def handler(
        head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        del head, writer
        await reader.read()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 65536

    door, _ = await before_raw(handler)
    response = await door.client.request(
        b"POST", b"/v1/sdk/refresh", [(b"content-type", b"application/json")], body=pieces()
    )

    assert response.status == 413
