"""A service breaks its own document in one way at a time, and no case looks at that."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caas_conformance.authoring import CaseContext, ContractFacts, Phase
from caas_conformance.testing import Asked, Said, ScriptedService, things
from caas_conformance.testing.things import (
    DOCUMENT,
    ID,
    PROBLEM,
    THING,
    bare,
    said,
    serve,
)
from caas_conformance.verdicts.judging import exit_code
from caas_reports.model import Check, Run, Verdict

pytestmark = pytest.mark.anyio
Conduct = Callable[..., Awaitable[tuple[Run, Path]]]
Handler = Callable[[Asked], Said]
PUBLISHED_AT = "/documentation/json"
FACTS = replace(things.FACTS, unseen={"auth-service GET /events": "nobody listens in this test"})
SECRET = "a-secret-that-the-case-knows"


async def looks(t: CaseContext) -> None:
    """Ask for a thing and look at next to nothing."""
    t.secret(SECRET)
    answer = await t.service("auth-service").get(f"/things/{ID}")
    with t.check("answered", "it answers") as check:
        check.matches(answer.elapsed_ms, float)


def add(phase: Phase, body: Any) -> None:
    """Add *body* as the phase's next case."""
    number = len(phase.cases) + 1
    phase.case(f"{phase.id}.{number:02d}", "Case", proves="It.", requirements=["REQ-01"])(body)


def contract_checks(run: Run) -> list[Check]:
    """Return the contract's checks that did not hold, of every attempt."""
    return [
        check
        for case in run.cases
        for attempt in case.attempts
        for check in attempt.checks
        if check.id.startswith("contract-")
    ]


