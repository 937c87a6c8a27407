"""How verdicts, failures and times are put into words, the same in every format."""

from collections.abc import Iterable

from caas_reports.model import (
    Attempt,
    Case,
    Check,
    Counts,
    DocumentedOperation,
    Run,
    Status,
    Verdict,
)

_FAILING = frozenset({Verdict.FAILED, Verdict.WARNING, Verdict.ERROR})
_ORDER = ("passed", "failed", "error", "warning", "skipped", "not_run")
_SECOND_MS = 1000.0
_MINUTE_MS = 60 * _SECOND_MS


def failing_checks(attempt: Attempt) -> list[Check]:
    """List the checks of an attempt that did not pass, the binding ones first."""
    failing = [check for check in attempt.checks if check.verdict in _FAILING]
    return sorted(failing, key=lambda check: check.verdict is Verdict.WARNING)


def check_line(check: Check) -> str:
    """Say in one line what a check that did not pass found."""
    wrong = next((found for found in check.assertions if not found.passed), None)
    if wrong is None:
        return f"{check.id}: {check.title}: it evaluated nothing"
    return f"{check.id}: {wrong.at}: expected {wrong.expected}, got {wrong.actual}"


def failure_message(case: Case) -> str:
    """Say in one line why a case did not simply pass; nothing when it did."""
    if case.verdict in {Verdict.SKIPPED, Verdict.NOT_RUN}:
        return case.reason
    if case.verdict not in _FAILING or not case.attempts:
        return case.reason if case.verdict in _FAILING else ""
    return failure_text(case.attempts[-1]).partition("\n")[0]


def failure_text(attempt: Attempt) -> str:
    """Say why an attempt did not simply pass, a line a reason."""
    lines = [check_line(check) for check in failing_checks(attempt)]
    if attempt.failure:
        failure = attempt.failure
        lines.insert(0, f"{failure.kind}: {failure.message}")
        if failure.detail:
            lines.append(failure.detail)
    if not lines and attempt.verdict is Verdict.FAILED:
        lines.append("no assertion about the platform was evaluated")
    return "\n".join(lines)


def headline(run: Run) -> str:
    """Say in one sentence how the run ended."""
    counts = run.counts
    if run.status not in {Status.FINISHED, Status.TIMED_OUT}:
        return f"The run was {run.status.value}"
    if counts.failed or counts.error:
        return _bad_headline(counts)
    if counts.not_run:
        return f"{counts.not_run} of {counts.planned} cases never ran"
    if counts.planned and counts.passed == counts.planned:
        return f"All {counts.planned} cases passed"
    return (
        f"{counts.passed} of {counts.planned} cases passed, none failed"
        if counts.planned
        else "No case ran"
    )


def _bad_headline(counts: Counts) -> str:
    if not counts.failed:
        return f"{counts.error} of {counts.planned} cases could not be judged"
    rest = f", {counts.error} could not be judged" if counts.error else ""
    return f"{counts.failed} of {counts.planned} cases failed{rest}"


def counts_line(run: Run) -> str:
    """Say how many cases got which verdict, leaving out what there is none of."""
    counts = {name: getattr(run.counts, name) for name in _ORDER}
    told = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    if run.counts.flaky:
        told.append(f"{run.counts.flaky} flaky")
    if run.counts.vacuous:
        told.append(f"{run.counts.vacuous} vacuous")
    return f"{run.counts.planned} cases: {', '.join(told) or 'none ran'}"


def duration(milliseconds: float) -> str:
    """Put a duration into words that people read: `0.8 ms`, `412 ms`, `3.2 s`, `2 min 5 s`."""
    if milliseconds >= _MINUTE_MS:
        minutes, rest = divmod(milliseconds, _MINUTE_MS)
        return f"{minutes:.0f} min {rest // _SECOND_MS:.0f} s"
    if milliseconds >= _SECOND_MS:
        return f"{milliseconds / _SECOND_MS:.1f} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"  # noqa: PLR2004


def share(part: int, whole: int) -> str:
    """Put a share into words: `100 %`, `99.8 %`; `-` of nothing. Never rounds up to 100 %."""
    if not whole:
        return "-"
    tenths = part * 1000 // whole
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def seen_line(operations: Iterable[DocumentedOperation]) -> str:
    """Say how much of the services' documents a run saw."""
    answers = [answer for one in operations for answer in one.answers]
    seen = sum(answer.times > 0 for answer in answers)
    return f"{seen} of {len(answers)} documented answers were seen, and {len(answers) - seen} never"
