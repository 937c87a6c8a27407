"""`caas report merge`: one report of the parts of a plan that several machines took.

It is a command of `caas report` by its entry point, and lies here because gates are judged anew.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from caas_conformance.cli.presentation import print_summary
from caas_conformance.engine.run_directory import RunDirectory, new_run_id
from caas_conformance.session.conduct import typed
from caas_conformance.verdicts.judging import exit_code
from caas_conformance.verdicts.keeping import TELEMETRY_FILE
from caas_conformance.verdicts.merging import MergeError, in_order, merged
from caas_reports import formats, runs
from caas_reports.archive import FILENAME, Archive
from caas_reports.commands import one_line_errors
from caas_reports.comparison import baseline
from caas_reports.model import Run
from caas_reports.terminal import Terminal


@click.command()
@click.argument("parts", metavar="RUN...", nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False),
              default=runs.RUNS_DIRECTORY, show_default=True,
              help="Where the directory of the whole run goes.")  # fmt: skip
@one_line_errors
def merge(parts: tuple[str, ...], output: Path) -> None:
    """Join the runs of all shards (`caas conformance run --shard 2/4`) into one, with one verdict.

    Exit codes are those of `caas conformance run`; 3 also when a shard is missing, is there twice,
    or is of another plan.
    """
    found = [runs.read(part) for part in parts]
    ordered = [
        next(one for one in found if one[0] is run) for run in in_order([run for run, _ in found])
    ]
    run_id = new_run_id()
    whole = merged(
        [run for run, _ in ordered], run_id, typed(["caas", *sys.argv[1:]]), _exchange_ms(ordered)
    )
    directory = RunDirectory.create(output.absolute(), run_id)
    for name in (FILENAME, TELEMETRY_FILE):
        _join([path / name for _, path in ordered], directory.path / name)
    directory.write_run(whole)
    formats.write_all(whole, directory.path)
    print_summary(Terminal(), whole, directory.path, baseline.of_suite(whole.suite))
    sys.exit(exit_code(whole))


def _exchange_ms(parts: Sequence[tuple[Run, Path]]) -> list[float]:
    """Read how long each exchange took, where a gate asks for it."""
    times: list[float] = []
    for run, path in parts:
        archive = Archive.beside(path, run)
        if run.evidence.attempts and not archive.is_whole:
            raise MergeError(f"{path / FILENAME} is missing, or of another run")
        if run.limits.p95_ms is not None:
            for line in archive.everything():
                times += [exchange.timings.total_ms for exchange in line.attempt.exchanges]
    return times


def _join(files: Sequence[Path], target: Path) -> None:
    """Write files one behind the other: gzip members and lines can be."""
    present = [file for file in files if file.is_file()]
    if not present:
        return
    with target.open("wb") as whole:
        for file in present:
            with file.open("rb") as part:
                shutil.copyfileobj(part, whole)
