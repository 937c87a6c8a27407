"""Find the suites that are installed, and load one with everything that it refers to."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from caas_conformance.authoring.definition import CaseDefinition, Phase
from caas_conformance.authoring.suite import Suite
from caas_conformance.errors import AuthoringError
from caas_conformance.plan import requirements
from caas_conformance.plan.discovery import discover
from caas_conformance.plan.requirements import Registry
from caas_reports.comparison import baseline as baselines
from caas_reports.comparison.baseline import Baseline
from caas_reports.errors import UnreadableBaselineError

GROUP = "caas_conformance.suites"
PREFERRED = "caas"
"""Taken when nothing is said and there are several: the suite named like the command."""


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite with its phases and requirements, and what its runs are set beside."""

    suite: Suite
    phases: Sequence[Phase]
    registry: Registry
    baseline: Baseline | None = None

    @property
    def cases(self) -> list[CaseDefinition]:
        """Every case, by id."""
        return sorted((c for p in self.phases for c in p.cases), key=lambda case: case.id)


def installed() -> dict[str, EntryPoint]:
    """Return the suites that are there, by name; none of them is imported."""
    return {found.name: found for found in sorted(entry_points(group=GROUP))}


def default_name() -> str:
    """Return the suite that is meant when none is named; empty when that can't be told."""
    names = list(installed())
    if PREFERRED in names:
        return PREFERRED
    return names[0] if len(names) == 1 else ""


def find(name: str | None = None) -> Suite:
    """Import the suite called *name*, or the one that is meant when none is.

    Raises:
        AuthoringError: it is not there, can't be imported, or is no suite.
    """
    known = installed()
    wanted = name or default_name()
    if wanted not in known:
        choice = f"choose from {', '.join(known)}" if known else "none is installed"
        told = f"there is no suite {wanted}" if wanted else "name a suite with --suite"
        raise AuthoringError(f"{told}: {choice}")
    try:
        suite = known[wanted].load()
    except AuthoringError:
        raise
    except Exception as error:
        raise AuthoringError(f"suite {wanted} can't be imported: {error!r}") from error
    if not isinstance(suite, Suite) or suite.name != wanted:
        raise AuthoringError(f"the entry point {wanted} is no suite of this name: {suite!r}")
    return suite


def load(suite: Suite) -> LoadedSuite:
    """Import the suite's phases and read its requirements and its baseline.

    Raises:
        AuthoringError: something of it can't be read.
    """
    phases, registry = discover(suite.phases), requirements.load(suite.requirements, suite.proofs)
    try:
        baseline = baselines.of_suite(suite.name)
    except UnreadableBaselineError as error:
        raise AuthoringError(str(error)) from error
    return LoadedSuite(suite, phases, registry, baseline)
