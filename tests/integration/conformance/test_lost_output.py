"""What nobody reads is lost, and nothing else: verdicts, reports and exit codes are true."""

import fcntl
import mmap
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from caas.testing.patience import PATIENCE_S
from caas_conformance.testing import Asked, Said, ScriptedService, ThreadedServices
from caas_reports.formats import run_json
from caas_reports.model import Run, Status, Verdict

SUITE = """
import sys
from pathlib import Path
from caas.cli.main import main
from caas_conformance.cli import commands
from caas_conformance.authoring import Phase, Suite
from caas_conformance.plan.requirements import Registry
from caas_conformance.plan.suites import LoadedSuite
from caas_reports.model import Requirement

PHASE = Phase("Z01", "Füße ☃", "Cases of one test.")

async def body(t):
    answer = await t.service("auth-service").get("/")
    with t.check("status", "the status is right") as check:
        check.equal(answer.at("naïve"), "☃")

async def green(t):
    answer = await t.service("auth-service").get("/")
    with t.check("status", "the status is right") as check:
        check.status(answer, 200)

for number in range(1, 30):
    PHASE.case(f"Z01.{number:02}", f"Füße {number}", proves="It.", requirements=["R"])(
        body if number == 7 else green
    )
SUITE = Suite(name="caas", title="scripted", phases="none", requirements=Path())
registry = Registry({"R": Requirement(id="R", text="keep it", source="design")})
commands.load_suite = lambda _: LoadedSuite(SUITE, [PHASE], registry)
main()
"""
MANY = 400
ASCII = {"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """A service that answers in another script."""
    made = ScriptedService("auth-service")
    made.route("GET", "/", Said(200, {"naïve": "☃\u202e\x1b[2J"}))
    with ThreadedServices(made):
        yield made


@pytest.fixture
def command(service: ScriptedService, tmp_path: Path) -> list[str]:
    """The command of a run with 28 green cases and a red one."""
    script = tmp_path / "suite.py"
    script.write_text(SUITE)
    return [
        sys.executable, str(script), "conformance", "run", "--no-telemetry",
        "--state-dir", str(tmp_path / "state"), "--url", f"auth-service={service.url}",
    ]  # fmt: skip


def judged(state: Path) -> Run:
    """Return the run, which must be whole."""
    run = run_json.read(state / "runs" / "latest")
    assert (run.status, run.verdict) == (Status.FINISHED, Verdict.FAILED)
    assert (run.counts.passed, run.counts.failed, run.counts.flaky) == (28, 1, 0)
    for name in ("report.html", "report.md", "junit.xml", "ctrf.json"):
        assert (state / "runs" / "latest" / name).stat().st_size
    return run


@pytest.mark.parametrize(
    ("redirection", "environ", "more"),
    [
        pytest.param(">/dev/full", {}, [], id="full disk"),
        pytest.param(">/dev/full 2>&1", {}, ["--json"], id="full disk for both"),
        pytest.param(">&-", {}, [], id="no output"),
        pytest.param("2>&-", {}, ["--json"], id="no errors"),
        pytest.param("<&- >&- 2>&-", {}, [], id="no stream at all"),
        pytest.param("", ASCII, [], id="ASCII alone"),
        pytest.param(">/dev/full", {**ASCII, "PYTHONUNBUFFERED": "1"}, [], id="unbuffered"),
        pytest.param("> >(exec true)", {}, [], id="nobody reads"),
        pytest.param("> >(exec true)", {}, ["--json"], id="nobody reads the JSON"),
        pytest.param("> >(exec head -c 40 >/dev/null) 2>&1", {}, [], id="the reader leaves"),
    ],
)
def test_a_run_goes_on_without_its_output(
    command: list[str], tmp_path: Path, redirection: str, environ: dict[str, str], more: list[str]
) -> None:
    """Its exit code is that of its one red case."""
    done = subprocess.run(
        ["/bin/bash", "-c", f'exec "$@" {redirection}', "bash", *command, *more],
        env={**os.environ, **environ}, capture_output=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip

    assert done.returncode == 1, done.stdout + done.stderr
    judged(tmp_path / "state")
    assert b"Traceback" not in done.stderr + done.stdout
    assert b"Exception ignored" not in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr
    if environ is ASCII:
        assert done.stdout.isascii()
        assert b"\\u2603" in done.stdout


def test_a_reader_who_does_not_read_holds_up_no_run(
    service: ScriptedService, tmp_path: Path
) -> None:
    """As a pager does; all of it is there when it reads on."""
    asked: list[Asked] = []
    all_asked = threading.Event()

    def count(request: Asked) -> Said:
        asked.append(request)
        if len(asked) == MANY:
            all_asked.set()
        return Said(200, {"naïve": "☃"})

    service.route("GET", "/", count)
    script = tmp_path / "suite.py"
    script.write_text(SUITE.replace("range(1, 30)", f"range(1, {MANY + 1})"))
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, mmap.PAGESIZE)
    child = subprocess.Popen(
        [sys.executable, str(script), "conformance", "run", "--no-telemetry", "--state-dir",
         str(tmp_path / "state"), "--url", f"auth-service={service.url}"],
        stdout=writing,
    )  # fmt: skip
    os.close(writing)
    went_on = all_asked.wait(PATIENCE_S)
    with os.fdopen(reading, "rb") as pipe:
        output = pipe.read().decode()

    assert went_on
    assert child.wait(PATIENCE_S) == 0
    assert len([line for line in output.splitlines() if line.startswith("Z01.")]) == MANY


def test_a_terminal_that_goes_away_ends_no_run(command: list[str], tmp_path: Path) -> None:
    """As when a connection to the machine breaks."""
    master, slave = pty.openpty()
    child = subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave)
    os.close(slave)
    os.read(master, 1)
    os.close(master)

    assert child.wait(PATIENCE_S) == 1
    judged(tmp_path / "state")


@pytest.mark.parametrize("redirection", ["2>&-", ">/dev/full 2>&1"])
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--url", "x"], 2),
        (["--no-such-option"], 2),
        (["--url", "auth-service=http://127.0.0.1:1"], 3),
    ],
)
def test_what_goes_wrong_has_its_code_without_its_words(
    command: list[str], redirection: str, options: list[str], code: int
) -> None:
    """Wrong usage and a missing platform."""
    done = subprocess.run(
        ["/bin/bash", "-c", f'exec "$@" {redirection}', "bash", *command[:-2], *options],
        capture_output=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip

    assert done.returncode == code
