"""Several machines take a part of the plan each, and one report is made of them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from caas.stack.servers.embedded import free_port
from caas.testing.patience import PATIENCE_S
from caas_conformance.testing import Asked, Said, ScriptedService, ThreadedServices
from caas_reports.archive import FILENAME
from caas_reports.commands import report
from caas_reports.formats import run_json
from caas_reports.model import Run, Verdict
from caas_reports.testing import whole

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
    case_id = t.trace.correlation_prefix.split(".", 1)[1][:6]
    answer = await t.service("auth-service").get(f"/{case_id}")
    with t.check("path", "the answer is mine") as check:
        check.equal(answer.at("path"), f"/{case_id}")

for number in range(1, 8):
    PHASE.case(
        f"Z01.{number:02d}", f"Case {number}", proves="It.", requirements=[f"R{number}"]
    )(body)
SUITE = Suite(name="scripted", title="scripted", phases="none", requirements=Path(),
              markers="/health")
registry = Registry({
    f"R{n}": Requirement(id=f"R{n}", text="keep it", source="design") for n in range(1, 8)
})
commands.load_suite = lambda _: LoadedSuite(SUITE, [PHASE], registry)
commands.conformance(sys.argv[1:])
"""


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """A service that answers every case's path with itself."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    made = ScriptedService("auth-service", otlp_endpoint=endpoint)

    def itself(asked: Asked) -> Said:
        return Said(200, {"path": asked.path})

    for number in range(1, 8):
        made.route("GET", f"/Z01.{number:02d}", itself)
    with ThreadedServices(made):
        yield made


def conducted(service: ScriptedService, folder: Path, *options: str) -> tuple[int, Path]:
    """Run the suite as another machine would; return the exit code and the run's directory."""
    folder.mkdir()
    (folder / "suite.py").write_text(SUITE)
    assert service.otlp_endpoint is not None
    done = subprocess.run(
        [sys.executable, str(folder / "suite.py"), "run", "--state-dir", str(folder),
         "--url", f"auth-service={service.url}", "--min-coverage", "100", "--min-cases", "7",
         "--otlp-listen", service.otlp_endpoint.removeprefix("http://"), *options],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return done.returncode, (folder / "runs" / "latest").resolve()


def merge(output: Path, *parts: Path) -> Result:
    """Join parts as the command does."""
    return CliRunner().invoke(report, ["merge", *map(str, parts), "--output", str(output)])


def verdicts(run: Run) -> dict[str, Verdict]:
    """Return what was said of each case."""
    return {case.id: case.verdict for case in run.cases}


def test_two_shards_merged_say_what_one_run_says(service: ScriptedService, tmp_path: Path) -> None:
    """Verdicts, gates, evidence and exit code; a requirement that one shard covers is covered."""
    alone, directory = conducted(service, tmp_path / "alone")
    parts = [conducted(service, tmp_path / f"{n}", "--shard", f"{n}/2") for n in (1, 2)]
    merged = merge(tmp_path / "merged", *(path for _, path in parts))

    assert [alone, *(code for code, _ in parts), merged.exit_code] == [0, 0, 0, 0], merged.output
    one, other = run_json.read(directory), run_json.read(tmp_path / "merged" / "latest")
    assert verdicts(other) == verdicts(one)
    assert [(g.name, g.verdict) for g in other.gates] == [(g.name, g.verdict) for g in one.gates]
    assert [len(run_json.read(path).cases) for _, path in parts] == [4, 3]
    for case in whole(other, tmp_path / "merged" / "latest").cases:
        assert case.attempts[0].exchanges[0].url.endswith(f"/{case.id}")
        assert any(span.kind == "server" for span in case.attempts[0].spans)
    assert (tmp_path / "merged" / "latest" / "report.html").is_file()
    assert (tmp_path / "merged" / "latest" / "telemetry.jsonl").stat().st_size == sum(
        (path / "telemetry.jsonl").stat().st_size for _, path in parts
    )
    assert '"shard":"1/2"' in (parts[0][1] / "plan.json").read_text().replace(" ", "")


def test_a_red_shard_makes_the_whole_red(service: ScriptedService, tmp_path: Path) -> None:
    """With the exit code that the whole run would have."""
    service.route("GET", "/Z01.02", Said(200, {"path": "another"}))
    parts = [conducted(service, tmp_path / f"{n}", "--shard", f"{n}/2") for n in (1, 2)]
    merged = merge(tmp_path / "merged", *(path for _, path in parts))

    assert ([code for code, _ in parts], merged.exit_code) == ([0, 1], 1), merged.output
    run = run_json.read(tmp_path / "merged" / "latest")
    gate = next(g for g in run.gates if g.name == "requirements tagged")
    assert (gate.verdict, gate.detail) == (Verdict.FAILED, "6 of 7: R2")


def test_what_is_not_whole_makes_no_report(service: ScriptedService, tmp_path: Path) -> None:
    """A missing shard, one that is there twice, and evidence of something else."""
    one, other = (conducted(service, tmp_path / f"{n}", "--shard", f"{n}/2")[1] for n in (1, 2))
    output = tmp_path / "merged"

    for parts, told in (
        ((one,), "missing: shard 2/2"),
        ((one, other, one), "shard 1/2 is there twice"),
    ):
        refused = merge(output, *parts)
        assert (refused.exit_code, told in refused.output) == (3, True), refused.output
    (other / FILENAME).write_bytes(b"")
    refused = merge(output, one, other)
    assert (refused.exit_code, "of another run" in refused.output) == (3, True), refused.output
    assert not output.exists()
