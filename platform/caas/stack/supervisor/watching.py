"""The supervisor's processes while they run: readiness, deaths, restarts."""

import selectors
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from caas.stack.errors import StackError
from caas.stack.supervisor.backoff import Backoff
from caas.stack.supervisor.readiness import ReadinessProbe
from caas.stack.supervisor.service_process import ManagedProcess, ServiceProcess
from caas.stack.supervisor.signals import SignalInbox

TAIL_SIZE_MAX_BYTES = 64_000


class Watched:
    """One process under watch.

    Attributes:
        restarts: How often it was started again.
        restart_at: When it will be (monotonic seconds); None while it runs.
        probe: Asks a service whether it is ready; None for data servers.
    """

    def __init__(self, process: ManagedProcess) -> None:
        self.process = process
        self.restarts = 0
        self.restart_at: float | None = None
        self.probe: ReadinessProbe | None = None
        self.launched_at = time.monotonic()
        self._backoff = Backoff()

    def schedule_restart(self, now: float) -> float:
        """Plan the next start after a death; return the delay in seconds."""
        delay_s = self._backoff.next_delay_s(uptime_s=now - self.launched_at)
        self.restart_at = now + delay_s
        return delay_s

    def launch(self, selector: selectors.BaseSelector) -> None:
        """Start the process; a service is asked for readiness from now on."""
        if self.probe:
            self.probe.close()
            self.probe = None
        self.restart_at = None
        self.launched_at = time.monotonic()
        self.process.launch()
        if isinstance(self.process, ServiceProcess):
            self.probe = ReadinessProbe(self.process.name, self.process.port, selector)


class Watch:
    """All processes of a stack, from the first fork to the stop.

    Args:
        signals: Wakes the watch when a process ends or a stop is asked for.
        notice: Told of every death and return: level, message.
        changed: Called when a pid or a restart count changed.
    """

    def __init__(
        self,
        signals: SignalInbox,
        *,
        notice: Callable[[str, str], None],
        changed: Callable[[], None],
    ) -> None:
        self.selector = selectors.DefaultSelector()
        self.selector.register(signals, selectors.EVENT_READ, None)
        self.all: list[Watched] = []
        self._signals = signals
        self._notice = notice
        self._changed = changed

    def add(self, process: ManagedProcess) -> Watched:
        """Watch a process that is about to be launched, or just was."""
        watched = Watched(process)
        self.all.append(watched)
        return watched

    def await_ready(self, deadline_s: float) -> None:
        """Return once every service has said that it is ready.

        Raises:
            StackError: One stopped, or the deadline passed.
        """
        deadline = time.monotonic() + deadline_s
        while waiting := [each for each in self.all if each.probe and not each.probe.ready]:
            for each in self.all:
                status = each.process.exit_status()
                if status is not None:
                    raise StackError(_stopped_while_starting(each.process, status))
            if time.monotonic() > deadline:
                late = "; ".join(f"{each.process.name}: {_answer(each)}" for each in waiting)
                raise StackError(f"not ready within {deadline_s:g} s: {late}; see `caas logs`")
            self._wait(deadline)
        self.stop_asking()

    def run_until_stop(self, tick_s: float, on_tick: Callable[[], None]) -> None:
        """Restart what dies until a stop is asked for; call *on_tick* every *tick_s*."""
        next_tick = time.monotonic() + tick_s
        while not self._signals.stop_count:
            self._wait(next_tick)
            now = time.monotonic()
            self._reap(now)
            self._restart_due(now)
            self._welcome_back()
            if now >= next_tick:
                on_tick()
                next_tick = now + tick_s

    def await_exit(self, processes: Sequence[ManagedProcess], deadline_s: float) -> bool:
        """Wait until all have ended; return False at the deadline or when told to hurry."""
        deadline = time.monotonic() + deadline_s
        while any(each.exit_status() is None for each in processes):
            if time.monotonic() > deadline or self._signals.stop_count > 1:
                return False
            self._wait(deadline)
        return True

    def close(self) -> None:
        """Give up all probes and the selector."""
        self.stop_asking()
        self.selector.close()

    def stop_asking(self) -> None:
        """Ask no service for readiness any more."""
        for each in self.all:
            if each.probe:
                each.probe.close()
                each.probe = None

    def close_in_child(self) -> None:
        """Close a forked child's copies, without touching what the parent still uses.

        Not `close`: the selector's kernel object is shared, and unregistering there would
        deafen the parent.
        """
        for each in self.all:
            if each.probe:
                each.probe.close_copy()
        self.selector.close()

    def _wait(self, until: float) -> None:
        """Sleep until something happens or is due."""
        due = [until]
        for each in self.all:
            if each.restart_at is not None:
                due.append(each.restart_at)
            elif each.probe and not each.probe.ready:
                each.probe.ask_when_due()
                if not each.probe.asking:
                    due.append(each.probe.retry_at)
        timeout_s = max(0.0, min(due) - time.monotonic())
        for key, _ready in self.selector.select(timeout_s):
            if isinstance(key.data, ReadinessProbe):
                key.data.on_readable()
        self._signals.drain()

    def _reap(self, now: float) -> None:
        for each in self.all:
            if each.restart_at is not None or (status := each.process.exit_status()) is None:
                continue
            delay_s = each.schedule_restart(now)
            name = each.process.name
            self._notice("error", f"{name} {how_ended(status)}; restart in {delay_s:g} s")

    def _restart_due(self, now: float) -> None:
        for each in self.all:
            if each.restart_at is None or each.restart_at > now:
                continue
            try:
                each.launch(self.selector)
            except (OSError, StackError) as error:
                delay_s = each.schedule_restart(now)
                name = each.process.name
                self._notice("error", f"{name} did not start: {error}; again in {delay_s:g} s")
                continue
            each.restarts += 1
            self._changed()
            if each.probe is None:
                self._notice("info", f"{each.process.name} runs again (restart {each.restarts})")

    def _welcome_back(self) -> None:
        for each in self.all:
            if each.probe and each.probe.ready:
                each.probe = None
                self._notice("info", f"{each.process.name} is back (restart {each.restarts})")


def how_ended(status: int) -> str:
    """Say how a process ended, from its exit status."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"exited with {status}"


def last_complaint(log_path: Path) -> str:
    """Return the last error that a service logged, or ''."""
    try:
        with log_path.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - TAIL_SIZE_MAX_BYTES))
            lines = log.read().splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            entry = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(entry, dict) and entry.get("level") in ("critical", "error"):
            return str(entry.get("message", ""))
    return ""


def _answer(each: Watched) -> str:
    return each.probe.answer if each.probe else ""


def _stopped_while_starting(process: ManagedProcess, status: int) -> str:
    why = last_complaint(process.log_path)
    detail = f": {why}" if why else ""
    return f"{process.name} {how_ended(status)} while starting{detail}; see {process.log_path}"
