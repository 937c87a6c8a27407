"""`python -m caas_load`: run the benchmarks and print ratios; `make bench` calls it."""

import os
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
from rich.console import Console

from caas_load.measuring import generator
from caas_load.measuring.processes import ServerError
from caas_load.measuring.rounds import Result, show

BENCHMARKS = ("validate", "gateway", "runner", "telemetry")
EXIT_HARNESS = 3


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(BENCHMARKS))
@click.option("--rounds", default=5, show_default=True, help="Interleaved rounds, 5 or more.")
@click.option("--seconds", default=3.0, show_default=True, help="Load per contestant and round.")
def main(names: tuple[str, ...], rounds: int, seconds: float) -> None:
    """Measure ours against the peers on this machine, in turn."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    try:
        generator.require()
        for name in names or BENCHMARKS:
            run: Callable[..., Result] = import_module(f"caas_load.benchmarks.bench_{name}").run
            with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as directory:
                show(run(Path(directory), rounds=rounds, seconds=seconds), console)
    except (generator.GeneratorError, ServerError) as error:
        console.print(f"[red]{error}[/red]")
        raise SystemExit(EXIT_HARNESS) from error


if __name__ == "__main__":
    main()
