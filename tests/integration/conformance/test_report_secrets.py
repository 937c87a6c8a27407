"""A secret that went through a case is in no byte of any file of the run."""

import base64
import gzip
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.testing import Asked, Said, ScriptedService
from caas_reports.model import Run, Verdict

pytestmark = pytest.mark.anyio
Conduct = Callable[..., Awaitable[tuple[Run, Path]]]

CANARY = "Canary-7f3a.secret_value-91"
ISSUED = "issued-by-the-platform-4b7d9e01"
PASSWORDS: list[str] = []


def spellings(secret: str) -> list[bytes]:
    """Return how a secret may look in a file."""
    raw = secret.encode()
    return [raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"="), raw[::-1]]


def readable(path: Path) -> bytes:
    """Return what is in a file, unpacked."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


async def leaks_everywhere(t: CaseContext) -> None:
    """Send a secret wherever one can be sent, fail, and break with it in the message."""
    canary = t.secret(CANARY)
    PASSWORDS.append(t.secret(f"Cf7!{secrets.token_urlsafe(18)}"))
    async with t.step(f"with {canary}"):
        answer = await t.service("auth-service").post(
            f"/echo/{canary}",
            json={"note": canary, "nested": [{"deep": f"x{canary}y"}], "password": PASSWORDS[-1]},
            headers={"authorization": f"Bearer {canary}", "x-plain": canary, "cookie": canary},
            query={"q": canary, "token": canary},
        )
        with t.check("echoed", "it comes back", go_on=True) as check:
            check.equal(answer.at("note"), "something else", message=f"not {canary}")
            check.equal(answer.at("refresh_token"), "something else")
            check.contains(answer.text, f"no {canary}")
    await t.raw("auth-service", f"POST /raw HTTP/1.1\r\nhost: {canary}\r\n\r\n".encode())
    raise RuntimeError(f"broken by {canary} and {PASSWORDS[-1]}")


async def innocent(t: CaseContext) -> None:
    """Ask for something that gives another case's secret away."""
    answer = await t.service("auth-service").get("/gossip")
    with t.check("gossip", "it says something") as check:
        check.status(answer, 200)


async def test_no_artefact_holds_a_registered_secret(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Headers, bodies, URLs, raw bytes, steps, failures, spans and logs of every report."""

    def echo(asked: Asked) -> Said:
        body = {**asked.json, "refresh_token": ISSUED, "said": ISSUED}
        return Said(200, body, {"set-cookie": f"sid={ISSUED}", "x-back": CANARY})

    def careless(span: dict[str, Any], log: dict[str, Any]) -> None:
        span["name"] = f"POST {CANARY}"
        log["body"] = {"stringValue": f"got {CANARY} and {ISSUED}"}

    service.route("POST", f"/echo/{CANARY}", echo)
    service.fault = careless
    phase.case("Z01.01", "Leaks", proves="It.", requirements=["REQ-01"])(leaks_everywhere)
    run, directory = await conducted()

    assert run.cases[0].verdict is Verdict.FAILED
    assert CANARY.encode() in service.wire_bytes
    files = sorted(path for path in directory.iterdir() if path.is_file())
    assert len(files) >= 8
    for path in files:
        content = readable(path)
        for secret in (CANARY, ISSUED, *PASSWORDS, "the-service-secret-of-this-test"):
            for spelling in spellings(secret)[:3]:
                assert spelling not in content, f"{path.name} holds {spelling!r}"


async def test_a_secret_under_another_case_is_blotted_out_and_fails_the_run(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """The case that shows it does not know it, so only the last look can find it."""
    service.route("POST", f"/echo/{CANARY}", lambda asked: Said(200, asked.json))
    service.route("GET", "/gossip", Said(200, {"gossip": f"they say {CANARY}"}))
    phase.case("Z01.01", "Leaks", proves="It.", requirements=["REQ-01"])(leaks_everywhere)
    phase.case("Z01.02", "Innocent", proves="It.", requirements=["REQ-01"])(innocent)
    run, directory = await conducted()

    gate = next(g for g in run.gates if g.name == "secrets found in reports")
    assert (gate.verdict, gate.actual) == (Verdict.FAILED, "1")
    assert run.cases[1].verdict is Verdict.PASSED
    assert b"they say" in readable(directory / "evidence.jsonl.gz")
    for path in directory.iterdir():
        assert CANARY.encode() not in readable(path)
