"""Who tests the harness: the platform is broken on purpose, and the runner has to say where.

Each mutant (`faults/`, one module a kind) is one fault that a real change could bring. This file is
also the program that starts a broken platform: it patches the services' modules and then calls the
command line; the supervisor forks its services from that process, so they carry the fault.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

from faults import MUTANTS  # noqa: E402 - found only from here on

from caas_reports.causes.grouping import causes  # noqa: E402
from caas_reports.formats import run_json  # noqa: E402
from caas_reports.model import Run, Verdict  # noqa: E402

pytestmark = pytest.mark.e2e

RUN_TIMEOUT_S = 180
GREEN = 0
CHECK_FAILED = 1
MUTANTS_MIN = 60


@contextmanager
def platform(mutant: str, directory: Path, endpoint: str) -> Iterator[Path]:
    """Run the platform with *mutant*'s fault until the block ends; give its stack file."""
    state = ["--state-dir", str(directory)]
    command = [sys.executable, __file__, mutant]
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    # One case sends requests until it is refused; a low limit keeps its evidence small.
    env["CAAS_GATEWAY_LIMIT_FREE_REQUESTS"] = "150"
    subprocess.run(
        [*command, "up", "--ports", "auto", "--detach", "--ephemeral", *state],
        env=env,
        check=True,
        timeout=RUN_TIMEOUT_S,
        capture_output=True,
    )
    try:
        yield directory / "stack.json"
    finally:
        subprocess.run([*command, "down", *state], env=env, check=True, timeout=RUN_TIMEOUT_S)


def judged(mutant: str, phases: tuple[str, ...], tmp_path: Path, port: int) -> tuple[int, Run]:
    """Run *phases* against the broken platform; return the exit code and the run."""
    with platform(mutant, tmp_path / "stack", f"http://127.0.0.1:{port}") as stack:
        state = tmp_path / "runs"
        chosen = [word for phase in phases for word in ("--phase", phase)]
        command = [sys.executable, "-m", "caas.cli", "conformance", "run", *chosen, "--json"]
        command += ["--target", str(stack), "--otlp-listen", f"127.0.0.1:{port}"]
        done = subprocess.run(
            [*command, "--state-dir", str(state)],
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
    report = state / "runs" / "latest"
    assert (report / "run.json").exists(), done.stderr
    return done.returncode, run_json.read(report)


def red(run: Run) -> set[str]:
    """Return the ids of the cases that are not green."""
    green = {Verdict.PASSED, Verdict.WARNING}
    return {case.id for case in run.cases if case.verdict not in green}


def failed_checks(run: Run) -> list[str]:
    """Return the ids of the checks that failed, of every case."""
    attempts = [attempt for case in run.cases for attempt in case.attempts]
    checks = [check for attempt in attempts for check in attempt.checks]
    return [check.id for check in checks if check.verdict is Verdict.FAILED]


def test_there_are_mutants_of_every_kind() -> None:
    """A suite is worth what it notices: the list does not shrink unseen."""
    assert len(MUTANTS) >= MUTANTS_MIN
    assert len({mutant.fault for mutant in MUTANTS.values()}) == len(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_runner_names_what_is_broken(name: str, tmp_path: Path, free_port: int) -> None:
    """A fault turns its own case red, at the service that has it, and not the whole suite."""
    mutant = MUTANTS[name]

    code, run = judged(name, mutant.phases, tmp_path, free_port)

    assert code == CHECK_FAILED
    assert run.verdict is Verdict.FAILED
    assert mutant.red <= red(run), f"{mutant.fault}: {sorted(red(run))}"
    if mutant.place:
        assert mutant.place in {cause.service for cause in causes(run).causes}
    if mutant.only == "contract":
        assert all(check.startswith("contract-") for check in failed_checks(run))
    if mutant.phases not in {("X07",), ("L00",), ("L06",)}:  # where it may be every case's
        assert len(red(run)) < len(run.cases)


def test_the_same_cases_are_green_when_nothing_is_broken(tmp_path: Path, free_port: int) -> None:
    """The control: red above is the fault's doing, not the set-up's."""
    phases = tuple(sorted({phase for mutant in MUTANTS.values() for phase in mutant.phases}))

    code, run = judged("nothing", phases, tmp_path, free_port)

    assert (code, red(run)) == (GREEN, set())


if __name__ == "__main__":
    if sys.argv[1] != "nothing":
        MUTANTS[sys.argv[1]].apply()
    from caas.cli.main import main

    sys.argv = ["caas", *sys.argv[2:]]
    main()
