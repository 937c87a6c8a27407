"""Each span and log line lies under the one attempt that caused it, or the run is red."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from caas_conformance.authoring import AccessLine
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import CaseBody, Phase
from caas_conformance.testing import Asked, Said, ScriptedService
from caas_conformance.verdicts.judging import exit_code
from caas_reports.model import Case, Run, Verdict

pytestmark = pytest.mark.anyio
Conduct = Callable[..., Awaitable[tuple[Run, Path]]]
Document = dict[str, Any]


def telemetry_check(case: Case) -> list[str]:
    """Return where the case's telemetry check failed."""
    check = next(c for c in case.attempts[-1].checks if c.id == "telemetry")
    return [a.at for a in check.assertions if not a.passed]


def add(phase: Phase, **more: Any) -> None:
    """Add a case that asks three times for its own path."""
    number = len(phase.cases) + 1
    case_id = f"{phase.id}.{number:02d}"

    async def body(t: CaseContext) -> None:
        for _ in range(3):
            answer = await t.service("auth-service").get(f"/{case_id}")
            with t.check(f"mine-{len(t.checks)}", "the answer is mine") as check:
                check.equal(answer.at("path"), f"/{case_id}")

    phase.case(case_id, f"Case {number}", proves="It.", requirements=["REQ-01"], **more)(body)


@pytest.fixture(autouse=True)
def echo(service: ScriptedService) -> None:
    """Answer every case's path with itself."""
    for number in range(1, 41):
        path = f"/Z01.{number:02d}"
        service.route("GET", path, Said(200, {"path": path}))


