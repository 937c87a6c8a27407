"""`caas up`, `caas status`, `caas logs`, `caas down`.

Everything that takes time to import is imported where it is used: the command line loads this
module to list its commands.
"""

import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

DEFAULT_STATE_DIR = ".caas"
EXIT_CHECK_FAILED = 1
EXIT_ENVIRONMENT = 3
INSTANCES_MAX = 8

P = ParamSpec("P")
R = TypeVar("R")

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="CAAS_STATE_DIR",
    help=f"Where the stack keeps its state.  [default: {DEFAULT_STATE_DIR}]",
)


class EnvironmentProblem(click.ClickException):
    """One line on standard error, exit code 3."""

    exit_code = EXIT_ENVIRONMENT


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Show a StackError as one line instead of a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        from caas.stack.errors import StackError  # noqa: PLC0415

        try:
            return command(*args, **kwargs)
        except StackError as error:
            raise EnvironmentProblem(str(error)) from error

    return wrapped


@click.command()
@click.option(
    "--profile",
    type=click.Choice(["caas", "assistant", "all"]),
    default="caas",
    show_default=True,
    help="Which services to start.",
)
@click.option(
    "--ports",
    type=click.Choice(["auto", "seed"]),
    default="seed",
    show_default=True,
    help="seed: the documented ports; auto: any free ones, written to the stack file.",
)
@click.option(
    "--instances",
    type=click.IntRange(1, INSTANCES_MAX),
    default=1,
    show_default=True,
    help="Of each service, each on a port of its own; clients share them out.",
)
@click.option("--detach", is_flag=True, help="Return once everything is ready.")
@click.option("--ephemeral", is_flag=True, help="Throw the state away when the stack stops.")
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the stack file when ready.")
@one_line_errors
def up(
    *,
    profile: str,
    ports: str,
    instances: int,
    detach: bool,
    ephemeral: bool,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Start the platform: data servers, then services; wait until all are ready.

    MONGODB_URI and REDIS_URL, when set, name servers to use instead of the embedded ones.
    """
    import os  # noqa: PLC0415

    from caas.stack.assembly import StackOptions  # noqa: PLC0415
    from caas.stack.console.front import run_up  # noqa: PLC0415
    from caas.stack.console.presentation import JsonView, TextView  # noqa: PLC0415
    from caas.stack.settings import StackSettings  # noqa: PLC0415

    if state_dir is None:
        temporary = tempfile.mkdtemp(prefix="caas-") if ephemeral else DEFAULT_STATE_DIR
        state_dir = Path(temporary)
    options = StackOptions(
        profile=profile,
        ports="auto" if ports == "auto" else "seed",
        state_dir=state_dir.absolute(),
        ephemeral=ephemeral,
        environ=dict(os.environ),
        settings=StackSettings.from_env(os.environ),
        detach=detach,
        instances=instances,
    )
    view = JsonView() if as_json else TextView(detach=detach)
    sys.exit(run_up(options, view))


@click.command()
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@one_line_errors
def status(*, state_dir: Path | None, as_json: bool) -> None:
    """Show every process of the stack: state, URL, restarts, memory (PSS).

    Exits with 1 when something is not ready, with 3 when no stack runs.
    """
    from caas.stack.console.inspection import inspect  # noqa: PLC0415

    found = inspect(_state(state_dir))
    if as_json:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        from caas.stack.console.presentation import console, status_table  # noqa: PLC0415

        console().print(status_table(found))
    if not found.ready:
        sys.exit(EXIT_CHECK_FAILED)


@click.command()
@click.argument("service", required=False)
@click.option("--trace", help="Only lines of this trace id (or its beginning) or correlation id.")
@click.option("--follow", is_flag=True, help="Go on with what is written from now on.")
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they were written.")
@one_line_errors
def logs(
    *,
    service: str | None,
    trace: str | None,
    follow: bool,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Show the logs of all services by time, or those of SERVICE (also mongodb, redis)."""
    from caas.stack.console import log_view  # noqa: PLC0415

    paths = log_view.log_paths(_state(state_dir).logs, service)
    wanted = log_view.of_trace(trace)
    write = _write_raw if as_json else _write_readable
    for line in filter(wanted, log_view.read_merged(paths)):
        write(line)
    if follow:
        for line in filter(wanted, log_view.follow(paths)):
            write(line)


@click.command()
@state_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print what had to be forced.")
@one_line_errors
def down(*, state_dir: Path | None, as_json: bool) -> None:
    """Stop the stack and wait until nothing of it runs any more."""
    import os  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from caas.stack.console.inspection import stop_stack  # noqa: PLC0415
    from caas.stack.settings import StackSettings  # noqa: PLC0415

    with Console(stderr=True).status("stopping"):
        forced = stop_stack(_state(state_dir), StackSettings.from_env(os.environ))
    if as_json:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.encode({"stopped": True, "forced": forced}))
    else:
        note = f" (forced: {', '.join(forced)})" if forced else ""
        click.echo(f"stopped{note}")


def _state(path: Path | None) -> Any:
    from caas.stack.state.directory import StateDir  # noqa: PLC0415

    return StateDir(path or Path(DEFAULT_STATE_DIR))


def _write_raw(line: Any) -> None:
    click.echo(line.text)


def _write_readable(line: Any) -> None:
    from caas.stack.console.log_view import render  # noqa: PLC0415

    click.echo(render(line))