def without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Copy *document* without some members."""
    return {k: v for k, v in document.items() if k not in names}


FAULTS: list[tuple[str, Handler, str, str]] = [
    ("a status that is not documented", lambda a: said(a, 409, PROBLEM | {"status": 409}),
     "status", "status"),
    ("another media type", lambda a: said(a, headers={"content-type": "text/json"}),
     "media-type", "header.content-type"),
    ("no media type", lambda a: bare(a, "content-type"), "media-type", "header.content-type"),
    ("a documented header left out", lambda a: bare(a, "x-total"), "header", "header.x-total"),
    ("a documented header of another type", lambda a: said(a, headers={"x-total": "many"}),
     "header", "header.x-total"),
    ("no correlation id", lambda a: bare(a, "x-correlation-id"),
     "header", "header.x-correlation-id"),
    ("another's correlation id", lambda a: said(a, headers={"x-correlation-id": "another"}),
     "header", "header.x-correlation-id"),
    ("no trace header", lambda a: bare(a, "traceresponse"), "header", "header.traceresponse"),
    ("another trace", lambda a: said(a, headers={"traceresponse": f"00-{'a' * 32}-{'b' * 16}-01"}),
     "header", "header.traceresponse"),
    ("a challenge left out", lambda a: said(a, 401, PROBLEM | {"status": 401}),
     "header", "header.www-authenticate"),
    ("a member left out", lambda a: said(a, body=without(THING, "owner")), "body", "body.owner"),
    ("a member of a referred part left out", lambda a: said(a, body=without(THING, "id")),
     "body", "body.id"),
    ("a member of another type", lambda a: said(a, body=THING | {"note": 7}), "body", "body.note"),
    ("no body", lambda a: said(a, body=b""), "body", "body"),
    ("no JSON", lambda a: said(a, body=b"{"), "body", "body"),
    ("no id", lambda a: said(a, body=THING | {"id": "7"}), "format", "body.id"),
    ("no time", lambda a: said(a, body=THING | {"made_at": "2026-01-02 03:04"}),
     "format", "body.made_at"),
    ("a member more", lambda a: said(a, body=THING | {"_id": "x"}),
     "undocumented-member", "body._id"),
    ("a member more further in", lambda a: said(a, body=THING | {"owner": {"hash": "x"}}),
     "undocumented-member", "body.owner.hash"),
    ("an incomplete problem", lambda a: said(a, 404, without(PROBLEM, "detail")),
     "problem", "body.detail"),
    ("a problem of another status", lambda a: said(a, 404, PROBLEM | {"status": 400}),
     "problem", "body.status"),
    ("a problem that is none", lambda a: said(a, 404, PROBLEM, {"content-type": "text/plain"}),
     "problem", "header.content-type"),
    ("a cookie for caches", lambda a: said(a, headers={"set-cookie": "a=b", "cache-control": ""}),
     "cacheable-secret", "header.cache-control"),
    ("a token for caches",
     lambda a: said(a, body=THING | {"access_token": "x"}, headers={"cache-control": "no-cache"}),
     "cacheable-secret", "header.cache-control"),
    ("a known secret for caches",
     lambda a: said(a, body=THING | {"note": SECRET}, headers={"cache-control": "max-age=9"}),
     "cacheable-secret", "header.cache-control"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("handler", "kind", "at"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
async def test_each_way_to_break_the_document_is_told_as_that(
    service: ScriptedService,
    phase: Phase,
    conducted: Conduct,
    handler: Handler,
    kind: str,
    at: str,
) -> None:
    """By the contract alone: the case itself looks at nothing that is wrong."""
    serve(service, handler, at=PUBLISHED_AT)
    add(phase, looks)

    run, _ = await conducted(telemetry=False, contract=FACTS)

    case = run.cases[0]
    broken = contract_checks(run)
    assert case.verdict is Verdict.FAILED
    assert exit_code(run) == 1
    told = {check.id: [a.at for a in check.assertions] for check in broken}
    named = [check_id for check_id in told if check_id.startswith(f"contract-{kind}-auth-service")]
    assert len(named) == 1, told
    assert named[0].rpartition("-get-things-thing-id-")[2].isdigit()
    assert at in told[named[0]]


async def test_the_same_service_is_green_as_long_as_it_keeps_its_document(
    service: ScriptedService, phase: Phase, conducted: Conduct
) -> None:
    """The control: the very answers, without a fault; and what was seen is told."""
    answers = {"GET": said, "HEAD": said, "DELETE": bare_204}
    serve(
        service,
        lambda a: answers.get(a.method, lambda a: said(a, 405, refused(405)))(a),
        at=PUBLISHED_AT,
    )
    service.route("GET", "/elsewhere", lambda a: said(a, 404, PROBLEM))

    async def all_of_it(t: CaseContext) -> None:
        svc = t.service("auth-service")
        for method in ("GET", "GET", "HEAD", "DELETE", "PATCH", "OPTIONS"):
            answer = await svc.request(method, f"/things/{ID}?a=b")
        answer = await svc.get("/elsewhere")
        with t.check("answered", "it answers") as check:
            check.status(answer, 404, because="the server says no more")

    add(phase, looks)
    add(phase, all_of_it)
    run, _ = await conducted(telemetry=False, contract=FACTS, limits={"whole": True})

    assert [case.verdict for case in run.cases] == [Verdict.PASSED] * 2, contract_checks(run)
    assert exit_code(run) == 0, run.gates
    (summary,) = (c for c in run.cases[1].attempts[0].checks if c.id == "contract")
    assert summary.assertions[0].actual == "7 judged, 0 excepted"
    seen = {f"{one.method} {one.path}": one for one in run.contract}
    got = {
        one.status: (one.times, one.first_case) for one in seen["GET /things/{thing_id}"].answers
    }
    assert got == {"200": (3, "Z01.01"), "401": (0, ""), "404": (0, "")}
    assert seen["GET /events"].unseen_because
    assert run.overhead.contract_us_per_answer > 0


def bare_204(asked: Asked) -> Said:
    """Answer without a body."""
    return said(asked, 204, b"")


def refused(status: int) -> dict[str, Any]:
    """Return a whole problem document."""
    return PROBLEM | {"status": status}


@pytest.mark.parametrize(("method", "path"), [("PATCH", f"/things/{ID}"), ("GET", "/elsewhere")])
async def test_what_no_document_lists_may_be_refused_and_nothing_else(
    service: ScriptedService, phase: Phase, conducted: Conduct, method: str, path: str
) -> None:
    """An operation that nobody documented is one that nobody reviewed."""
    serve(service, said, at=PUBLISHED_AT)
    service.route("GET", "/elsewhere", said)

    async def asks(t: CaseContext) -> None:
        answer = await t.service("auth-service").request(method, path)
        with t.check("answered", "it answers") as check:
            check.status(answer, 200)

    add(phase, asks)
    run, _ = await conducted(telemetry=False, contract=FACTS)

    (broken,) = contract_checks(run)
    assert broken.id == f"contract-operation-auth-service-{method.lower()}-not-documented-200"


async def test_one_fault_seen_often_is_one_check_of_one_assertion(
    service: ScriptedService, phase: Phase, conducted: Conduct
) -> None:
    """Else a case that walks a list would bury its cause."""
    serve(service, lambda a: said(a, body=THING | {"_id": "x"}), at=PUBLISHED_AT)

    async def often(t: CaseContext) -> None:
        for _ in range(4):
            await t.service("auth-service").get(f"/things/{ID}")
        answer = await t.service("auth-service").get(f"/things/{ID}")
        with t.check("answered", "it answers") as check:
            check.status(answer, 200)

    add(phase, often)
    run, _ = await conducted(telemetry=False, contract=FACTS)

    (broken,) = contract_checks(run)
    assert [(a.at, a.exchange or broken.exchange) for a in broken.assertions] == [
        ("body._id", "x1")
    ]


async def test_an_answer_may_break_the_contract_on_purpose_with_a_reason(
    service: ScriptedService, phase: Phase, conducted: Conduct
) -> None:
    """It is shown; and where nothing was broken, the case is written wrongly."""
    serve(service, lambda a: said(a, body=THING | {"_id": "x"}), at=PUBLISHED_AT)

    async def excepts(t: CaseContext) -> None:
        answer = await t.service("auth-service").get(f"/things/{ID}")
        t.breaks_contract(answer, reason="the old client still reads _id")
        with t.check("answered", "it answers") as check:
            check.status(answer, 200)

    async def excepts_in_vain(t: CaseContext) -> None:
        answer = await t.service("auth-service").get(f"/things/{ID}/parts")
        t.breaks_contract(answer, reason="it used to")
        with t.check("answered", "it answers") as check:
            check.status(answer, 404, because="the server says no more")

    service.route("GET", f"/things/{ID}/parts", lambda a: said(a, 404, PROBLEM))
    add(phase, excepts)
    add(phase, excepts_in_vain)
    run, _ = await conducted(telemetry=False, contract=FACTS)

    fine, wrong = run.cases
    assert fine.verdict is Verdict.PASSED
    shown = [a.actual for c in fine.attempts[0].checks if c.id == "contract" for a in c.assertions]
    assert shown == ["1 judged, 1 excepted", '"the old client still reads _id"']
    assert wrong.verdict is Verdict.ERROR
    assert "x1 keeps it" in wrong.reason


async def test_bytes_that_are_no_request_are_answered_below_the_contract(
    service: ScriptedService, phase: Phase, conducted: Conduct
) -> None:
    """A refusal of framing has no correlation id; a raw request that is one is judged as such."""
    serve(service, lambda a: said(a, body=THING | {"_id": "x"}), at=PUBLISHED_AT)

    async def garbage(t: CaseContext) -> None:
        answer = await t.raw("auth-service", b"GET / HTTP/1.1\r\nno header\r\n\r\n")
        with t.check("refused", "it is refused") as check:
            check.status(answer, 400, because="the server says no more")

    async def whole_request(t: CaseContext) -> None:
        told = f"GET /things/{ID} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        answer = await t.raw("auth-service", told.encode())
        with t.check("answered", "it answers") as check:
            check.status(answer, 200)

    add(phase, garbage)
    add(phase, whole_request)
    run, _ = await conducted(telemetry=False, contract=FACTS)

    assert [case.verdict for case in run.cases] == [Verdict.PASSED, Verdict.FAILED]
    assert "contract-undocumented-member-auth-service-get-things-thing-id-200" in {
        check.id for check in contract_checks(run)
    }


@pytest.mark.parametrize(
    ("media_type", "verdict"),
    [("text/event-stream", Verdict.PASSED), ("text/plain", Verdict.FAILED)],
)
async def test_a_stream_is_judged_by_its_media_type(
    service: ScriptedService, phase: Phase, conducted: Conduct, media_type: str, verdict: Verdict
) -> None:
    """Its events are no body."""
    serve(service, said, at=PUBLISHED_AT)

    async def pieces() -> Any:
        yield b"data: 1\n\n"

    def stream(asked: Asked) -> Said:
        headers = {"traceresponse": asked.headers["traceparent"], "content-type": media_type}
        return Said(200, headers=headers, pieces=pieces())

    service.route("GET", "/events", stream)

    async def listens(t: CaseContext) -> None:
        async with t.stream("auth-service", "/events") as events:
            await events.all()
        with t.check("opened", "the stream opens") as check:
            check.status(events.answer, 200)

    add(phase, listens)
    run, _ = await conducted(telemetry=False, contract=FACTS)

    assert run.cases[0].verdict is verdict, contract_checks(run)


async def test_a_success_that_nobody_saw_fails_a_whole_run(
    service: ScriptedService, phase: Phase, conducted: Conduct
) -> None:
    """And so does an exception that is none; a selection of cases can't see everything."""
    serve(service, said, at=PUBLISHED_AT)
    add(phase, looks)
    facts = ContractFacts(unseen={"auth-service GET /things/{thing_id}": "nobody knows"})

    whole, _ = await conducted(telemetry=False, contract=facts, limits={"whole": True})
    part, _ = await conducted(telemetry=False, contract=facts)

    gates = {gate.name: gate for gate in whole.gates}
    unseen = gates["contract: operations whose success was never seen"]
    assert unseen.actual == "2"
    assert "auth-service DELETE /things/{thing_id}" in unseen.detail
    stale = gates["contract: exceptions that are none"]
    assert stale.detail == "auth-service GET /things/{thing_id}"
    assert exit_code(whole) == 4
    assert exit_code(part) == 0


@pytest.mark.parametrize(
    "document", [{"swagger": "2.0"}, "no object", DOCUMENT | {"components": {}}]
)
async def test_a_document_that_can_not_be_used_fails_the_run(
    service: ScriptedService, phase: Phase, conducted: Conduct, document: Any
) -> None:
    """Nothing was judged by it, and nobody is to think that something was."""
    serve(service, said, document, at=PUBLISHED_AT)
    add(phase, looks)

    run, _ = await conducted(telemetry=False, contract=FACTS)

    gates = {gate.name: gate for gate in run.gates}
    unusable = gates["contract: documents that can't be used"]
    assert unusable.verdict is Verdict.FAILED
    assert unusable.detail.startswith("auth-service: ")
    assert run.cases[0].verdict is Verdict.PASSED
    assert exit_code(run) == 4
