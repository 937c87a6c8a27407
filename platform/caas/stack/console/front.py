"""The command's side of `caas up`: fork the supervisor, show what it says, pass signals on.

The supervisor is a process of its own, so that it never has a thread (progress display does),
and so that `--detach` is only this side leaving early.
"""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from caas.contracts.services import ServiceSpec
from caas.stack.assembly import StackOptions
from caas.stack.console.presentation import View
from caas.stack.discovery import find_services
from caas.stack.errors import StackError
from caas.stack.state.directory import StateDir
from caas.stack.supervisor.events import EventSender, Failed, Ready, read_events
from caas.stack.supervisor.supervisor import Supervisor
from caas.stack.tied_exec import die_with_parent

EXIT_OK = 0
OWNER_ONLY_UMASK = 0o077
EXIT_ENVIRONMENT = 3


def run_up(
    options: StackOptions,
    view: View,
    *,
    specs: Sequence[ServiceSpec] | None = None,
) -> int:
    """Start a stack and return the exit code: when it stops, or when it is ready (`detach`).

    Args:
        options: What to start.
        view: Shows the events.
        specs: The services; None finds those of the profile.
    """
    front_pid = os.getpid()
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reader)
            _supervise(options, specs, EventSender(writer), front_pid)
        finally:
            os._exit(EXIT_ENVIRONMENT)
    os.close(writer)
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        # Whoever asks, however often: the supervisor counts, twice means "now".
        os.kill(pid, signal.SIGTERM)

    for number, _handler in before:
        signal.signal(number, pass_on)
    try:
        return _show_until_over(pid, reader, options, view)
    finally:
        os.close(reader)
        for number, handler in before:
            signal.signal(number, handler)


def _show_until_over(pid: int, reader: int, options: StackOptions, view: View) -> int:
    failed = False
    with view:
        for event in read_events(reader):
            view.show(event)
            failed = failed or isinstance(event, Failed)
            if isinstance(event, Ready) and options.detach:
                return EXIT_OK
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status and not failed:
        view.show(Failed(message=_unexplained(status, options)))
    return EXIT_ENVIRONMENT if status else EXIT_OK


def _unexplained(status: int, options: StackOptions) -> str:
    how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"exited with {status}"
    return (
        f"the supervisor was {how}; its services stop with it, the next `caas up` cleans up "
        f"(log: {options.state_dir / 'logs' / 'supervisor.jsonl'})"
    )


def _supervise(
    options: StackOptions,
    specs: Sequence[ServiceSpec] | None,
    sender: EventSender,
    front_pid: int,
) -> NoReturn:
    """Be the supervisor, then exit."""
    status = EXIT_ENVIRONMENT
    try:
        os.setsid()
        os.umask(OWNER_ONLY_UMASK)
        _silence()
        if not options.detach:
            die_with_parent(front_pid, signal.SIGTERM)
        chosen = find_services(options.profile) if specs is None else specs
        Supervisor(options, chosen, sender).run()
        status = EXIT_OK
    except StackError as error:
        sender.send(Failed(message=str(error)))
    except Exception as error:  # noqa: BLE001  # the process ends here; somebody has to say why
        trace = "".join(traceback.format_exception(error))
        StateDir(options.state_dir).append_log("critical", trace)
        sender.send(Failed(message=f"the supervisor failed: {type(error).__name__}: {error}"))
    finally:
        os._exit(status)


def _silence() -> None:
    """Let go of the terminal: what this process has to say goes through the pipe."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with Path(os.devnull).open("r+b") as nothing:
        for descriptor in (0, 1, 2):
            os.dup2(nothing.fileno(), descriptor)
