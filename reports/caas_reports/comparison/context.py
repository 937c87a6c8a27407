"""What a run is shown beside: the baseline, the runs before it."""

from pathlib import Path

import msgspec

from caas_reports.comparison import baseline, history
from caas_reports.comparison.baseline import Baseline
from caas_reports.comparison.compare import RunComparison
from caas_reports.comparison.history import PastRun
from caas_reports.model import Run


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report shows and that is not in the run itself."""

    baseline: Baseline | None = None
    history: tuple[PastRun, ...] = ()  # oldest first, without the run itself
    other: RunComparison | None = None

    @classmethod
    def beside(cls, directory: Path, run: Run) -> "Context":
        """Take the baseline of a run's suite, and its runs that lie beside this one's directory."""
        return cls(
            baseline=baseline.of_suite(run.suite),
            history=history.read(directory.parent, suite=run.suite, before=directory.name),
        )
