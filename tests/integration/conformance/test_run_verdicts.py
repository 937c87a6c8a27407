"""Every way in which a case can end, over a scripted service."""

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from caas_conformance.authoring.checks import SHOULD
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import CaseBody, CaseDefinition, Phase
from caas_conformance.cli.progress import Quiet
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.testing import Asked, Said, ScriptedService
from caas_conformance.verdicts.judging import exit_code
from caas_conformance.wire.evidence import derived
from caas_reports.archive import ArchiveWriter
from caas_reports.formats import run_json
from caas_reports.model import Case, Run, Status, Verdict
from caas_reports.testing import whole

pytestmark = pytest.mark.anyio
Conduct = Callable[..., Awaitable[tuple[Run, Path]]]


def add(phase: Phase, body: CaseBody[Any], **more: Any) -> None:
    """Add *body* as the phase's next case."""
    number = len(phase.cases) + 1
    phase.case(
        f"{phase.id}.{number:02d}", f"Case {number}", proves="It.", requirements=["REQ-01"], **more
    )(body)


async def looks(t: CaseContext) -> None:
    """Get the root and expect 200."""
    answer = await t.service("auth-service").get("/")
    with t.check("status", "the status is right") as check:
        check.status(answer, 200)


async def vacuous(t: CaseContext) -> None:
    """Send something and look at nothing."""
    await t.service("auth-service").get("/")


async def never_reached(t: CaseContext) -> None:
    """Look only when the platform is kind."""
    answer = await t.service("auth-service").get("/")
    with t.check("status", "the status is right") as check:
        check.status(answer, 200)
    if answer.at("kind").value is True:
        with t.check("kindness", "the kindness is right") as check:
            check.equal(answer.at("kind"), True)  # noqa: FBT003


async def misses_a_should(t: CaseContext) -> None:
    """Hold every MUST and miss a SHOULD."""
    answer = await t.service("auth-service").get("/")
    with t.check("status", "the status is right") as check:
        check.status(answer, 200)
    with t.check("nice", "it is nice", level=SHOULD) as check:
        check.header(answer, "x-nice", "yes")


async def bug(t: CaseContext) -> None:
    """Break by its own fault."""
    answer = await t.service("auth-service").get("/")
    with t.check("status", "the status is right") as check:
        check.status(answer, 200)
    raise KeyError("a bug in the case")


async def skips(t: CaseContext) -> None:
    """Say that it does not apply."""
    t.skip("no such thing here")


async def plain_value(t: CaseContext) -> None:
    """Assert on what is no evidence."""
    await t.service("auth-service").get("/")
    value: Any = 1
    with t.check("one", "one is one") as check:
        check.equal(value, 1)


async def other_service(t: CaseContext) -> None:
    """Need a service that the target does not have."""
    answer = await t.service("gateway").get("/")
    with t.check("status", "the status is right") as check:
        check.status(answer, 200)


async def refused_prerequisite(t: CaasContext) -> None:
    """Need a tenant: a fixture of a suite, on that suite's context."""
    tenant = await t.tenants.register()
    with t.check("there", "it is there") as check:
        check.uuid(derived("tenant", tenant.tenant_id, of=[tenant.answer]))


@pytest.mark.parametrize(
    ("body", "verdict", "code", "said"),
    [
        (looks, Verdict.PASSED, 0, ""),
        (vacuous, Verdict.FAILED, 1, "vacuous"),
        (never_reached, Verdict.FAILED, 1, "never reached: kindness"),
        (misses_a_should, Verdict.WARNING, 0, ""),
        (bug, Verdict.ERROR, 3, "KeyError"),
        (skips, Verdict.SKIPPED, 3, "no such thing here"),
        (plain_value, Verdict.ERROR, 3, "written wrongly"),
        (other_service, Verdict.ERROR, 3, "no URL for gateway"),
        (refused_prerequisite, Verdict.FAILED, 1, "register a tenant: expected 201, got 404"),
    ],
)
async def test_how_a_case_ends(
    conducted: Conduct,
    phase: Phase,
    service: ScriptedService,
    body: CaseBody[Any],
    verdict: Verdict,
    code: int,
    said: str,
) -> None:
    """Verdict, exit code and reason agree; a run of skipped cases alone is not green."""
    service.route("GET", "/", Said(200, {"kind": False}))
    add(phase, body)
    run, _ = await conducted(telemetry=False, context=CaasContext)

    assert (run.cases[0].verdict, exit_code(run)) == (verdict, code)
    assert said in run.cases[0].reason
    assert run.counts.vacuous == (1 if "vacuous" in said or "never" in said else 0)


