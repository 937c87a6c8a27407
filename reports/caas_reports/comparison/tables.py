"""Comparisons and totals as tables: on the terminal, and as a Markdown file."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from caas_reports import formats
from caas_reports.comparison.baseline import Baseline
from caas_reports.comparison.compare import Change, RunComparison, RunRow, SeedComparison, SeedRow
from caas_reports.comparison.context import Context
from caas_reports.model import Run
from caas_reports.plain import plain

MARKDOWN_FILE = "comparison.md"
HTML_FILE = "comparison.html"

_COLOURS = {
    Change.REGRESSED: "bold red",
    Change.FIXED: "green",
    Change.HARDENED: "cyan",
    Change.SAME: "dim",
    Change.NOT_COVERED: "yellow",
    Change.NEW: "blue",
    Change.REMOVED: "magenta",
    Change.CHANGED: "yellow",
}
_UNCHANGED = frozenset({Change.SAME})


def words(change: Change | str) -> str:
    """Put a change into words: `not yet covered`."""
    text = str(change)
    return "not yet covered" if text == Change.NOT_COVERED else text.replace("_", " ")


def summary(result: SeedComparison | RunComparison) -> str:
    """Say in one line how many cases changed how."""
    told = [f"{count} {words(change)}" for change, count in result.counts.items() if count]
    whole = "seed cases" if isinstance(result, SeedComparison) else "cases"
    return f"{len(result.rows)} {whole}: {', '.join(told)}"


def show(result: SeedComparison | RunComparison, console: Console) -> None:
    """Print a comparison; of two runs only what is not the same."""
    if isinstance(result, SeedComparison):
        console.print(_seed_table(result))
    else:
        console.print(_run_table(result))
    console.print(summary(result), highlight=False)


def _coloured(change: Change) -> str:
    return f"[{_COLOURS[change]}]{words(change)}[/]"


def _seed_table(result: SeedComparison) -> Table:
    table = Table(title=f"{result.run_id} beside {result.baseline}", title_justify="left")
    for name in ("#", "Case of the seed's report", "Then", "Now", "Change", "Why"):
        table.add_column(name, overflow="fold")
    for row in result.rows:
        table.add_row(
            str(row.number),
            escape(row.name),
            _then(row),
            _now(row),
            _coloured(row.change),
            escape(row.reason),
        )
    return table


def _then(row: SeedRow) -> str:
    return row.outcome if row.outcome == row.then.value else f"{row.outcome}, {row.then.value}"


def _now(row: SeedRow) -> str:
    return f"{row.now.value}: {', '.join(row.cases)}" if row.now else "-"


def _run_table(result: RunComparison) -> Table:
    table = Table(title=f"{result.before} -> {result.after}", title_justify="left")
    for name in ("Case", "Title", "Before", "After", "Checks", "Waited for", "Change"):
        table.add_column(name, overflow="fold")
    for row in result.rows:
        if row.change in _UNCHANGED and not (row.checks_gone or row.checks_new):
            continue
        table.add_row(
            row.id,
            escape(row.title),
            row.before.value if row.before else "-",
            row.after.value if row.after else "-",
            escape(_checks(row)),
            _latency(row),
            _coloured(row.change),
        )
    return table


def _checks(row: RunRow) -> str:
    told = f"{row.checks_before} -> {row.checks_after}"
    gone = "".join(f" -{name}" for name in row.checks_gone)
    new = "".join(f" +{name}" for name in row.checks_new)
    return f"{told}{gone}{new}"


def _latency(row: RunRow) -> str:
    return f"{row.latency_before_ms:.1f} -> {row.latency_after_ms:.1f} ms"


def write(
    run: Run, result: SeedComparison | RunComparison, directory: Path, context: Context
) -> list[Path]:
    """Write a comparison as Markdown, and as the HTML report opened on its comparison page."""
    markdown = directory / MARKDOWN_FILE
    lines = _seed_markdown(result) if isinstance(result, SeedComparison) else _runs(result)
    markdown.write_text("\n".join([*map(plain, lines), ""]), encoding="utf-8")
    page = directory / HTML_FILE
    with page.open("wb") as stream:
        formats.available()["html"].write(run, stream, context)
    return [markdown, page]


def _seed_markdown(result: SeedComparison) -> Iterator[str]:
    yield f"# {result.run_id} beside {result.baseline}"
    yield ""
    yield f"{summary(result)}."
    yield ""
    yield "| # | Case of the seed's report | Then | Answered then | Now | Change | Why |"
    yield "|---|---|---|---|---|---|---|"
    for row in result.rows:
        cells = (
            str(row.number),
            row.name,
            _then(row),
            row.answered,
            _now(row),
            words(row.change),
            row.reason,
        )
        yield f"| {' | '.join(map(_cell, cells))} |"


def _runs(result: RunComparison) -> Iterator[str]:
    yield f"# {result.before} -> {result.after}"
    yield ""
    yield f"{summary(result)}."
    yield (
        f"Checks: {result.checks_before} -> {result.checks_after}. Median wait for the platform: "
        f"{result.latency_before_ms:.1f} -> {result.latency_after_ms:.1f} ms."
    )
    yield ""
    yield "| Case | Title | Before | After | Checks | Waited for | Change |"
    yield "|---|---|---|---|---|---|---|"
    for row in result.rows:
        before = row.before.value if row.before else "-"
        after = row.after.value if row.after else "-"
        cells = (row.id, row.title, before, after, _checks(row), _latency(row), words(row.change))
        yield f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|") or " "


def show_totals(baseline: Baseline, console: Console) -> None:
    """Print what the seed's report said, and what it did not say."""
    totals = baseline.totals
    table = Table(title=baseline.source, title_justify="left", show_header=False)
    secrets = ", ".join(f"{count} {kind}" for kind, count in totals.secrets_printed.items())
    said = f"{totals.passed} passed, {totals.warning} warnings, {totals.failed} failed"
    foreign = f"{totals.foreign_log_entries} of {totals.log_entries}"
    for name, value in (
        ("cases", f"{totals.cases}: {said}"),
        ("HTTP cases that accepted any status", f"{totals.any_status} of {totals.http_cases}"),
        ("of these, passed on a 4xx or 5xx", str(totals.error_passes)),
        ("time-outs accepted", str(totals.timeouts_accepted)),
        ("connections refused", str(totals.connect_failures)),
        ("acknowledged to a non-member", str(totals.non_member_accepted)),
        (
            "log entries of other requests",
            f"{foreign}, under {totals.cases_with_foreign_logs} cases",
        ),
        ("secrets printed, now redacted", secrets or "none"),
        ("worth", ", ".join(f"{count} {name}" for name, count in totals.then.items())),
    ):
        table.add_row(name, value)
    console.print(table)
