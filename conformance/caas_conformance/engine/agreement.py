"""From the attempts at a case to what is said of the case."""

from collections.abc import Iterable

from caas_reports.model import GREEN, Verdict

_BY_SEVERITY = (
    Verdict.PASSED,
    Verdict.SKIPPED,
    Verdict.WARNING,
    Verdict.NOT_RUN,
    Verdict.ERROR,
    Verdict.FAILED,
)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the most severe verdict; of none, `not_run`."""
    return max(verdicts, key=_BY_SEVERITY.index, default=Verdict.NOT_RUN)


def is_flaky(verdicts: Iterable[Verdict]) -> bool:
    """Tell whether attempts at one case disagree about green and red."""
    judged = {verdict in GREEN for verdict in verdicts if verdict is not Verdict.SKIPPED}
    return len(judged) > 1
