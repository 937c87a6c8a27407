"""What counts as shown is what a fault has turned red: proofs and mutants say the same."""

import importlib.util
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from caas_conformance.errors import AuthoringError
from caas_conformance.plan import lint, suites
from caas_conformance.plan.requirements import Registry, load
from caas_reports.model import Requirement

PROGRAMS = Path(__file__).parents[2] / "e2e" / "conformance"


@pytest.fixture(scope="module")
def mutants() -> dict[str, Any]:
    """The faults that the platform is given, by name."""
    found: dict[str, Any] = {}
    for name in ("test_mutants", "test_law_mutants"):
        spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= module.MUTANTS
    return found


def test_each_proof_is_a_mutant_that_turns_those_cases_red(mutants: dict[str, Any]) -> None:
    """Else the matrix would show what nobody has tried."""
    registry = suites.load(suites.find("caas")).registry
    proofs = [
        (requirement.id, fault, cases)
        for requirement in registry.requirements.values()
        for fault, cases in requirement.proofs.items()
    ]

    assert proofs
    assert [one for one in proofs if one[1] not in mutants] == []
    assert [one for one in proofs if not one[2] or set(one[2]) - mutants[one[1]].red] == []


def test_a_proof_is_of_a_requirement(tmp_path: Path) -> None:
    """A misspelt id would lower the figure, and nobody would know why."""
    proofs = tmp_path / "proofs.toml"
    proofs.write_text('[NO-SUCH-01]\nbroken = ["S01.01"]\n')
    registry = files("caas_conformance.suites.caas") / "requirements.toml"

    with pytest.raises(AuthoringError, match="NO-SUCH-01"):
        load(registry, proofs)


@pytest.mark.parametrize("text", ["[HLT-01]\nbroken = 7\n", "no toml"])
def test_proofs_that_cannot_be_read_are_told(tmp_path: Path, text: str) -> None:
    """In a line, with the file's name."""
    proofs = tmp_path / "proofs.toml"
    proofs.write_text(text)
    registry = files("caas_conformance.suites.caas") / "requirements.toml"

    with pytest.raises(AuthoringError, match=r"proofs\.toml can't be read"):
        load(registry, proofs)


def test_a_proof_names_a_case_that_there_is() -> None:
    """A case that was renumbered proves nothing any more."""
    proven = Requirement(id="REQ-01", text="keep", source="d", proofs={"broken": ("Z01.99",)})
    (problem,) = lint.lint([], Registry({"REQ-01": proven}))

    assert "broken is said to turn Z01.99 red" in str(problem)