async def test_eight_side_by_side_own_exactly_their_own(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Forty cases, eight at a time: every record is under the case that its path names."""
    eight = asyncio.Event()

    async def together(asked: Asked) -> Said:
        if service.in_flight == 8:
            eight.set()
        await eight.wait()
        return Said(200, {"path": asked.path})

    for number in range(1, 41):
        add(phase)
        service.route("GET", f"/Z01.{number:02d}", together)
    run, directory = await conducted(options={"parallel": 8})

    assert run.verdict is Verdict.PASSED
    for case in run.cases:
        (attempt,) = case.attempts
        served = [span for span in attempt.spans if span.kind == "server"]
        assert [span.name for span in served] == [f"GET /{case.id}"] * 3
        assert {s.parent_span_id for s in served} == {x.span_id for x in attempt.exchanges}
        assert len(attempt.logs) == 3
    assert (run.correlation.owned_spans, run.correlation.owned_logs) == (120, 120)
    assert (run.correlation.orphan_spans, run.correlation.foreign_spans) == (0, 2)  # the probes'
    assert run.correlation.attempts_with_trace == run.correlation.attempts == 40
    markers = run.correlation.spans - 122
    assert (directory / "telemetry.jsonl").read_text().count('"traceId"') == 244 + 2 * markers


async def test_one_settle_round_serves_many_attempts(
    conducted: Conduct, phase: Phase, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty attempts that end together do not cost thirty markers."""
    monkeypatch.setattr("caas_conformance.correlation.settling.ROUND_INTERVAL_S", 0.5)
    everybody, times = asyncio.Event(), Counter[str]()

    async def together(asked: Asked) -> Said:
        times[asked.path] += 1
        if list(times.values()) == [3] * 30:
            everybody.set()
        if times[asked.path] == 3:  # the last of its case
            await everybody.wait()
        return Said(200, {"path": asked.path})

    for number in range(1, 31):
        add(phase)
        service.route("GET", f"/Z01.{number:02d}", together)
    before = service.wire_bytes.count(b"caas=flush")
    await conducted(options={"parallel": 30})

    assert service.wire_bytes.count(b"caas=flush") - before <= 15


Fault = Callable[[Document, Document], None]


def swap_traces() -> Fault:
    """Record every request under the trace of the one before it."""
    last: list[str] = []

    def fault(span: Document, log: Document) -> None:
        mine = span["traceId"]
        if last:
            span["traceId"] = log["traceId"] = last[-1]
        last.append(mine)

    return fault


def swap_correlation() -> Fault:
    """Write the correlation id of the request before into the log."""
    last: list[list[Document]] = []

    def fault(_: Document, log: Document) -> None:
        mine = log["attributes"]
        if last:
            log["attributes"] = last[-1]
        last.append(mine)

    return fault


def lose_spans(span: Document, _: Document) -> None:
    """Record no span."""
    span.clear()


def lose_parent(span: Document, _: Document) -> None:
    """Hang the span below one that nobody has seen."""
    span["parentSpanId"] = "00f067aa0ba902b7"


def log_error(_: Document, log: Document) -> None:
    """Log an error though the answer is fine."""
    log |= {"severityNumber": 17, "severityText": "ERROR"}


def wrong_method(span: Document, _: Document) -> None:
    """Say that it was another method."""
    span["attributes"][0]["value"] = {"stringValue": "DELETE"}


@pytest.mark.parametrize(
    ("fault", "at"),
    [
        (lose_spans, "spans.auth-service"),
        (lose_parent, "spans.orphans"),
        (log_error, "logs.errors"),
        (wrong_method, "trace.others"),
    ],
)
async def test_a_fault_in_the_telemetry_fails_the_case(
    conducted: Conduct, phase: Phase, service: ScriptedService, fault: Fault, at: str
) -> None:
    """Every HTTP answer was right, and the case is red all the same."""
    service.fault = fault
    add(phase)
    run, _ = await conducted()

    assert run.cases[0].verdict is Verdict.FAILED
    assert at in telemetry_check(run.cases[0])
    assert exit_code(run) == 1


@pytest.mark.parametrize("mix", [swap_traces, swap_correlation])
async def test_a_mix_up_between_attempts_is_detected(
    conducted: Conduct, phase: Phase, service: ScriptedService, mix: Callable[[], Fault]
) -> None:
    """The seed's report showed log lines under requests they did not belong to."""
    for _ in range(8):
        add(phase)
    service.fault = mix()
    run, _ = await conducted(options={"parallel": 8})

    red = [case for case in run.cases if case.verdict is Verdict.FAILED]
    assert any("trace.others" in telemetry_check(case) for case in red)
    gate = next(g for g in run.gates if g.name == "records under the right attempt")
    assert gate.verdict is Verdict.FAILED
    assert "names" in gate.detail or "lies in trace" in gate.detail


LINE = AccessLine(message="answered 200", method="method", path="path", status="status")


def confuse_scopes(_: Document, log: Document) -> None:
    """Write each line in the scope of the request before: its span, its ids, its trace."""
    mine = (log["spanId"], log["attributes"][-1:], log["traceId"])
    log["spanId"], log["attributes"][-1:], log["traceId"] = LAST[-1] if LAST else mine
    LAST.append(mine)


LAST: list[tuple[str, list[Document], str]] = []


def lie_about_the_status(_: Document, log: Document) -> None:
    """Write in one line that it was another answer."""
    log["attributes"] = [
        one | ({"value": {"stringValue": "500"}} if one["key"] == "status" else {})
        for one in log["attributes"]
    ]


def write_nothing(_: Document, log: Document) -> None:
    """Write no line."""
    log.clear()


@pytest.mark.parametrize("fault", [confuse_scopes, lie_about_the_status, write_nothing])
async def test_an_answer_without_its_own_true_line_fails_the_case(
    conducted: Conduct, phase: Phase, service: ScriptedService, fault: Fault
) -> None:
    """Ids that are wrong together agree with each other; what a line says does not."""
    LAST.clear()
    add(phase)
    answers = Said(200, {"path": "/Z01.01"}, headers={"x-correlation-id": "any"})
    service.route("GET", "/Z01.01", answers)
    sound, _ = await conducted(access=LINE)
    service.fault = fault
    broken, _ = await conducted(access=LINE)

    assert sound.verdict is Verdict.PASSED
    gate = next(g for g in sound.gates if g.name == "answers with one true access line")
    assert (gate.actual, gate.detail) == ("100 %", "3 of 3")
    assert telemetry_check(broken.cases[0]) == ["exchanges.access_line"]
    gate = next(g for g in broken.gates if g.name == "answers with one true access line")
    assert gate.verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("lost", "process", "told"),
    [(7, "first", "0"), (9, "first", "2"), (3, "second", "3")],
    ids=["before", "meanwhile", "by its successor"],
)
async def test_only_what_is_lost_during_the_run_counts(
    conducted: Conduct, phase: Phase, service: ScriptedService, lost: int, process: str, told: str
) -> None:
    """A platform that had nobody to tell for a while is sound, and starts again from nothing."""
    service.lost = 7

    def losing(asked: Asked) -> Said:
        service.lost, service.process = lost, process
        return Said(200, {"path": asked.path})

    service.route("GET", "/Z01.01", losing)
    add(phase)
    run, _ = await conducted()

    assert next(g for g in run.gates if g.name == "telemetry records lost").actual == told


