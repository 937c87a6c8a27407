"""Show how a run goes: a live table per phase on a terminal, a line per case elsewhere."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from caas_conformance.authoring.definition import CaseDefinition, Phase
from caas_conformance.engine.attempt import AttemptRecord
from caas_conformance.session.conduct import Progress
from caas_conformance.verdicts.build import shown
from caas_reports.model import RED, Verdict

REFRESHES_PER_S = 8
STYLES = {
    Verdict.PASSED: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "bold red",
    Verdict.ERROR: "bold magenta",
    Verdict.SKIPPED: "dim",
    Verdict.NOT_RUN: "dim",
}
FAILED_ASSERTIONS_SHOWN = 3
DETAIL_CHARS_MAX = 200


class Quiet:
    """Shows nothing, for `--json`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing."""

    def say(self, message: str) -> None:
        """Do nothing."""

    def expect(self, plan: Sequence[CaseDefinition]) -> None:
        """Do nothing."""

    def started(self, case: CaseDefinition, attempt: int) -> None:
        """Do nothing."""

    def judged(self, record: AttemptRecord, *, final: bool) -> None:
        """Do nothing."""


class Lines(Quiet):
    """One line per case, as it is judged."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, message: str) -> None:
        """Print the message."""
        self._console.print(Text(message))

    def judged(self, record: AttemptRecord, *, final: bool) -> None:
        """Print the case; a red one with what failed."""
        self._console.print(_line(record, final=final), soft_wrap=True)
        for detail in _details(record):
            self._console.print(Text(f"    {detail}"), soft_wrap=True)


class _Tally:
    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.planned = 0
        self.running: set[str] = set()
        self.by_verdict = dict.fromkeys(Verdict, 0)

    @property
    def judged(self) -> int:
        return sum(self.by_verdict.values())


class LiveTable(Quiet):
    """A row per phase that fills while cases are judged; red cases stay above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tallies: dict[str, _Tally] = {}
        self._live = Live(console=console, refresh_per_second=REFRESHES_PER_S, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the table away; the summary follows."""
        self._live.stop()

    def say(self, message: str) -> None:
        """Show the message under the table."""
        self._live.update(Text(message) if not self._tallies else self._table(message))

    def expect(self, plan: Sequence[CaseDefinition]) -> None:
        """Make a row for each phase of the plan."""
        for case in plan:
            tally = self._tallies.setdefault(case.phase.id, _Tally(case.phase))
            tally.planned += 1
        self._live.update(self._table())

    def started(self, case: CaseDefinition, attempt: int) -> None:  # noqa: ARG002
        """Count it as running."""
        self._tallies[case.phase.id].running.add(case.id)
        self._live.update(self._table())

    def judged(self, record: AttemptRecord, *, final: bool) -> None:
        """Count it; print it above the table when it is red."""
        tally = self._tallies[record.case.phase.id]
        tally.running.discard(record.case.id)
        if final:
            tally.by_verdict[record.verdict] += 1
        if record.verdict in RED:
            self._live.console.print(_line(record, final=final), soft_wrap=True)
            for detail in _details(record):
                self._live.console.print(Text(f"    {detail}"), soft_wrap=True)
        self._live.update(self._table())

    def _table(self, caption: str = "") -> Table:
        table = Table(box=None, caption=caption or None)
        for heading in ("phase", "", "judged", "passed", "warning", "failed", "error", "running"):
            table.add_column(heading, justify="left" if heading in ("phase", "") else "right")
        for tally in self._tallies.values():
            counted = [
                Text(str(n) if n else "", STYLES[v])
                for v in (Verdict.PASSED, Verdict.WARNING, Verdict.FAILED, Verdict.ERROR)
                for n in (tally.by_verdict[v],)
            ]
            table.add_row(
                tally.phase.id,
                tally.phase.title,
                f"{tally.judged}/{tally.planned}",
                *counted,
                " ".join(sorted(tally.running)),
            )
        return table


def progress_for(console: Console, *, quiet: bool) -> Progress:
    """Return what suits the output."""
    if quiet:
        return Quiet()
    return LiveTable(console) if console.is_terminal else Lines(console)


def _line(record: AttemptRecord, *, final: bool) -> Text:
    line = Text()
    line.append(f"{record.case.id} ")
    line.append(f"{record.verdict:8}", STYLES[record.verdict])
    line.append(f" {record.case.title}")
    line.append(f"  {record.duration_ms:.0f} ms", "dim")
    if not final:
        line.append(f"  attempt {record.number}, trying again", "dim")
    if record.verdict not in (Verdict.PASSED, Verdict.WARNING) and record.reason:
        line.append(f"  ({record.reason_redacted})")
    return line


def _details(record: AttemptRecord) -> list[str]:
    redactor = record.context.redactor()
    lines: list[str] = []
    for check in (*record.context.checks, *record.extra_checks):
        for assertion in check.assertions:
            if not assertion.passed and len(lines) < FAILED_ASSERTIONS_SHOWN:
                expected, actual = (text[:DETAIL_CHARS_MAX] for text in shown(assertion, redactor))
                lines.append(f"{check.id}: {assertion.at}: expected {expected}, got {actual}")
    return lines
