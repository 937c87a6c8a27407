"""How `caas up` looks: live progress on a terminal, plain lines elsewhere, JSON for scripts."""

from typing import Protocol, Self

import click
import msgspec
from rich.console import Console
from rich.status import Status
from rich.table import Table

from caas.stack.console.inspection import StackStatus
from caas.stack.settings import MEBIBYTE
from caas.stack.state.directory import StackFile
from caas.stack.supervisor.events import Failed, Notice, Ready, StackEvent, StepDone, StepStarted

STEP_TEXT = {
    "import": "importing services",
    "servers": "starting data servers",
    "services": "starting services",
    "stop": "stopping",
}


PLAIN_WIDTH_COLUMNS = 200


def console(*, stderr: bool = False) -> Console:
    """Return a console; where no terminal says how wide it is, tables are not cut."""
    found = Console(stderr=stderr, highlight=False)
    return (
        found
        if found.is_terminal
        else Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH_COLUMNS)
    )


class View(Protocol):
    """Shows a stack's events; a context manager that tidies up the display."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def show(self, event: StackEvent) -> None:
        """Show one event."""
        ...


class TextView:
    """For people: a spinner while something takes time, then a table of URLs."""

    def __init__(self, *, detach: bool) -> None:
        self._out = console()
        self._err = console(stderr=True)
        self._detach = detach
        self._spinner: Status | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._rest()

    def show(self, event: StackEvent) -> None:
        """Show one event."""
        match event:
            case StepStarted(name=name) if self._err.is_terminal:
                self._rest()
                self._spinner = self._err.status(STEP_TEXT.get(name, name))
                self._spinner.start()
            case StepDone(name=name, elapsed_ms=elapsed_ms):
                self._rest()
                self._err.print(f"{STEP_TEXT.get(name, name)}: {elapsed_ms} ms", style="dim")
            case Ready(stack=stack):
                self._rest()
                self._out.print(stack_table(stack))
                if self._detach:
                    self._out.print(f"stop it with: caas down --state-dir {stack.state_dir}")
                else:
                    self._out.print("Ctrl-C stops it")
            case Notice(level=level, message=message) if level != "debug":
                self._err.print(message, style="red" if level == "error" else "yellow")
            case Failed(message=message):
                self._rest()
                click.echo(f"Error: {message}", err=True)
            case _:
                pass

    def _rest(self) -> None:
        if self._spinner:
            self._spinner.stop()
            self._spinner = None


class JsonView:
    """For scripts: the stack file as one line once it is ready; notices on standard error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def show(self, event: StackEvent) -> None:
        """Show one event."""
        match event:
            case Ready(stack=stack):
                click.echo(msgspec.json.encode(stack))
            case Notice():
                click.echo(msgspec.json.encode(event), err=True)
            case Failed(message=message):
                click.echo(f"Error: {message}", err=True)
            case _:
                pass


def stack_table(stack: StackFile) -> Table:
    """Return the stack's services and servers with their URLs."""
    table = Table(box=None, pad_edge=False)
    for title in ("service", "url", "pid"):
        table.add_column(title, no_wrap=True, overflow="ignore")
    for name, service in stack.services.items():
        table.add_row(name, service.url, str(service.pid))
    for name, server in stack.servers.items():
        table.add_row(name, server.url, str(server.pid) if server.embedded else "not ours")
    return table


def status_table(found: StackStatus) -> Table:
    """Return every member with its state."""
    table = Table(box=None, pad_edge=False)
    for title in ("name", "state", "url", "pid", "restarts", "memory (PSS)"):
        table.add_column(title, no_wrap=True, overflow="ignore")
    for member in found.members:
        colour = "green" if member.state in ("ready", "external") else "red"
        state = f"[{colour}]{member.state}[/{colour}]"
        pid, restarts = str(member.pid or ""), str(member.restarts)
        table.add_row(member.name, state, member.url, pid, restarts, _mib(member.pss_bytes))
    pid = str(found.supervisor_pid)
    table.add_row("supervisor", "", "", pid, "", _mib(found.supervisor_pss_bytes))
    table.add_row("all", "", found.state_dir, "", "", _mib(found.pss_bytes))
    return table


def _mib(size_bytes: int | None) -> str:
    return "" if size_bytes is None else f"{size_bytes / MEBIBYTE:.0f} MiB"
