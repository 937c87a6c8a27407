"""A run that is stopped, or killed, leaves a report that is not green."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from caas.testing.patience import PATIENCE_S
from caas_conformance.engine.run_directory import Journal, RunDirectory, read_journal
from caas_conformance.session.recovery import recover_killed_runs
from caas_conformance.testing import Asked, Said, ScriptedService, ThreadedServices
from caas_conformance.verdicts.judging import exit_code
from caas_reports.formats import run_json
from caas_reports.model import Run, Status, Verdict
from caas_reports.testing import build_run, whole

SUITE = """
import sys
from pathlib import Path
from caas_conformance.cli import commands
from caas_conformance.authoring import Phase, Suite
from caas_conformance.plan.requirements import Registry
from caas_conformance.plan.suites import LoadedSuite
from caas_reports.model import Requirement

PHASE = Phase("Z01", "Made for the test", "Cases of one test.")

async def body(t):
    path = "/hang" if hangs(len(seen)) else "/quick"
    answer = await t.service("auth-service").get(path, timeout_s=600)
    with t.check("status", "the status is right") as check:
        check.status(answer, 200)

seen = []
def hangs(n):
    seen.append(n)
    return n == 1

for number in range(1, 5):
    PHASE.case(f"Z01.0{number}", f"Case {number}", proves="It.", requirements=["R"])(body)
SUITE = Suite(name="caas", title="scripted", phases="none", requirements=Path())
registry = Registry({"R": Requirement(id="R", text="keep it", source="design")})
commands.load_suite = lambda _: LoadedSuite(SUITE, [PHASE], registry)
commands.conformance(sys.argv[1:])
"""


@pytest.fixture
def hanging() -> Iterator[tuple[ScriptedService, Path]]:
    """A service that answers `/quick` and touches a pipe when `/hang` is asked, then hangs."""
    service = ScriptedService("auth-service")
    reached, told = os.pipe()

    async def hang(_: Asked) -> Said:
        import asyncio  # noqa: PLC0415 - in the service's own loop

        os.write(told, b"x")
        await asyncio.Event().wait()
        return Said()

    service.route("GET", "/quick", Said(200, {}))
    service.route("GET", "/hang", hang)
    with ThreadedServices(service):
        yield service, Path(f"/dev/fd/{reached}")
    os.close(reached)
    os.close(told)


def start(
    service: ScriptedService, state: Path, suite: Path, *options: str
) -> subprocess.Popen[str]:
    """Start a run of four cases whose second hangs."""
    suite.write_text(SUITE)
    return subprocess.Popen(
        [sys.executable, str(suite), "run", "-n", "1", "--no-telemetry", "--state-dir", str(state),
         "--url", f"auth-service={service.url}", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_until_it_hangs(pipe: Path) -> None:
    """Return when the second case waits for its answer."""
    reached = int(pipe.name)
    assert select.select([reached], [], [], PATIENCE_S)[0], "the run never got there"
    assert os.read(reached, 1) == b"x"


def the_run(state: Path) -> Run:
    """Read the newest run."""
    return run_json.read(state / "runs" / "latest")


def test_an_interrupt_ends_in_order_with_reports(
    hanging: tuple[ScriptedService, Path], tmp_path: Path
) -> None:
    """What was judged stays judged, what ran is aborted, what was planned is not_run."""
    service, pipe = hanging
    process = start(service, tmp_path / "state", tmp_path / "suite.py")
    wait_until_it_hangs(pipe)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_S)

    run = the_run(tmp_path / "state")
    assert process.returncode == 3, output
    assert run.status is Status.ABORTED
    assert [case.verdict for case in run.cases] == [
        Verdict.PASSED, Verdict.ERROR, Verdict.NOT_RUN, Verdict.NOT_RUN,
    ]  # fmt: skip
    assert run.cases[1].attempts[0].status is Status.ABORTED
    assert run.cases[1].attempts[0].exchanges[0].url.endswith("/hang")
    assert "aborted by SIGINT" in run.cases[3].reason
    assert (tmp_path / "state" / "runs" / "latest" / "report.html").exists()


def test_an_aborted_attempt_makes_no_case_flaky(
    hanging: tuple[ScriptedService, Path], tmp_path: Path
) -> None:
    """It was not let finish, so it does not disagree with the one that passed."""
    service, pipe = hanging
    options = ("--case", "Z01.01", "--repeat", "2")
    process = start(service, tmp_path / "state", tmp_path / "suite.py", *options)
    wait_until_it_hangs(pipe)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=PATIENCE_S)

    run = the_run(tmp_path / "state")
    (case,) = run.cases
    assert [a.status for a in case.attempts] == [Status.FINISHED, Status.ABORTED]
    assert (case.flaky, run.counts.flaky, process.returncode) == (False, 0, 3), output


def test_a_run_is_alive_as_long_as_it_holds_its_journal(tmp_path: Path) -> None:
    """Not as long as somebody has its process id: in containers ids are others', and repeat."""
    directory = RunDirectory.create(tmp_path, "20260101T000000Z-00000000")
    run = msgspec.structs.replace(build_run(3), status=Status.RUNNING)
    directory.write_run(run)
    journal = directory.journal()
    journal.begin(run.run_id, 3)
    alive = recover_killed_runs(tmp_path)
    journal.close()  # as the kernel does for a process that is gone; this one is not

    assert alive == []
    assert recover_killed_runs(tmp_path) == [directory.path]
    assert run_json.read(directory.path).status is Status.ABORTED


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    """A disk that was full for a while loses no verdict of before and after."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("judged", case="A")
    os.write(journal._descriptor, b'{"event": "jud\n')
    journal.write("judged", case="B")
    journal.close()

    assert [e["case"] for e in read_journal(tmp_path / "journal.jsonl")] == ["A", "B"]


def test_a_killed_run_is_finished_by_the_next_one(
    hanging: tuple[ScriptedService, Path], tmp_path: Path
) -> None:
    """Nobody could write anything any more, and still no green report lies there."""
    service, pipe = hanging
    runs = tmp_path / "state" / "runs"
    process = start(service, tmp_path / "state", tmp_path / "suite.py")
    wait_until_it_hangs(pipe)
    assert recover_killed_runs(runs) == []  # it still runs
    process.kill()
    process.communicate(timeout=PATIENCE_S)

    left = the_run(tmp_path / "state")
    assert (left.status, left.verdict, exit_code(left)) == (Status.RUNNING, Verdict.NOT_RUN, 3)

    recovered = recover_killed_runs(runs)
    run = the_run(tmp_path / "state")
    assert [path.name for path in recovered] == [run.run_id]
    assert (run.status, run.verdict, exit_code(run)) == (Status.ABORTED, Verdict.ERROR, 3)
    assert [case.verdict for case in run.cases] == [Verdict.PASSED, *[Verdict.NOT_RUN] * 3]
    assert "killed" in run.cases[1].reason
    assert recover_killed_runs(runs) == []


def test_a_killed_run_keeps_the_evidence_that_it_wrote(
    hanging: tuple[ScriptedService, Path], tmp_path: Path
) -> None:
    """A repetition begins when the one before is on disk."""
    service, pipe = hanging
    options = ("--case", "Z01.01", "--repeat", "2")
    process = start(service, tmp_path / "state", tmp_path / "suite.py", *options)
    wait_until_it_hangs(pipe)
    process.kill()
    process.communicate(timeout=PATIENCE_S)

    (path,) = recover_killed_runs(tmp_path / "state" / "runs")
    (attempt,) = whole(the_run(tmp_path / "state"), path).cases[0].attempts
    assert attempt.exchanges[0].url.endswith("/quick")
