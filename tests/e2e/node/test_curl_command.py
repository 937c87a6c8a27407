"""What the report offers as a curl command sends the very bytes that the case sent."""

import asyncio
import shutil
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import msgspec
import pytest

from caas_conformance.authoring.context import CaseContext, Environment
from caas_conformance.authoring.definition import Phase
from caas_conformance.engine.attempt import AttemptRecord, drive
from caas_conformance.testing import ScriptedService
from caas_conformance.verdicts.build import AttemptBuilder
from caas_conformance.wire.client import Endpoint
from caas_reports.model import Exchange

pytestmark = [pytest.mark.anyio, pytest.mark.node]
SCRIPT = (resources.files("caas_reports.page") / "script" / "05_curl.js").read_text("utf-8")
CALL = "\nconsole.log(JSON.stringify(curlOf(JSON.parse(require('fs').readFileSync(0)))));"
TYPED = {"content-type": "text/plain"}
REQUESTS: dict[str, dict[str, Any]] = {
    "get": {"method": "GET", "path": "/ok"},
    "head": {"method": "HEAD", "path": "/ok"},
    "options": {"method": "OPTIONS", "path": "/ok"},
    "own method": {"method": "BREW", "path": "/ok"},
    "dots": {"method": "GET", "path": "/x/../ok/./y"},
    "brackets": {"method": "GET", "path": "/ok", "query": "a=[1-3]&b={x,y}&c=it's"},
    "no header of ours": {
        "method": "GET",
        "path": "/ok",
        "headers": {"accept": None, "x-correlation-id": None, "traceparent": None},
    },
    "no host": {"method": "GET", "path": "/ok", "headers": {"host": None}},
    "an empty header": {"method": "GET", "path": "/ok", "headers": {"x-empty": ""}},
    "a strange header": {
        "method": "GET",
        "path": "/ok",
        "headers": {"x-a": "caf\xe9 'q' $HOME `id`"},
    },
    "no body": {"method": "POST", "path": "/ok"},
    "json": {"method": "POST", "path": "/ok", "json": {"a": "it's ü"}},
    "json as spelled": {
        "method": "PUT",
        "path": "/ok",
        "body": b'{"a":1,   "a":2}',
        "headers": {"content-type": "application/json"},
    },
    "no type": {"method": "POST", "path": "/ok", "body": b"no type"},
    "no length": {"method": "POST", "path": "/ok", "headers": {"content-length": None}},
    "like a file": {"method": "POST", "path": "/ok", "body": b"@/etc/hostname", "headers": TYPED},
    "lines": {"method": "PATCH", "path": "/ok", "body": b"\na\r\nb\n\n", "headers": TYPED},
    "like an escape": {"method": "POST", "path": "/ok", "body": b"\\x41 \\n %s", "headers": TYPED},
    "binary": {"method": "POST", "path": "/ok", "body": bytes(range(256)), "headers": TYPED},
    "a body with GET": {"method": "GET", "path": "/ok", "body": b"x", "headers": TYPED},
}


@pytest.fixture
async def service() -> AsyncIterator[ScriptedService]:
    """A service that keeps what it is sent."""
    async with ScriptedService("svc") as running:
        yield running


async def _sent(service: ScriptedService, request: dict[str, Any]) -> tuple[bytes, Exchange]:
    """Send a request as a case does; return its bytes and what the report knows of it."""
    options = dict(request)
    method, path = options.pop("method"), options.pop("path")
    if "query" in options:
        options["query"] = [tuple(pair.split("=")) for pair in options["query"].split("&")]
    phase = Phase("Z01", "Made for the test", "One request.")

    async def body(t: CaseContext) -> None:
        await t.service("svc").request(method, path, **options)

    phase.case("Z01.01", "Sends", proves="It.", requirements=["REQ-01"])(body)
    environment = Environment({"svc": Endpoint("svc", f"{service.url}/base")})
    record = AttemptRecord.begin(phase.cases[0], 1, environment, "run-12345678")
    await drive(record)
    (exchange,) = AttemptBuilder(record, None).build().exchanges
    sent, service.wire_bytes = service.wire_bytes, b""
    return sent, exchange


async def _output(*command: str, given: bytes = b"") -> bytes:
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    output, complaint = await process.communicate(given)
    assert process.returncode == 0, complaint
    return output


async def _curl(exchange: Exchange) -> str:
    given = msgspec.json.encode(exchange)
    return msgspec.json.decode(await _output("node", "-e", SCRIPT + CALL, given=given), type=str)


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_command_sends_the_same_bytes(service: ScriptedService, name: str) -> None:
    """Whatever the method, the path, the headers and the body are."""
    if shutil.which("curl") is None:
        pytest.skip("curl: it is not on PATH")
    sent, exchange = await _sent(service, REQUESTS[name])
    command = await _curl(exchange)
    await _output("sh", "-c", command)

    assert sent
    assert service.wire_bytes == sent, command


async def test_what_is_redacted_stays_so(service: ScriptedService) -> None:
    """It has to be filled in; its length is counted then."""
    request = {"method": "POST", "path": "/ok", "json": {"password": "the-secret-word-1"}}
    _, exchange = await _sent(service, request)
    command = await _curl(exchange)

    assert "the-secret-word-1" not in command
    assert "[redacted]" in command
    assert "content-length" not in command


async def test_what_was_not_kept_whole_is_not_offered(service: ScriptedService) -> None:
    """A command that sends half a body would be another request."""
    request = {"method": "POST", "path": "/ok", "body": b"x" * 200_000, "headers": TYPED}
    _, exchange = await _sent(service, request)

    assert await _curl(exchange) == ""
