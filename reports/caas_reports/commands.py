"""`caas report`: render, compare, import-baseline, open, schema."""

import functools
import os
import sys
import webbrowser
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import click
import msgspec

from caas_reports import formats, runs, schemas
from caas_reports.comparison import baseline as baselines
from caas_reports.comparison import compare as comparison
from caas_reports.comparison import tables
from caas_reports.comparison.context import Context
from caas_reports.comparison.seed_import import import_report
from caas_reports.errors import ReportError
from caas_reports.model import Run
from caas_reports.terminal import Terminal, echo

# The exit codes of `caas`: 2 is click's own, for usage.
EXIT_ENVIRONMENT = 3
EXIT_GATE = 4
ADDED = "caas_reports.commands"
SCHEMA_DIRECTORY = Path("reports", "schemas")

_P = ParamSpec("_P")
_R = TypeVar("_R")


def one_line_errors(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """End with one line and the exit code for the environment when a report can't be made."""

    @functools.wraps(command)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except ReportError as error:
            echo(f"error: {error}", err=True)
        except OSError as error:
            told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            echo(f"error: {told}", err=True)
        sys.exit(EXIT_ENVIRONMENT)

    return guarded


class _Group(click.Group):
    """Finds what other packages add to it, through entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands; none is loaded."""
        return sorted({*super().list_commands(ctx), *(e.name for e in entry_points(group=ADDED))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loaded when it is another package's."""
        added = next(iter(entry_points(group=ADDED, name=cmd_name)), None)
        own = super().get_command(ctx, cmd_name)
        return own or (cast("click.Command", added.load()) if added else None)


@click.group(cls=_Group)
def report() -> None:
    """Make, compare and open the reports of conformance runs."""


@report.command()
@click.argument("run", required=False)
@click.option(
    "--format", "names", multiple=True, type=click.Choice(list(formats.available())),
    help="Only this format; may be given several times. All when left out.",
)  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path, file_okay=False),
              help="Write here instead of the run's own directory.")  # fmt: skip
@click.option("--baseline", "baseline_file", type=click.Path(path_type=Path, dir_okay=False),
              help="Another baseline than the suite's own.")  # fmt: skip
@click.option("--full", is_flag=True, help="Show the evidence of what passed, too, all of it.")
@one_line_errors
def render(
    run: str | None,
    names: tuple[str, ...],
    output: Path | None,
    baseline_file: Path | None,
    full: bool,  # noqa: FBT001  (click passes flags by name)
) -> None:
    """Write the reports of RUN (a directory, a run.json, a run's id; the latest when left out)."""
    found, directory = runs.read(run)
    target = output or directory
    target.mkdir(parents=True, exist_ok=True)
    context = msgspec.structs.replace(_context(directory, found, baseline_file), full=full)
    for path in formats.write_all(found, target, names=names or None, context=context).values():
        echo(str(path))


def _context(directory: Path, run: Run, baseline_file: Path | None) -> Context:
    context = Context.beside(directory, run)
    if baseline_file is None:
        return context
    return msgspec.structs.replace(context, baseline=baselines.load(baseline_file))


@report.command()
@click.argument("run", required=False)
@click.argument("other", required=False)
@click.option("--baseline", "baseline_file", type=click.Path(path_type=Path, dir_okay=False),
              help="Another baseline than the suite's own.")  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path, file_okay=False),
              help="Write comparison.md and comparison.html here.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--fail-on-regression", is_flag=True, help="Exit with 4 when anything regressed.")
@one_line_errors
def compare(
    run: str | None,
    other: str | None,
    baseline_file: Path | None,
    output: Path | None,
    as_json: bool,  # noqa: FBT001  (click passes flags by name)
    fail_on_regression: bool,  # noqa: FBT001
) -> None:
    """Set RUN beside the seed's report, or RUN beside the newer OTHER: then and now.

    Each case is fixed, the same, regressed, hardened or not yet covered. The latest run is taken
    when RUN is left out. Writes comparison.md and comparison.html into the run's directory.
    """
    found, directory = runs.read(run)
    if other is not None:
        newer, directory = runs.read(other)
        context = msgspec.structs.replace(
            _context(directory, newer, baseline_file), other=comparison.with_run(found, newer)
        )
        found = newer
    else:
        context = _context(directory, found, baseline_file)
    result: comparison.RunComparison | comparison.SeedComparison
    if context.other is not None:
        result = context.other
    elif context.baseline is not None:
        result = comparison.with_seed(found, context.baseline, context.archive)
    else:
        raise ReportError("no baseline found: give --baseline FILE, or a second run")
    if as_json:
        encoded = msgspec.json.encode(result, order="deterministic")
        echo(msgspec.json.format(encoded, indent=1).decode())
    else:
        tables.show(result, Terminal())
    target = output or directory
    target.mkdir(parents=True, exist_ok=True)
    for path in tables.write(found, result, target, context):
        echo(str(path), err=as_json)
    if fail_on_regression and result.counts[comparison.Change.REGRESSED.value]:
        sys.exit(EXIT_GATE)


@report.command("import-baseline")
@click.argument("seed_report", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False),
              help="Where the baseline goes; baseline-DATE.json by default.",
              )  # fmt: skip
@one_line_errors
def import_baseline(seed_report: Path, output: Path | None) -> None:
    """Parse SEED_REPORT, judge what was vacuous in it, and write it without its secrets."""
    content = seed_report.read_bytes()
    made = import_report(content, name="", source=seed_report.name)
    name = output.stem if output else f"baseline-{made.generated_at[:10]}"
    made = msgspec.structs.replace(made, name=name)
    target = output or Path(f"{name}.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(baselines.encode(made))
    tables.show_totals(made, Terminal())
    echo(str(target))


@report.command("open")
@click.argument("run", required=False)
@click.option("--print", "only_print", is_flag=True, help="Print the path, open nothing.")
@one_line_errors
def open_report(run: str | None, only_print: bool) -> None:  # noqa: FBT001
    """Open the HTML report of RUN, made anew when it is missing."""
    directory = runs.locate(run)
    path = directory / formats.available()["html"].FILENAME
    if not path.is_file():
        found, directory = runs.read(run)
        path = formats.write_all(found, directory, names=["html"])["html"]
    echo(str(path))
    # Without a display a text browser would take over the terminal.
    has_display = sys.platform in {"darwin", "win32"} or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if not only_print and has_display:
        webbrowser.open(path.as_uri())


@report.command()
@click.option("--output", type=click.Path(path_type=Path, file_okay=False),
              default=SCHEMA_DIRECTORY, show_default=True)  # fmt: skip
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file is stale.")
@one_line_errors
def schema(output: Path, check: bool) -> None:  # noqa: FBT001
    """Write the JSON Schemas of run.json and of baselines, generated from the models."""
    if not check:
        for path in schemas.write(output):
            echo(str(path))
        return
    stale = schemas.stale(output)
    for name in stale:
        echo(f"stale: {output / name}: run caas report schema", err=True)
    sys.exit(1 if stale else 0)
