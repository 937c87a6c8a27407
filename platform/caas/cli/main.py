"""The command `caas`.

Its subcommands are entry points (group `caas.commands`), each loaded when it is named, so that
one that is broken or missing takes nothing else with it.

Exit codes: 0 all is well, 1 a check failed, 2 wrong usage, 3 the environment or this program
is at fault, 4 a gate was missed, 130 interrupted.
"""

import os
import sys
import textwrap
import traceback
from contextlib import suppress
from importlib import metadata
from typing import NoReturn

import click

from caas.cli.listing import summary_of

COMMANDS = "caas.commands"
COLUMN_GAP_CHARS = 20
EXIT_ENVIRONMENT = 3
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_PIPE_CLOSED = 141  # 128 + SIGPIPE


class UnavailableCommand(click.ClickException):
    """A subcommand's package is missing or broken."""

    exit_code = EXIT_ENVIRONMENT


class EntryPointGroup(click.Group):
    """A group that finds its commands through entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands; none is loaded."""
        own = super().list_commands(ctx)
        return sorted({*own, *(found.name for found in metadata.entry_points(group=COMMANDS))})

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every command with one line about it, loading none that says it in its source."""
        width = formatter.width - COLUMN_GAP_CHARS
        rows = []
        for name in self.list_commands(ctx):
            found = [*metadata.entry_points(group=COMMANDS, name=name)]
            summary = summary_of(found[0]) if found else None
            if summary is None:
                command = self.get_command(ctx, name)
                summary = command.get_short_help_str(width) if command else ""
            rows.append((name, textwrap.shorten(summary, width, placeholder="...")))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command; in a listing, a broken one is shown as what it is."""
        if own := super().get_command(ctx, cmd_name):
            return own
        found = [*metadata.entry_points(group=COMMANDS, name=cmd_name)]
        if not found:
            return None
        try:
            loaded = found[0].load()
        except Exception as error:  # noqa: BLE001  # whatever is wrong with a plug-in
            return _unavailable(cmd_name, f"{type(error).__name__}: {error}")
        if not isinstance(loaded, click.Command):
            return _unavailable(cmd_name, f"{found[0].value} is not a command")
        return loaded


def _unavailable(name: str, reason: str) -> click.Command:
    """Return a command that says why the real one can't run."""
    one_line = " ".join(reason.split())

    @click.command(
        name,
        short_help=f"(not available: {one_line})",
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
    )
    @click.argument("_arguments", nargs=-1, type=click.UNPROCESSED)
    def explain(_arguments: tuple[str, ...]) -> NoReturn:
        raise UnavailableCommand(f"`caas {name}` is not available: {one_line}")

    return explain


@click.group(cls=EntryPointGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="caas", prog_name="caas")
def caas() -> None:
    """Run the CAAS platform and prove what it does."""


def main() -> NoReturn:
    """Run the command line and exit with the code of its outcome."""
    _open_standard_streams()
    try:
        code = caas.main(prog_name="caas", standalone_mode=False)
        # In this mode click returns what a command returned, and the code of ctx.exit().
        status = code if isinstance(code, int) else 0
        sys.stdout.flush()
    except click.ClickException as error:
        with suppress(OSError, ValueError):  # nobody reads it; the code tells
            error.show()
        # click's own default, 1, would say that a check failed.
        own = isinstance(error, click.UsageError) or type(error).exit_code != 1
        status = error.exit_code if own else EXIT_ENVIRONMENT
    except (click.Abort, KeyboardInterrupt):
        status = EXIT_INTERRUPTED
    except BrokenPipeError:
        status = EXIT_PIPE_CLOSED  # the reader left: `caas logs | head`
    except Exception:  # noqa: BLE001  # an uncaught one would exit with 1, "a check failed"
        with suppress(OSError, ValueError):
            traceback.print_exc()
        status = EXIT_ENVIRONMENT
    finally:
        _lose_what_is_left()
    sys.exit(status)


def _open_standard_streams() -> None:
    """Let closed streams lead nowhere, or the next file that is opened would take their place."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free one, and, as the closed one was, for children, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - by position
        if getattr(sys, name) is None:
            mode = "w" if descriptor else "r"
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115


def _lose_what_is_left() -> None:
    """Send what can't be written nowhere: at exit Python would change the exit code for it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
