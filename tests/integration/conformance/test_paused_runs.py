"""A machine that stood still is no failure of the platform, and no excuse for one."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.engine import pauses
from caas_conformance.engine.runner import INCONCLUSIVE_MAX
from caas_conformance.testing import Asked, Said, ScriptedService
from caas_conformance.verdicts.judging import exit_code
from caas_reports.model import Run, Verdict

pytestmark = pytest.mark.anyio
Conduct = Callable[..., Awaitable[tuple[Run, Path]]]

PAUSE_S = 2.0
LIST_ITEMS = 60_000


class Machine:
    """A service whose answers may come with a pause of the harness.

    Attributes:
        statuses: The answers to come; the last one repeats.
        pauses: How many of them, from the first on, a pause comes before.
        asked: Requests so far.
    """

    def __init__(self, statuses: list[int], pauses: int) -> None:
        self.statuses = statuses
        self.pauses = pauses
        self.asked = 0
        self.now_s = 0.0

    def answer(self, _: Asked) -> Said:
        """Answer, after a pause or not."""
        if self.asked < self.pauses:
            self.now_s += PAUSE_S
        self.asked += 1
        return Said(self.statuses[min(self.asked, len(self.statuses)) - 1], {})


@pytest.fixture
def machine(
    phase: Phase, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[int], int], Machine]:
    """Add a case that expects 200 of a machine that is told what to do."""

    async def body(t: CaseContext) -> None:
        answer = await t.service("auth-service").get("/")
        with t.check("status", "the status is right") as check:
            check.status(answer, 200)

    def make(statuses: list[int], paused: int) -> Machine:
        made = Machine(statuses, paused)
        monkeypatch.setattr(pauses, "perf_counter", lambda: made.now_s)
        service.route("GET", "/", made.answer)
        phase.case("Z01.01", "Case", proves="It.", requirements=["REQ-01"])(body)
        return made

    return make


Make = Callable[[list[int], int], Machine]


async def test_a_red_attempt_with_a_pause_is_taken_again(conducted: Conduct, machine: Make) -> None:
    """It stays in the report, says why it counts for nothing, and makes nothing flaky."""
    machine([500, 200], 1)
    run, _ = await conducted(options={"inconclusive_max": 5})

    (case,) = run.cases
    first, second = case.attempts
    assert (first.verdict, second.verdict) == (Verdict.ERROR, Verdict.PASSED)
    assert first.failure is not None
    assert first.failure.kind == "environment"
    assert first.failure.message.startswith("inconclusive: the machine stood still for ")
    assert first.checks[0].verdict is Verdict.FAILED
    assert (case.verdict, case.flaky, exit_code(run)) == (Verdict.PASSED, False, 0)
    assert run.correlation.attempts == 1
    gate = next(g for g in run.gates if g.name == "inconclusive attempts")
    assert (gate.verdict, gate.actual) == (Verdict.PASSED, "1")
    assert "Z01.01" in gate.detail


@pytest.mark.parametrize("options", [{}, {"fail_fast": True}, {"retries": 1}])
async def test_a_failure_without_a_pause_counts(
    conducted: Conduct, machine: Make, options: dict[str, int]
) -> None:
    """After one that does not count, too."""
    machine([500], 1)
    run, _ = await conducted(telemetry=False, options={"inconclusive_max": 5, **options})

    verdicts = [attempt.verdict for attempt in run.cases[0].attempts]
    assert verdicts == [Verdict.ERROR] + [Verdict.FAILED] * (1 + options.get("retries", 0))
    assert (run.cases[0].verdict, exit_code(run)) == (Verdict.FAILED, 1)


async def test_what_is_red_again_is_red(conducted: Conduct, machine: Make) -> None:
    """A machine that stands still each time excuses a case once."""
    machine([500, 500, 200], 100)
    run, _ = await conducted(telemetry=False, options={"inconclusive_max": INCONCLUSIVE_MAX})

    verdicts = [attempt.verdict for attempt in run.cases[0].attempts]
    assert verdicts == [Verdict.ERROR, Verdict.FAILED]
    assert exit_code(run) == 1


async def test_a_service_can_t_excuse_itself_by_what_it_logs(
    conducted: Conduct, machine: Make, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A huge list with each failure keeps the runner busy; the failure counts all the same."""
    machine([500, 200], 0)
    monkeypatch.undo()
    huge = [{"intValue": str(number)} for number in range(LIST_ITEMS)]

    def log_it(_: dict[str, Any], log: dict[str, Any]) -> None:
        log["body"] = {"arrayValue": {"values": huge}}

    service.fault = log_it
    run, _ = await conducted(options={"inconclusive_max": INCONCLUSIVE_MAX})

    (attempt,) = run.cases[0].attempts
    assert attempt.verdict is Verdict.FAILED
    assert len(attempt.logs) == 1
    assert exit_code(run) == 1


async def test_pauses_do_not_excuse_for_ever(conducted: Conduct, machine: Make) -> None:
    """A platform that stops the machine itself is found out."""
    machine([500], 100)
    run, _ = await conducted(telemetry=False, options={"inconclusive_max": 2})

    verdicts = [attempt.verdict for attempt in run.cases[0].attempts]
    assert verdicts == [Verdict.ERROR, Verdict.ERROR, Verdict.FAILED]
    assert exit_code(run) == 1


async def test_a_machine_that_stands_still_all_the_time_judges_nothing(
    conducted: Conduct, machine: Make
) -> None:
    """Green in the end, and still not to be relied on."""
    machine([*[500] * 6, 200], 100)
    run, _ = await conducted(telemetry=False, options={"inconclusive_max": 10})

    assert run.cases[0].verdict is Verdict.PASSED
    assert [g.name for g in run.gates if g.verdict is Verdict.FAILED] == ["inconclusive attempts"]
    assert exit_code(run) == 4


async def test_a_green_attempt_with_a_pause_is_green(conducted: Conduct, machine: Make) -> None:
    """What held in spite of it holds."""
    made = machine([200], 1)
    run, _ = await conducted(telemetry=False, options={"inconclusive_max": 5})

    assert (made.asked, run.verdict) == (1, Verdict.PASSED)
