"""The state directory: what one stack keeps on disk, and who may use it now.

`lock` (held by the supervisor), `stack.json` (for the runner and the command line),
`processes.json` (to clean up after a supervisor that was killed), `secrets.json`, `logs/`,
`mongodb/`, `redis/`.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from caas.kernel.clock import SystemClock, rfc3339
from caas.stack.errors import StackError
from caas.stack.processes import ProcessRecord, end_all, is_alive, record_of
from caas.stack.settings import MEBIBYTE

PRIVATE_DIR_MODE = 0o700
PRIVATE_FILE_MODE = 0o600
STACK_VERSION = 1
T = TypeVar("T")

OWNED = (
    *("stack.json", "processes.json", "server-ports.json", "secrets.json"),
    *("logs", "mongodb", "redis", "lock"),
)


class ServiceEntry(msgspec.Struct, kw_only=True):
    """One running instance of a service in the stack file; `service` is its `service.name`."""

    url: str
    service: str
    pid: int
    log: str
    restarts: int = 0


class ServerEntry(msgspec.Struct, kw_only=True):
    """One data server in the stack file; `pid` is 0 when it is not ours."""

    url: str
    pid: int
    embedded: bool
    log: str = ""
    restarts: int = 0


class StackFile(msgspec.Struct, kw_only=True):
    """`stack.json`: where everything is. Holds no secret."""

    version: int = STACK_VERSION
    pid: int
    profile: str
    state_dir: str
    started_at: str
    otlp_endpoint: str | None
    secrets_file: str
    services: dict[str, ServiceEntry]
    servers: dict[str, ServerEntry]
    ephemeral: bool = False
    timings_ms: dict[str, int] = {}


class ProcessFile(msgspec.Struct, kw_only=True):
    """`processes.json`: everything the supervisor started, written before it is ready."""

    supervisor: ProcessRecord
    children: list[ProcessRecord] = []
    ephemeral: bool = False


class StateDir:
    """One stack's directory; at most one supervisor uses it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.stack_path = self.path / "stack.json"
        self.processes_path = self.path / "processes.json"
        self.secrets_path = self.path / "secrets.json"
        self.lock_path = self.path / "lock"
        self.logs = self.path / "logs"

    def prepare(self, *, free_min_bytes: int) -> None:
        """Create the directory, readable by its owner only.

        Raises:
            StackError: It can't be written, others can write it, or the disk is (almost) full.
        """
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR_MODE)
            self._require_own()
            self.logs.mkdir(exist_ok=True, mode=PRIVATE_DIR_MODE)
            free_bytes = shutil.disk_usage(self.path).free
        if free_bytes < free_min_bytes:
            message = (
                f"the disk of {self.path} has {free_bytes // MEBIBYTE} MiB left and a stack needs "
                f"{free_min_bytes // MEBIBYTE} MiB; free some, or use --state-dir on another disk"
            )
            raise StackError(message)

    def _require_own(self) -> None:
        """Refuse a directory in which others could put links, secrets or process lists of theirs.

        Raises:
            StackError: It is another user's, or everybody may write it.
        """
        described = self.path.stat()
        if described.st_uid != os.geteuid() or described.st_mode & stat.S_IWOTH:
            message = (
                f"{self.path} can be written by other users, who could read the stack's secrets; "
                "use --state-dir with a directory of your own (`chmod o-w` it if it is yours)"
            )
            raise StackError(message)

    def lock(self) -> int:
        """Become the directory's one user; return the descriptor that holds the lock.

        Raises:
            StackError: Another supervisor uses it.
        """
        with disk_errors(self.path):
            held = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE_MODE)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(held)
            running = self.read_processes()
            who = f" (pid {running.supervisor.pid})" if running else ""
            message = (
                f"a stack{who} already runs from {self.path}; use it, stop it with `caas down`, "
                "or choose another --state-dir"
            )
            raise StackError(message) from error
        return held

    def clean_up_after_kill(self, *, deadline_s: float) -> list[str]:
        """End what a killed supervisor left behind; return the names of what was still there.

        Call it only while holding the lock.
        """
        left = self.read_processes()
        if left is None:
            return []
        alive = [record for record in left.children if is_alive(record)]
        end_all(alive, deadline_s=deadline_s)
        self.forget()
        return [record.name for record in alive]

    def forget(self) -> None:
        """Remove the files that say a stack runs."""
        self.stack_path.unlink(missing_ok=True)
        self.processes_path.unlink(missing_ok=True)

    def destroy(self) -> None:
        """Remove everything a stack keeps here, and the directory when nothing else is in it."""
        for name in OWNED:
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def write_stack(self, stack: StackFile) -> None:
        """Replace `stack.json` in one step: a reader sees the old or the new one."""
        self._write(self.stack_path, stack)

    def read_stack(self) -> StackFile | None:
        """Return what runs here, or None when nothing is written or it can't be read."""
        return _read(self.stack_path, StackFile)

    def write_processes(self, children: dict[str, int], *, ephemeral: bool) -> None:
        """Write down this process and its *children* (name: pid)."""
        records = [record_of(name, pid) for name, pid in children.items()]
        supervisor = record_of("supervisor", os.getpid())
        document = ProcessFile(supervisor=supervisor, children=records, ephemeral=ephemeral)
        self._write(self.processes_path, document)

    def read_processes(self) -> ProcessFile | None:
        """Return what was started here, or None."""
        return _read(self.processes_path, ProcessFile)

    def write_server_ports(self, ports: dict[str, int]) -> None:
        """Write down the embedded servers' ports, so that the next start prefers them."""
        self._write(self.path / "server-ports.json", ports)

    def read_server_ports(self) -> dict[str, int]:
        """Return the ports of the last start; empty on the first."""
        return _read(self.path / "server-ports.json", dict[str, int]) or {}

    def append_log(self, level: str, message: str) -> None:
        """Add a line to the supervisor's own log; a full disk must not stop it."""
        entry = {
            "timestamp": rfc3339(SystemClock().now_ms()),
            "level": level,
            "message": message,
            "service.name": "supervisor",
        }
        with contextlib.suppress(OSError), (self.logs / "supervisor.jsonl").open("ab") as log:
            log.write(msgspec.json.encode(entry) + b"\n")

    def _write(self, path: Path, document: Any) -> None:
        with disk_errors(self.path):
            write_private(path, msgspec.json.format(msgspec.json.encode(document)))


def write_private(path: Path, content: bytes) -> None:
    """Replace the file in one step, readable by its owner only."""
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    # Never through a link that somebody else put there.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the file system's errors into ones that say what to do.

    Raises:
        StackError: The body raised OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "the disk is full: free some space, or use --state-dir on another disk"
        else:
            advice = f"{error.strerror}: choose a directory you may write with --state-dir"
        raise StackError(f"cannot write {error.filename or path}; {advice}") from error


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
