"""From the cases to the run: counts, verdict and exit code."""

from collections.abc import Sequence

from caas_reports.model import GREEN, Case, Counts, Run, Status, Verdict

EXIT_GREEN = 0
EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = 3
EXIT_GATE = 4


def count(cases: Sequence[Case], *, vacuous: int = 0) -> Counts:
    """Count the cases by verdict."""
    by_verdict = dict.fromkeys(Verdict, 0)
    for case in cases:
        by_verdict[case.verdict] += 1
    return Counts(
        planned=len(cases),
        **{verdict.value: number for verdict, number in by_verdict.items()},
        vacuous=vacuous,
        flaky=sum(case.flaky for case in cases),
    )


def verdict_of_run(run: Run) -> Verdict:
    """Judge a run: green only when every planned case was judged and every gate held."""
    found = {case.verdict for case in run.cases}
    if Verdict.FAILED in found:
        return Verdict.FAILED
    if not found & GREEN or found & {Verdict.ERROR, Verdict.NOT_RUN}:
        return Verdict.ERROR
    if run.status is not Status.FINISHED:
        return Verdict.ERROR
    if any(gate.verdict is Verdict.FAILED for gate in run.gates):
        return Verdict.FAILED
    return Verdict.WARNING if Verdict.WARNING in found else Verdict.PASSED


def exit_code(run: Run) -> int:
    """Return 0 green, 1 a check failed, 3 harness or environment, 4 a gate failed."""
    if any(case.verdict is Verdict.FAILED for case in run.cases):
        return EXIT_CHECK_FAILED
    verdict = verdict_of_run(run)
    if verdict is Verdict.ERROR:
        return EXIT_ENVIRONMENT
    return EXIT_GATE if verdict is Verdict.FAILED else EXIT_GREEN
