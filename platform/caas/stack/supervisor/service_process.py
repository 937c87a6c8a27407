"""One service as a forked child of the supervisor, seen from the supervisor."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from caas.contracts.services import ServiceSpec
from caas.stack.ports import port_of
from caas.stack.supervisor import serving


class ManagedProcess(Protocol):
    """What the supervisor watches: a service or a data server."""

    name: str
    log_path: Path

    @property
    def pid(self) -> int:
        """The process id; 0 before the first launch."""
        ...

    def launch(self) -> None:
        """Start it and return at once."""
        ...

    def exit_status(self) -> int | None:
        """Return the exit status (negative: a signal), or None while it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to stop; returns at once."""
        ...

    def kill(self) -> None:
        """End it now and reap it."""
        ...


class ServiceProcess:
    """A service instance that can be forked again and again from the preloaded parent.

    Args:
        spec: What it is.
        plan: How it is served.
        close_in_child: Closes what belongs to the supervisor alone, given this process.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        plan: serving.ServingPlan,
        close_in_child: Callable[["ServiceProcess"], None],
    ) -> None:
        self.spec = spec
        self.name = plan.name
        self.listener = plan.listener
        self.port = port_of(plan.listener)
        self.log_path = plan.log_path
        self._plan = plan
        self._close_in_child = close_in_child
        self._pid = 0
        self._status: int | None = None

    @property
    def url(self) -> str:
        """Where the service is reached."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id; 0 before the first launch."""
        return self._pid

    def launch(self) -> None:
        """Fork; the child never returns from here."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._pid, self._status = pid, None
            return
        try:
            serving.run(
                self._plan, parent_pid=parent, close_inherited=lambda: self._close_in_child(self)
            )
        finally:
            # A signal in these first instructions must not unwind into the supervisor's code.
            os._exit(serving.EXIT_FAILED)

    def exit_status(self) -> int | None:
        """Return the exit status (negative: a signal), or None while it runs."""
        if self._pid and self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def terminate(self) -> None:
        """Ask it to finish its requests and stop; returns at once."""
        if self._pid and self.exit_status() is None:
            os.kill(self._pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it now and reap it."""
        if self._pid and self.exit_status() is None:
            os.kill(self._pid, signal.SIGKILL)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
