"""A run of any length: its evidence goes to disk as it comes, and memory stays where it was."""

import gzip
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from caas.stack.servers.embedded import free_port
from caas.testing.patience import PATIENCE_S
from caas_conformance.testing import Said, ScriptedService, ThreadedServices
from caas_reports.archive import FILENAME, Archive
from caas_reports.formats import run_json
from caas_reports.model import Verdict

ATTEMPTS = 2_016
BODY_BYTES = 50_000
MEMORY_MAX_KB = 400 * 1024
"""What a run of 10,000 attempts may take. Kept in memory, the bodies alone are as much again."""

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
    answer = await t.service("auth-service").get("/large")
    with t.check("status", "the status is right") as check:
        check.status(answer, 200)
        check.equal(answer.size, %d if t.trace.correlation_prefix.endswith("Z01.01.1") else 50000)

for number in range(1, 25):
    PHASE.case(f"Z01.{number:02d}", f"Case {number}", proves="It.", requirements=["R"])(body)
SUITE = Suite(name="caas", title="scripted", phases="none", requirements=Path(), markers="/health")
registry = Registry({"R": Requirement(id="R", text="keep it", source="design")})
commands.load_suite = lambda _: LoadedSuite(SUITE, [PHASE], registry)
try:
    commands.conformance(sys.argv[1:])
finally:
    # Not getrusage: its peak is inherited, through the fork, from whoever started this.
    peak = next(l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l)
    print("peak", peak.split()[1])
"""


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """2,016 attempts, each with 50 kB of evidence; one is red. The directory and the peak in kB."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "suite.py").write_text(SUITE % 1)
    endpoint = f"http://127.0.0.1:{free_port()}"
    service = ScriptedService("auth-service", otlp_endpoint=endpoint)
    body = b"All work and no play. ".ljust(50, b".") * (BODY_BYTES // 50)
    service.route("GET", "/large", Said(200, body, {"content-type": "text/plain"}))
    with ThreadedServices(service):
        done = subprocess.run(
            [sys.executable, str(folder / "suite.py"), "run", "--repeat", str(ATTEMPTS // 24),
             "--json", "--state-dir", str(folder), "--url", f"auth-service={service.url}",
             "--otlp-listen", endpoint.removeprefix("http://")],
            capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    peak = int(done.stdout.rpartition("peak ")[2])
    return (folder / "runs" / "latest").resolve(), peak


def test_memory_does_not_grow_with_the_run(long_run: tuple[Path, int]) -> None:
    """The peak is the process's own, reports included."""
    _, peak_kb = long_run

    assert peak_kb < MEMORY_MAX_KB


def test_the_evidence_of_every_attempt_is_there_once(long_run: tuple[Path, int]) -> None:
    """In full, packed; `run.json` lists what passed and tells what failed."""
    directory, _ = long_run
    run = run_json.read(directory)
    kept = Archive.beside(directory, run)
    attempts = [(case.id, attempt) for case in run.cases for attempt in case.attempts]

    assert len(attempts) == run.evidence.attempts == ATTEMPTS
    assert {(line.case, line.attempt.number) for line in kept.everything()} == {
        (case_id, attempt.number) for case_id, attempt in attempts
    }
    red = [attempt for _, attempt in attempts if attempt.verdict is Verdict.FAILED]
    assert [bool(attempt.exchanges) for attempt in red] == [True]
    passed = attempts[-1][1]
    assert passed.exchanges == ()
    assert kept.full(passed).exchanges[0].response.body_bytes == BODY_BYTES
    assert (directory / "run.json").stat().st_size < ATTEMPTS * 2_000
    assert (directory / "report.md").stat().st_size < 4 * BODY_BYTES
    assert b"All work and no play" in (directory / "report.md").read_bytes()


def test_the_telemetry_of_every_attempt_is_there(long_run: tuple[Path, int]) -> None:
    """Each attempt's records, and the markers' too."""
    directory, _ = long_run
    run = run_json.read(directory)
    lines = map(msgspec.json.decode, (directory / "telemetry.jsonl").read_bytes().splitlines())
    traces = {
        span["traceId"]
        for line in lines
        for resource in line.get("resourceSpans", ())
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }

    assert {a.trace_id for case in run.cases for a in case.attempts} <= traces
    assert run.correlation.attempts_with_trace == run.correlation.attempts == ATTEMPTS
    assert run.correlation.owned_spans == ATTEMPTS
    assert len(gzip.decompress((directory / FILENAME).read_bytes()).splitlines()) == ATTEMPTS
