"""What a run is shown beside: the baseline, the runs before it."""

from pathlib import Path

import msgspec

from caas_reports.archive import NOTHING, Archive
from caas_reports.comparison import baseline, history
from caas_reports.comparison.baseline import Baseline
from caas_reports.comparison.compare import RunComparison
from caas_reports.comparison.history import PastRun
from caas_reports.model import Run


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report shows and that is not in the run itself.

    Attributes:
        baseline: What the run is set beside.
        history: The runs before, oldest first, without the run itself.
        other: The comparison with another run.
        archive: The evidence that the run itself leaves out.
        full: Show the evidence of what passed, too, however much that is.
    """

    baseline: Baseline | None = None
    history: tuple[PastRun, ...] = ()
    other: RunComparison | None = None
    archive: Archive = NOTHING
    full: bool = False

    @classmethod
    def beside(cls, directory: Path, run: Run) -> "Context":
        """Take the baseline of a run's suite, and its runs that lie beside this one's directory."""
        return cls(
            baseline=baseline.of_suite(run.suite),
            archive=Archive.beside(directory, run),
            history=history.read(directory.parent, suite=run.suite, before=directory.name),
        )
