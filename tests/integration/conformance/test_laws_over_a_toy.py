"""A service that nobody wrote a case for: document, table of facts, and the laws find it out."""

import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from caas_conformance.authoring import ContractFacts, Suite
from caas_conformance.authoring.definition import Phase
from caas_conformance.cli.progress import Quiet
from caas_conformance.engine.runner import Options
from caas_conformance.engine.targets import FoundTarget
from caas_conformance.laws import every_law
from caas_conformance.plan.requirements import Registry
from caas_conformance.plan.suites import LoadedSuite
from caas_conformance.session.conduct import RunRequest, conduct
from caas_reports.figures import GateLimits
from caas_reports.model import Requirement, Run, Verdict

pytestmark = pytest.mark.anyio
TOY = Path(__file__).parent / "toy"
REGISTRY = Registry({"REQ-01": Requirement(id="REQ-01", text="keep it", source="design")})
Judge = Callable[[str], Awaitable[Run]]


def _facts() -> Any:
    spec = util.spec_from_file_location("toy_facts", TOY / "facts.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(fault: str) -> tuple[subprocess.Popen[str], str]:
    """Start the toy and return it with its URL."""
    toy = subprocess.Popen(
        [sys.executable, TOY / "server.py", fault], stdout=subprocess.PIPE, text=True
    )
    assert toy.stdout is not None
    return toy, f"http://127.0.0.1:{toy.stdout.readline().strip()}"


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    """Run every law against the toy with a fault, or with none."""
    started: list[subprocess.Popen[str]] = []

    async def run(fault: str) -> Run:
        toy, url = start(fault)
        started.append(toy)
        phases: list[Phase] = every_law(_facts().BOOK)
        suite = Suite(
            name="toy",
            title="a toy",
            phases="none",
            requirements=Path(),
            document="/openapi.json",
            contract=ContractFacts(
                public_members=frozenset({"key"}), unseen={}, requirements=("REQ-01",)
            ),
        )
        request = RunRequest(
            suite=LoadedSuite(suite, phases, REGISTRY),
            plan=[case for phase in phases for case in phase.cases],
            options=Options(inconclusive_max=0),
            limits=GateLimits(telemetry=False),
            runs=tmp_path / "runs",
            command="caas conformance run",
            target=FoundTarget({"toy": url}, "toy"),
            telemetry=False,
        )
        found, _ = await conduct(request, Quiet())
        return found

    yield run
    for process in started:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def red(run: Run) -> set[str]:
    """Return the ids of the cases that are not green; those for want of telemetry aside."""
    fine = {Verdict.PASSED, Verdict.SKIPPED}
    return {case.id for case in run.cases if case.verdict not in fine}


async def test_a_sound_toy_is_green(judge: Judge) -> None:
    """Every law has its share of cases, and all of them pass: red below is the fault's doing."""
    run = await judge("")

    assert red(run) == set()
    laws = {case.id[:3] for case in run.cases}
    assert laws >= {"L00", "L01", "L02", "L03", "L04", "L05", "L07"}
    assert {f"L01.T0{n}" for n in range(2, 9)} <= {case.id for case in run.cases}


@pytest.mark.parametrize(
    ("fault", "found_by"),
    [
        ("scope-unchecked", {"L01.T03", "L01.T04", "L01.T05", "L01.T06", "L01.T07", "L01.T08"}),
        ("others-notes", {"L01.T07", "L01.T08"}),
        ("page-repeats", {"L03.T05"}),
        ("undead", {"L04.T08"}),
        ("lost-write", {"L05.T04"}),
        ("milliseconds", {"L07.T11"}),
        ("immortal", {"L07.T511"}),
        ("undocumented", {"L01.T03", "L05.T04"}),
        ("unrecorded-unchecked", {"L09.T03", "L09.T08"}),
    ],
)
async def test_a_fault_is_found_by_the_law_it_breaks(
    judge: Judge, fault: str, found_by: set[str]
) -> None:
    """Nobody wrote a case for it."""
    assert found_by <= red(await judge(fault))
