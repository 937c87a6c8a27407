"""A suite of another distribution judges another system, with nothing of the platform there."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from caas.testing.patience import PATIENCE_S
from caas_reports.formats import run_json
from caas_reports.model import Verdict

ROOT = Path(__file__).parents[3]
SOURCE = Path(__file__).parent / "foreign_suite"
REPORTS = {"run.json", "report.html", "report.md", "junit.xml", "ctrf.json"}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the suite and the runner, and without the platform."""
    folder = tmp_path_factory.mktemp("foreign")
    source = shutil.copytree(SOURCE, folder / "source")
    venv.create(folder / "venv")
    interpreter = folder / "venv" / "bin" / "python"
    uv = Path(sys.executable).parent / "uv"
    _finished(uv, "pip", "install", "--offline", "--no-deps", "--no-cache", "--python",
              interpreter, source)  # fmt: skip
    told = _finished(
        interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"
    ).stdout.strip()
    # The runner's packages by their folders, what they depend on by the folder it is installed
    # in: a folder that is named here has its own links, such as the platform's, not followed.
    seen = [ROOT / name for name in ("conformance", "observability", "reports")]
    links = "\n".join(map(str, [*seen, sysconfig.get_path("purelib")]))
    (Path(told) / "runner.pth").write_text(links)
    return interpreter


@pytest.fixture
def greeter(python: Path, tmp_path: Path) -> Iterator[str]:
    """The system under test, started by nobody of ours; gives its URL."""
    with subprocess.Popen(
        [python, "-m", "greeter_suite.server", tmp_path], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        target = msgspec.json.decode((tmp_path / "greeter.json").read_bytes())
        yield target["services"]["greeter"]["url"]
        process.terminate()


def _finished(*command: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    finished = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert finished.returncode == code, finished.stdout + finished.stderr
    return finished


def test_the_platform_is_not_there(python: Path) -> None:
    """Else the rest would prove nothing."""
    found = _finished(
        python, "-c", "from importlib.util import find_spec as f; print(f('caas'), f('litestar'))"
    )

    assert found.stdout.startswith("None ModuleSpec")


def test_a_strangers_suite_is_listed_like_ours(python: Path) -> None:
    """Plan, cases, requirements and one case, without the platform's suite being imported."""
    runner = (python, "-m", "caas_conformance")
    listed = _finished(*runner, "list", "--suite", "greeter", "--json")
    planned = _finished(*runner, "plan", "--suite", "greeter")
    explained = _finished(*runner, "explain", "--suite", "greeter", "G01.02")
    unknown = _finished(*runner, "list", "--suite", "grumbler", code=2)

    assert [case["id"] for case in msgspec.json.decode(listed.stdout)] == ["G01.01", "G01.02"]
    assert "2 cases; they leave 0 of 2 requirements uncovered" in planned.stdout
    assert "caas conformance run --case G01.02 --suite greeter" in explained.stdout
    assert "there is no suite grumbler: choose from caas, greeter" in unknown.stderr


@pytest.mark.parametrize("by_url", [False, True])
def test_verdicts_and_reports_of_a_foreign_system(
    python: Path, greeter: str, tmp_path: Path, *, by_url: bool
) -> None:
    """One case passes, one finds the fault; started by the suite or by somebody else."""
    target = ["--url", f"greeter={greeter}"] if by_url else []
    finished = _finished(
        python, "-m", "caas_conformance", "run", "--suite", "greeter", "-n", "2",
        "--state-dir", tmp_path / "state", *target, code=1,
    )  # fmt: skip

    directory = tmp_path / "state" / "runs" / "latest"
    run = run_json.read(directory)
    assert run.suite == "greeter"
    assert {case.id: case.verdict for case in run.cases} == {
        "G01.01": Verdict.PASSED,
        "G01.02": Verdict.FAILED,
    }
    assert run.target.urls["greeter"].startswith("http://127.0.0.1:")
    assert (run.target.urls["greeter"] == greeter) is by_url
    assert run.cases[1].reproduce.startswith("caas conformance run --case G01.02 --suite greeter")
    assert {gate.verdict for gate in run.gates} <= {Verdict.PASSED, Verdict.SKIPPED}
    assert {path.name for path in directory.iterdir()} >= REPORTS
    assert b"G01.02" in (directory / "report.html").read_bytes()
    assert "FAILED  2 cases: 1 passed, 1 failed" in finished.stdout
    assert "seed" not in finished.stdout


def test_telemetry_that_nobody_could_wait_for_is_not_promised(python: Path, greeter: str) -> None:
    """The greeter exports nothing, so a run that is to judge it is refused."""
    refused = _finished(
        python, "-m", "caas_conformance", "run", "--suite", "greeter", "--telemetry",
        "--url", f"greeter={greeter}", code=2,
    )  # fmt: skip

    assert "do not export when asked to: --no-telemetry" in refused.stderr
