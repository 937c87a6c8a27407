"""Start a server process, know when it answers, and count the CPU that it and its children use."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

READY_MAX_S = 20.0
STOP_MAX_S = 5.0
POLL_S = 0.02


class ServerError(RuntimeError):
    """A server under test did not start; the message ends with its last output."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server under test."""

    name: str
    url: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """Return user and system seconds of the process tree so far."""
        total = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total

    def memory_mb(self) -> float:
        """Return the proportional set size of the process tree in MB."""
        tree = (self.process, *self.process.children(recursive=True))
        return float(sum(process.memory_full_info().pss for process in tree)) / 1e6


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Tell whether *url* gives 200."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:  # noqa: S310 - 127.0.0.1 only
            return bool(response.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    health: str = "/health",
    cwd: Path | None = None,
) -> Iterator[Server]:
    """Run *command* until the block ends; its group is ended with it.

    Raises:
        ServerError: it did not answer *health* within `READY_MAX_S`.
    """
    url = f"http://127.0.0.1:{port}"
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 - our own command lines
            list(command),
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + READY_MAX_S
        while not answers(url + health):
            if child.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"{name} did not answer: {log.read_text()[-800:]}")
            time.sleep(POLL_S)
        yield Server(name, url, psutil.Process(child.pid))
    finally:
        _end_group(child)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, signum)
        except ProcessLookupError:
            break
        try:
            child.wait(STOP_MAX_S)
            break
        except subprocess.TimeoutExpired:
            continue
