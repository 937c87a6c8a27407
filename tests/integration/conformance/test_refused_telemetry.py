"""What the receiver could not take is told, and such a run is not green."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.testing import Asked, Said, ScriptedService
from caas_conformance.verdicts.judging import exit_code
from caas_reports.model import Gate, Run, Verdict

pytestmark = pytest.mark.anyio
Conduct = Callable[..., Awaitable[tuple[Run, Path]]]
Document = dict[str, Any]
NAME = {"key": "service.name", "value": {"stringValue": "auth-service"}}
ZERO_LINK = {"traceId": "0" * 32, "spanId": "0" * 16, "attributes": [NAME]}


def add_get(phase: Phase, number: int, path: str, *, expect: int = 200, **more: Any) -> None:
    """Add a case that gets *path* and expects a status."""

    async def body(t: CaseContext) -> None:
        answer = await t.service("auth-service").get(path)
        with t.check("status", "the status is right") as check:
            check.status(answer, expect)

    case_id = f"{phase.id}.{number:02d}"
    phase.case(case_id, f"Case {number}", proves="It.", requirements=["REQ-01"], **more)(body)


def gate(run: Run) -> Gate:
    """Return the gate on what was refused."""
    return next(g for g in run.gates if g.name == "telemetry refused")


async def export(endpoint: str, signal: str, body: bytes, media_type: str) -> None:
    """Send an export request of another program."""
    target = urlsplit(endpoint)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    writer.write(
        f"POST /v1/{signal} HTTP/1.1\r\nhost: x\r\ncontent-type: {media_type}\r\n"
        f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await reader.read()
    writer.close()


def log_request(*records: Document) -> bytes:
    """Write a request with these records of the service."""
    group = {"resource": {"attributes": [NAME]}, "scopeLogs": [{"logRecords": [*records]}]}
    return msgspec.json.encode({"resourceLogs": [group]})


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        (b"{", "application/json", "export: 400 not an OTLP request: not JSON (1)"),
        (b"{}", "text/plain", "export: 415 neither protobuf nor JSON (1)"),
        (
            log_request({"traceId": "ab"}, {"timeUnixNano": "1"}),
            "application/json",
            "record: an id is not 16 bytes long, or all zeros (1)",
        ),
        (
            log_request({"body": {"stringValue": "BROKEN"}}).replace(b"BROKEN", b"caf\xe9"),
            "application/json",
            "record: an item can't be read (1)",
        ),
    ],
)
async def test_what_was_refused_fails_the_run(
    conducted: Conduct,
    phase: Phase,
    service: ScriptedService,
    body: bytes,
    media_type: str,
    reason: str,
) -> None:
    """Green cases and full traces do not hide it; the gate says why."""

    async def answer(_: Asked) -> Said:
        await export(service.otlp_endpoint or "", "logs", body, media_type)
        return Said(200, {})

    service.route("GET", "/", answer)
    add_get(phase, 1, "/")
    run, _ = await conducted()

    assert run.cases[0].verdict is Verdict.PASSED
    assert [g.name for g in run.gates if g.verdict is Verdict.FAILED] == ["telemetry refused"]
    assert (gate(run).actual, gate(run).detail) == ("1", reason)
    assert exit_code(run) == 4


def _link(span: Document) -> None:
    span["links"] = [ZERO_LINK]


def _empty_link(span: Document) -> None:
    span["links"] = [{"attributes": [NAME]}]


def _deep(span: Document) -> None:
    value: Document = {"stringValue": "x"}
    for _ in range(12):
        pair = {"key": "k", "value": value}
        value = {"arrayValue": {"values": [{"kvlistValue": {"values": [pair]}}]}}
    span["attributes"].append({"key": "deep", "value": value})


@pytest.mark.parametrize("change", [_link, _empty_link, _deep])
async def test_what_opentelemetry_allows_is_taken(
    conducted: Conduct,
    phase: Phase,
    service: ScriptedService,
    change: Callable[[Document], None],
) -> None:
    """Links to nobody, and values in values."""
    service.route("GET", "/", Said(200, {}))
    service.fault = lambda span, _: change(span)
    add_get(phase, 1, "/")
    run, _ = await conducted()

    assert (run.verdict, gate(run).actual) == (Verdict.PASSED, "0")


async def test_one_bad_span_takes_no_other_with_it(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Three cases in one export; the one whose span is broken is red, and only that."""
    for number, path in enumerate(("/good", "/bad", "/fine"), 1):
        service.route("GET", path, Said(200, {}))
        add_get(phase, number, path)

    def broken(span: Document, _: Document) -> None:
        if span["name"] == "GET /bad":
            span["startTimeUnixNano"] = "yesterday"

    service.fault = broken
    run, _ = await conducted(options={"parallel": 3})

    assert [case.verdict for case in run.cases] == [
        Verdict.PASSED,
        Verdict.FAILED,
        Verdict.PASSED,
    ]
    assert gate(run).actual == "1"