async def test_a_service_that_stays_dead_fails_the_run(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Nobody restarts it, so no restart can tell; the last answer that was wanted had come."""

    async def dying(asked: Asked) -> Said:
        await service.__aexit__()
        return Said(200, {"path": asked.path})

    service.route("GET", "/Z01.01", dying)
    add(phase)
    sound, _ = await conducted(telemetry=False, options={"repeat": 1})

    assert sound.cases[0].verdict is Verdict.PASSED
    gate = next(g for g in sound.gates if g.name == "services that died")
    assert gate.verdict is Verdict.FAILED
    assert "can't be reached" in gate.detail
    assert exit_code(sound) == 4


async def test_a_case_may_say_why_it_is_exempt(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Each exemption covers its own part only."""

    def both(span: Document, log: Document) -> None:
        log_error(span, log)
        lose_parent(span, log)

    service.fault = both
    add(phase, errors_logged_because="the fault is wanted")
    add(phase, untraced_because="nothing is traced here")
    add(phase, errors_logged_because="wanted", untraced_because="wanted")
    run, _ = await conducted()

    assert "logs.errors" not in telemetry_check(run.cases[0])
    assert "logs.errors" in telemetry_check(run.cases[1])
    assert "spans.orphans" not in telemetry_check(run.cases[1])
    assert run.cases[2].verdict is Verdict.PASSED


async def test_a_service_that_never_exports_fails_every_case(
    conducted: Conduct, phase: Phase, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait ends at its limit, and says whose telemetry did not come."""
    monkeypatch.setattr("caas_conformance.correlation.settling.MARKER_TIMEOUT_S", 0.05)
    endpoint, add_now = service.otlp_endpoint, add
    add_now(phase)

    def silent(asked: Asked) -> Said:
        service.otlp_endpoint = None
        return Said(200, {"path": asked.path})

    service.route("GET", "/Z01.01", silent)
    run, _ = await conducted()

    assert endpoint is not None
    assert "telemetry.auth-service" in telemetry_check(run.cases[0])
    assert run.counts.failed == 1


async def test_a_case_can_look_at_its_own_telemetry(conducted: Conduct, phase: Phase) -> None:
    """Complete for what it sent so far, and not counted as the harness's overhead."""

    def body() -> CaseBody[CaseContext]:
        async def case(t: CaseContext) -> None:
            await t.service("auth-service").get("/Z01.01")
            seen = await t.recorded()
            with t.check("recorded", "its span and its log line are there") as check:
                check.equal(seen.at("services"), ["auth-service"])
                check.equal(seen.at("spans.0.name"), "GET /Z01.01")
                check.equal(seen.at("logs.0.message"), "answered 200")
                check.equal(seen.at("logs").length, 1)

        return case

    phase.case("Z01.01", "Looks", proves="It.", requirements=["REQ-01"])(body())
    run, _ = await conducted()

    assert run.verdict is Verdict.PASSED
