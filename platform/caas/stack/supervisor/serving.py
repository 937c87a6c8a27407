"""What a forked service process does: become itself, serve one application, stop when asked."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import uvloop

from caas.kernel.clock import SystemClock, rfc3339
from caas.runtime.http.lifespan import Lifespan
from caas.runtime.http.server import EmbeddedServer, freeze_heap
from caas.runtime.tasks import end_tasks
from caas.stack.state.log_files import LogFile
from caas.stack.tied_exec import die_with_parent
from caas_observability.redaction import Redactor, is_secret_name

LOG_CHECK_INTERVAL_S = 5.0
EXIT_FAILED = 1
# Shares of the stop deadline; together under 1, after which the supervisor uses force.
DRAIN_SHARE = 0.6
SHUTDOWN_SHARE = 0.3


class ServingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one service process needs.

    Attributes:
        name: `service.name` of this plan.
        factory: Makes the ASGI application, in the child.
        listener: Where it is reached; stays open in the supervisor while the child restarts.
        environment: What it sees as `os.environ`.
        log_path: Where its stdout and stderr go.
        lifeline: The end of a pipe that becomes readable when the supervisor is gone.
        stop_deadline_s: What it gives its requests to finish.
        log_size_max_bytes: Where it moves its log aside.
    """

    name: str
    factory: Callable[[], Any]
    listener: socket.socket
    environment: dict[str, str]
    log_path: Path
    lifeline: int
    stop_deadline_s: float
    log_size_max_bytes: int


def run(plan: ServingPlan, *, parent_pid: int, close_inherited: Callable[[], None]) -> NoReturn:
    """Serve until SIGTERM or the supervisor's end, then exit; never returns.

    Exits with 0 after a clean stop, with 1 when the application could not start or failed.
    """
    status = EXIT_FAILED
    try:
        log = _become(plan, parent_pid, close_inherited)
        uvloop.run(_serve(plan, log))
        status = 0
    except BaseException as error:  # noqa: BLE001  # the process ends here; its log says why
        _log_failure(plan, error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: the copy of the supervisor's stack below us must not unwind.
        os._exit(status)


def _become(plan: ServingPlan, parent_pid: int, close_inherited: Callable[[], None]) -> LogFile:
    """Turn the copy of the supervisor into the service's own process."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the supervisor's
    os.setsid()
    close_inherited()
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    log = LogFile(plan.log_path, size_max_bytes=plan.log_size_max_bytes)
    log.redirect(1, 2)
    die_with_parent(parent_pid, signal.SIGTERM)
    os.environ.clear()
    os.environ.update(plan.environment)
    return log


async def _serve(plan: ServingPlan, log: LogFile) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    # Readable means closed: the only writer is the supervisor, and it never writes.
    loop.add_reader(plan.lifeline, stopping.set)
    app = plan.factory()
    server = EmbeddedServer(app, plan.listener)
    lifespan = Lifespan(app)
    starting = asyncio.create_task(lifespan.startup())
    if not await _ends_before(starting, stopping):
        await end_tasks([starting])
        return
    freeze_heap()
    serving = server.start()
    rotating = asyncio.create_task(_rotate(log))
    if await _ends_before(serving, stopping):
        raise RuntimeError("the server ended by itself")
    rotating.cancel()
    # The listener goes first: who connects from now on is refused, not kept waiting.
    await server.close(grace_s=plan.stop_deadline_s * DRAIN_SHARE)
    async with asyncio.timeout(plan.stop_deadline_s * SHUTDOWN_SHARE):
        await lifespan.shutdown()


async def _ends_before(task: asyncio.Task[None], stopping: asyncio.Event) -> bool:
    """Wait for *task*, and raise what it raises; return False when the stop comes first."""
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not task.done():
        return False
    task.result()
    return True


async def _rotate(log: LogFile) -> None:
    while True:
        await asyncio.sleep(LOG_CHECK_INTERVAL_S)
        with contextlib.suppress(OSError):  # the disk is full: the old file goes on
            log.rotate_when_full()


def _log_failure(plan: ServingPlan, error: BaseException) -> None:
    """Write the reason as one log line, in the shape of the services' own.

    What an exception says may quote a URL with its password or a variable's value.
    """
    secrets = (value for name, value in plan.environment.items() if is_secret_name(name))
    redacted = Redactor(secrets).text
    entry = {
        "timestamp": rfc3339(SystemClock().now_ms()),
        "level": "critical",
        "message": redacted(f"{plan.name} stopped: {type(error).__name__}: {error}"),
        "service.name": plan.name,
        "exception": redacted("".join(traceback.format_exception(error))),
    }
    os.write(2, msgspec.json.encode(entry) + b"\n")