async def test_an_empty_check_beside_a_full_one_fails(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """A check is no ornament."""

    async def body(t: CaseContext) -> None:
        answer = await t.service("auth-service").get("/")
        with t.check("status", "the status is right") as check:
            check.status(answer, 200)
        with t.check("empty", "nothing") as check:
            for item in answer.at("items").items():
                check.matches(item, str)

    service.route("GET", "/", Said(200, {"items": []}))
    add(phase, body)
    run, _ = await conducted(telemetry=False)

    assert [c.verdict for c in run.cases[0].attempts[0].checks] == [Verdict.PASSED, Verdict.FAILED]
    assert run.verdict is Verdict.FAILED


async def test_a_failed_check_lets_its_step_end_and_sends_nothing_more(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Everything about one answer is judged; what stands on it is not tried."""

    async def body(t: CaseContext) -> None:
        async with t.step("first"):
            answer = await t.service("auth-service").get("/first")
            with t.check("one", "one") as check:
                check.status(answer, 201)
            await t.service("auth-service").get("/still-first")
            with t.check("two", "two") as check:
                check.status(answer, 200)
        async with t.step("second"):
            answer = await t.service("auth-service").get("/second")
            with t.check("three", "three") as check:
                check.status(answer, 200)

    service.route("GET", "/first", Said(200, {}))
    service.route("GET", "/still-first", Said(200, {}))
    add(phase, body)
    run, _ = await conducted(telemetry=False)

    # The first two are the probes, the last asks whether it lives.
    assert [asked.path for asked in service.asked[2:-1]] == ["/first", "/still-first"]
    checks = {check.id: check.verdict for check in run.cases[0].attempts[0].checks}
    assert checks == {"one": "failed", "two": "passed", "three": "not_run"}


async def test_outside_of_a_step_the_next_request_is_not_sent(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Unless the check says that the case may go on."""

    def body(*, go_on: bool) -> CaseBody[CaseContext]:
        async def case(t: CaseContext) -> None:
            answer = await t.service("auth-service").get("/first")
            with t.check("one", "one", go_on=go_on) as check:
                check.status(answer, 201)
            await t.service("auth-service").get("/second")

        return case

    service.route("GET", "/first", Said(200, {}))
    add(phase, body(go_on=False))
    add(phase, body(go_on=True))
    run, _ = await conducted(telemetry=False)

    assert [c.verdict for c in run.cases] == [Verdict.FAILED, Verdict.FAILED]
    assert [len(c.attempts[0].exchanges) for c in run.cases] == [1, 2]


async def test_an_assertion_names_the_exchange_that_it_judged(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """A check that compares two answers must not lay one's status at the other's door."""

    async def compares(t: CaseContext) -> None:
        answers = [
            await t.service("auth-service").get("/first"),
            await t.service("auth-service").get("/second"),
        ]
        with t.check("alike", "both are the same 404") as check:
            for answer in answers:
                check.status(answer, 404, because="the server says no more")

    service.route("GET", "/first", Said(404, {}))
    service.route("GET", "/second", Said(200, {}))
    add(phase, compares)
    run, _ = await conducted(telemetry=False)

    check = run.cases[0].attempts[0].checks[0]
    assert check.exchange == "x1"
    assert [(a.exchange, a.passed) for a in check.assertions] == [(None, True), ("x2", False)]


async def test_a_case_over_its_time_is_timed_out(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """The lifecycle says timed_out, the verdict is not green, the others run."""
    never = asyncio.Event()

    async def hang(_: Asked) -> Said:
        await never.wait()
        return Said()

    service.route("GET", "/hang", hang)
    service.route("GET", "/", Said(200, {}))

    async def hangs(t: CaseContext) -> None:
        await t.service("auth-service").get("/hang")

    add(phase, hangs, timeout_s=0.1)
    add(phase, looks)
    run, _ = await conducted(telemetry=False)
    never.set()

    assert run.cases[0].attempts[0].status is Status.TIMED_OUT
    assert run.cases[0].verdict is Verdict.ERROR
    assert run.cases[1].verdict is Verdict.PASSED
    assert exit_code(run) == 3


async def test_a_case_that_misses_the_end_of_its_time_is_ended_all_the_same(
    conducted: Conduct,
    phase: Phase,
    service: ScriptedService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One lost cancellation must not hang the run; the attempt is no abort, either."""
    monkeypatch.setattr("caas_conformance.engine.runner.OVERTIME_S", 0.01)
    service.route("GET", "/", Said(200, {}))

    async def goes_on(t: CaseContext) -> None:
        await t.service("auth-service").get("/")
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await asyncio.Event().wait()

    add(phase, goes_on, timeout_s=0.1)
    add(phase, looks)
    run, _ = await conducted(telemetry=False)

    assert run.cases[0].attempts[0].status is Status.TIMED_OUT
    assert run.cases[0].verdict is Verdict.ERROR
    assert run.cases[1].verdict is Verdict.PASSED
    assert run.status is Status.FINISHED


async def test_fail_fast_leaves_the_rest_not_run(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """They stay in the plan and in the report."""
    service.route("GET", "/", Said(500, {}))
    for _ in range(4):
        add(phase, looks)
    run, _ = await conducted(telemetry=False, options={"fail_fast": True})

    verdicts = [case.verdict for case in run.cases]
    assert verdicts == [Verdict.FAILED, *[Verdict.NOT_RUN] * 3]
    assert run.plan == ("Z01.01", "Z01.02", "Z01.03", "Z01.04")
    assert "fail-fast after Z01.01" in run.cases[3].reason
    gate = next(g for g in run.gates if g.name == "planned cases without a verdict")
    assert (gate.verdict, gate.actual) == (Verdict.FAILED, "3")


async def test_a_pass_after_a_failure_is_flaky_and_not_green(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Both attempts stay in the report, and the gate fails the run with exit code 4."""
    answers = iter([Said(500, {}), Said(200, {})])
    service.route("GET", "/", lambda _: next(answers))
    add(phase, looks)
    run, _ = await conducted(telemetry=False, options={"retries": 2})

    case = run.cases[0]
    assert [a.verdict for a in case.attempts] == [Verdict.FAILED, Verdict.PASSED]
    assert (case.verdict, case.flaky) == (Verdict.PASSED, True)
    assert (run.verdict, exit_code(run)) == (Verdict.FAILED, 4)


async def test_flakiness_can_be_allowed(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """By a number that stands in the report as the gate's limit."""
    answers = iter([Said(500, {}), Said(200, {})])
    service.route("GET", "/", lambda _: next(answers))
    add(phase, looks)
    run, _ = await conducted(telemetry=False, options={"retries": 1}, limits={"max_flaky": 1})

    assert exit_code(run) == 0
    assert next(g for g in run.gates if g.name == "flaky cases").expected == "<= 1"


async def test_repetitions_give_the_worst_verdict(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """One failure in five is a failure, and a flaky one."""
    answers = iter([Said(200, {})] * 3 + [Said(500, {})] + [Said(200, {})])
    service.route("GET", "/", lambda _: next(answers))
    add(phase, looks)
    run, _ = await conducted(telemetry=False, options={"repeat": 5})

    assert len(run.cases[0].attempts) == 5
    assert (run.cases[0].verdict, run.cases[0].flaky) == (Verdict.FAILED, True)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        ({"min_cases": 2}, "green cases"),
        ({"p95_ms": 0.000001}, "p95 of exchanges"),
        ({"min_coverage": 100.0}, "requirements tagged"),
    ],
)
async def test_a_gate_fails_the_run_with_its_own_exit_code(
    conducted: Conduct,
    phase: Phase,
    service: ScriptedService,
    limits: dict[str, Any],
    name: str,
) -> None:
    """Every case passed, and that was not enough."""

    async def other_requirement(t: CaseContext) -> None:
        answer = await t.service("auth-service").get("/")
        with t.check("status", "right", requirements=["REQ-02"]) as check:
            check.status(answer, 200)

    service.route("GET", "/", Said(200, {}))
    add(phase, other_requirement)
    run, _ = await conducted(telemetry=False, limits=limits)

    assert [g.name for g in run.gates if g.verdict is Verdict.FAILED] == [name]
    assert (run.verdict, exit_code(run)) == (Verdict.FAILED, 4)


async def test_serial_and_parallel_runs_agree(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Verdicts, reasons and checks; and eight really ran side by side."""
    bodies = [looks, vacuous, misses_a_should, bug, skips, plain_value, never_reached]
    service.route("GET", "/", Said(200, {}))
    for body in bodies * 4:
        add(phase, body)
    serial, _ = await conducted(telemetry=False, options={"parallel": 1})
    assert service.in_flight_max == 1
    eight = asyncio.Event()

    async def together(_: Asked) -> Said:
        if service.in_flight == 8:
            eight.set()
        await eight.wait()
        return Said(200, {})

    for body in [looks] * 8:
        add(phase, body)
    phase.cases.sort(key=lambda case: case.body is not looks)
    service.route("GET", "/", together)
    parallel, _ = await conducted(telemetry=False, options={"parallel": 8})

    def judged(run: Run) -> list[tuple[str, Verdict, str, list[tuple[str, Verdict]]]]:
        found = [(c.id, c.verdict, c.reason, checks_of(c)) for c in run.cases]
        return sorted(found)[: len(bodies) * 4]

    assert judged(serial) == judged(parallel)
    assert service.in_flight_max == 8


def checks_of(case: Case) -> list[tuple[str, Verdict]]:
    """Return each check's id and verdict."""
    return [(check.id, check.verdict) for a in case.attempts for check in a.checks]


async def test_the_plan_lies_on_disk_before_the_first_case(
    conducted: Conduct, phase: Phase, service: ScriptedService, tmp_path: Path
) -> None:
    """And what lies there is not green."""
    seen: list[tuple[Any, Run]] = []

    def look(_: Asked) -> Said:
        latest = tmp_path / "runs" / "latest"
        plan = msgspec.json.decode((latest / "plan.json").read_bytes())
        seen.append((plan["cases"], run_json.read(latest)))
        return Said(200, {})

    service.route("GET", "/", look)
    add(phase, looks)
    add(phase, looks)
    run, directory = await conducted(telemetry=False)

    planned, early = seen[0]
    assert planned == ["Z01.01", "Z01.02"]
    assert (early.status, early.verdict) == (Status.RUNNING, Verdict.NOT_RUN)
    assert exit_code(early) == 3
    assert whole(run_json.read(directory), directory) == run
    assert (tmp_path / "runs" / "latest").resolve() == directory


async def test_every_report_is_written(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """One run, one directory, every format."""
    service.route("GET", "/", Said(200, {}))
    add(phase, looks)
    _, directory = await conducted()

    names = {path.name for path in directory.iterdir()}
    assert names >= {"run.json", "report.md", "report.html", "junit.xml", "ctrf.json",
                     "telemetry.jsonl", "plan.json", "journal.jsonl"}  # fmt: skip


async def test_who_only_watches_ends_no_run(
    conducted: Conduct, phase: Phase, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watcher that breaks is told nothing more, and every verdict is there."""
    told: list[str] = []

    def broken(_: Quiet, case: CaseDefinition, __: int) -> None:
        told.append(case.id)
        raise RuntimeError("no terminal")

    monkeypatch.setattr(Quiet, "started", broken)
    service.route("GET", "/", Said(200, {}))
    for _ in range(3):
        add(phase, looks)
    run, _ = await conducted(telemetry=False)

    assert (run.verdict, run.counts.passed, len(told)) == (Verdict.PASSED, 3, 1)


async def test_evidence_that_can_not_be_written_costs_its_case_alone(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """It is an error of the harness, which says so; the run goes on and is reported."""

    async def unwritable(t: CaseContext) -> None:
        async with t.step("a half of a pair: \ud800"):
            await looks(t)

    service.route("GET", "/", Said(200, {}))
    add(phase, unwritable)
    add(phase, looks)
    run, _ = await conducted(telemetry=False)

    assert [case.verdict for case in run.cases] == [Verdict.ERROR, Verdict.PASSED]
    assert "can't be shown: UnicodeEncodeError" in run.cases[0].reason


async def test_a_disk_that_is_full_ends_in_one_error(
    conducted: Conduct, phase: Phase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last case, as any other file that can't be written."""
    add(phase, looks)
    add(phase, looks)
    calls = []

    def full(_self: object, _line: bytes) -> None:
        calls.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ArchiveWriter, "add_line", full)
    with pytest.raises(OSError, match="No space left"):
        await conducted(telemetry=False)
    assert len(calls) == 1
