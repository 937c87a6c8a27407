"""A run without a target starts a platform, judges it, and leaves nothing of it behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from caas_reports.formats import run_json
from caas_reports.model import Status, Verdict

pytestmark = pytest.mark.e2e
CAAS = (sys.executable, "-m", "caas.cli", "conformance", "run")
RUN_TIMEOUT_S = 180.0


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """A folder for everything temporary, by which the run's processes are recognised."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield folder
    for process in processes_of(folder):
        process.kill()


def environment(temporary: Path, **more: str) -> dict[str, str]:
    """Return an environment in which no server is given."""
    kept = {k: v for k, v in os.environ.items() if k not in ("MONGODB_URI", "REDIS_URL")}
    return {**kept, "TMPDIR": str(temporary), **more}


def processes_of(temporary: Path) -> list[psutil.Process]:
    """Return every process whose command line names the folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(temporary) in part for part in process.info["cmdline"] or ())
    ]


def test_health_of_a_real_platform_is_judged_with_its_telemetry(
    temporary: Path, tmp_path: Path
) -> None:
    """Started, judged, joined with traces, reported, stopped, removed: exit code 0."""
    finished = subprocess.run(
        [*CAAS, "--phase", "S01", "--state-dir", str(tmp_path / "state")],
        env=environment(temporary), capture_output=True, text=True, timeout=RUN_TIMEOUT_S,
        check=False,
    )  # fmt: skip

    assert finished.returncode == 0, finished.stdout + finished.stderr
    run = run_json.read(tmp_path / "state" / "runs" / "latest")
    assert run.verdict in (Verdict.PASSED, Verdict.WARNING)
    assert set(run.target.urls) == {"auth-service", "gateway"}
    assert run.correlation.attempts_with_trace == run.correlation.attempts
    assert run.correlation.orphan_spans == 0
    assert all(gate.verdict is Verdict.PASSED for gate in run.gates)
    assert processes_of(temporary) == []
    assert list(temporary.glob("caas-conformance-*")) == []


def test_a_platform_that_does_not_start_is_one_line(temporary: Path, tmp_path: Path) -> None:
    """Exit code 3, what was wrong, and nothing left behind."""
    finished = subprocess.run(
        [*CAAS, "--phase", "S01", "--state-dir", str(tmp_path / "state")],
        env=environment(temporary, CAAS_MONGOD=str(tmp_path / "no-such-mongod")),
        capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False,
    )  # fmt: skip

    assert finished.returncode == 3, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    assert finished.stderr.startswith("Error: the platform did not start: ")
    assert "no-such-mongod" in finished.stderr
    assert processes_of(temporary) == []
    assert list(temporary.glob("caas-conformance-*")) == []


def test_a_killed_run_takes_its_platform_with_it(temporary: Path, tmp_path: Path) -> None:
    """Nobody is left to stop it, so the kernel does."""
    process = subprocess.Popen(
        [*CAAS, "--phase", "S01", "-n", "1", "--state-dir", str(tmp_path / "state")],
        env=environment(temporary), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("S01."):
            break
    platform = processes_of(temporary)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=RUN_TIMEOUT_S)
    _, alive = psutil.wait_procs(platform, timeout=RUN_TIMEOUT_S)

    assert platform
    assert alive == []
    assert processes_of(temporary) == []
    run = run_json.read(tmp_path / "state" / "runs" / "latest")
    assert (run.status, run.verdict) == (Status.RUNNING, Verdict.NOT_RUN)
