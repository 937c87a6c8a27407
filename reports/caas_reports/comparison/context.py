"""What a run is shown beside: the baseline, the runs before it."""

from pathlib import Path

import msgspec

from caas_reports.comparison import baseline, history
from caas_reports.comparison.baseline import Baseline
from caas_reports.comparison.compare import RunComparison
from caas_reports.comparison.history import PastRun


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report shows and that is not in the run itself."""

    baseline: Baseline | None = None
    history: tuple[PastRun, ...] = ()  # oldest first, without the run itself
    other: RunComparison | None = None

    @classmethod
    def beside(cls, directory: Path) -> "Context":
        """Take the committed baseline and the runs that lie beside a run's directory."""
        return cls(
            baseline=baseline.committed(),
            history=history.read(directory.parent, before=directory.name),
        )
