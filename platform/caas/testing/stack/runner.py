"""Drive a stack of echo services through the command line, as anyone would."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from caas.stack.processes import ProcessRecord, record_of
from caas.testing.patience import PATIENCE_S

COMMAND_DEADLINE_S = 180
OUTSIDE = ("MONGODB_URI", "REDIS_URL", "OTEL_EXPORTER_OTLP_ENDPOINT")


class StackRunner:
    """Runs `caas` commands on one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.environ = {key: value for key, value in os.environ.items() if key not in OUTSIDE}
        self.environ["CAAS_STOP_DEADLINE_S"] = "20"
        self.module = ["-m", "caas.testing.stack.echo_stack"]
        self.foreground: list[subprocess.Popen[str]] = []

    def command(self, name: str, *arguments: str) -> list[str]:
        """Return the command line of one subcommand."""
        where = ("--state-dir", str(self.state_dir))
        return [sys.executable, *self.module, name, *arguments, *where]

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand to its end."""
        return subprocess.run(  # noqa: S603  # our own command
            self.command(name, *arguments),
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=COMMAND_DEADLINE_S,
            check=False,
        )

    def up(self, *arguments: str) -> Any:
        """Start a detached stack on free ports; return the stack file."""
        done = self.run("up", "--detach", "--ports", "auto", "--json", *arguments)
        if done.returncode:
            raise AssertionError(done.stderr)
        return msgspec.json.decode(done.stdout)

    def up_in_foreground(self, *arguments: str) -> tuple[subprocess.Popen[str], Any]:
        """Start a stack that stays with its command; return both once it is ready."""
        process = subprocess.Popen(  # noqa: S603  # our own command
            self.command("up", "--ports", "auto", "--json", *arguments),
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.foreground.append(process)
        line = process.stdout.readline() if process.stdout else ""
        return process, msgspec.json.decode(line)

    def notices(self) -> list[str]:
        """Return what the supervisor wrote to its log."""
        path = self.state_dir / "logs" / "supervisor.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [msgspec.json.decode(line)["message"] for line in lines]

    def read_stack(self) -> Any:
        """Return the stack file as it is now."""
        return msgspec.json.decode((self.state_dir / "stack.json").read_bytes())

    def restarts(self, name: str) -> int:
        """Return how often the stack file says *name* was started again."""
        stack = self.read_stack()
        found: int = {**stack["services"], **stack["servers"]}[name]["restarts"]
        return found

    def processes(self, stack: Any) -> list[ProcessRecord]:
        """Return every process of a running stack."""
        members = {**stack["services"], **stack["servers"]}
        pids = {name: member["pid"] for name, member in members.items() if member["pid"]}
        return [record_of(name, pid) for name, pid in {**pids, "supervisor": stack["pid"]}.items()]


def ask(url: str, path: str = "/") -> Any:
    """GET a JSON body."""
    with urllib.request.urlopen(url + path, timeout=PATIENCE_S) as response:  # noqa: S310  # 127.0.0.1
        return msgspec.json.decode(response.read())


def until(condition: Callable[[], Any], *, deadline_s: float = PATIENCE_S) -> Any:
    """Return the first true value of *condition*; for what another process writes."""
    deadline = time.monotonic() + deadline_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {deadline_s:g} s")
        time.sleep(0.02)
    return value
