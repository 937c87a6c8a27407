"""The embedded servers: MongoDB as a one-node replica set, Valkey with an append-only file.

Both listen on 127.0.0.1 only and die with the process that started them.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from caas.stack import tied_exec
from caas.stack.errors import StackError
from caas.stack.servers.binaries import MONGOD, REDIS_SERVER, ServerProgram, find_program
from caas.stack.servers.mongo_wire import MongoConnection

READY_DEADLINE_S = 30.0
STOP_DEADLINE_S = 10.0
CONNECT_RETRY_S = 0.01
PORT_ATTEMPTS_MAX = 5
COMMAND_DEADLINE_S = 10.0
HELLO_AWAIT_MS = 500
HANDOVER_MS = 100
IDENTITY_DEADLINE_S = 1.0
REPLICA_SET = "rs0"
ELECTION_TIMEOUT_MS = 1000
HEARTBEAT_INTERVAL_MS = 500
WIREDTIGER_CACHE_GB = "0.25"
OPLOG_MB = "64"
# Operations and transactions under way at once; the default of 33,000 is 23 MB of empty records.
WIREDTIGER_SESSIONS_MAX = 5_000
WIREDTIGER_JOURNAL = "log=(file_max=8MB,prealloc=false)"  # 9 MB instead of 301 MB
ALREADY_INITIALIZED = 23
PORT_LOST_WORDS = ("Address already in use", "Failed listening on port")
DIAGNOSIS_SIZE_MAX_BYTES = 64_000
DISK_FULL_BYTES = 1_048_576
INFO_CHUNK_BYTES = 8_192
INFO_SIZE_MAX_BYTES = 64_000


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class EmbeddedServer(ABC):
    """One data server as a child process; its files lie in a directory of its own.

    Args:
        data_dir: Holds the data; created when missing.
        log_dir: Holds `<name>.log`, and `<name>.err` with what was said before the log opened.
        port: The port to try first, or None for any free one.
        environ: Where a binary may be named (`CAAS_MONGOD`, `CAAS_REDIS_SERVER`).
        ready_deadline_s: After this a server that is not ready is an error.
    """

    name: str
    program: ServerProgram

    def __init__(
        self,
        data_dir: Path,
        log_dir: Path,
        *,
        port: int | None = None,
        environ: Mapping[str, str] | None = None,
        ready_deadline_s: float = READY_DEADLINE_S,
    ) -> None:
        self.data_dir = data_dir
        self.log_path = log_dir / f"{self.name}.log"
        self.early_log_path = log_dir / f"{self.name}.err"
        self.port = port or free_port()
        self._environ = os.environ if environ is None else environ
        self._ready_deadline_s = ready_deadline_s
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start_bytes = 0

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that clients use."""

    @property
    def pid(self) -> int:
        """The process id; 0 before the first launch."""
        return self._process.pid if self._process else 0

    def launch(self) -> None:
        """Start the process and return at once; `wait_ready` says when it serves.

        Raises:
            StackError: The program is missing or may not be executed.
        """
        binary = find_program(self.program, self._environ)
        for folder in (self.data_dir, self.log_path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if self.log_path.exists():
            self._log_start_bytes = self.log_path.stat().st_size
        tie = [sys.executable, "-I", "-S", tied_exec.__file__, str(os.getpid())]
        with self.early_log_path.open("wb") as early:
            self._process = subprocess.Popen(  # noqa: S603  # found by find_program
                [*tie, str(binary), *self._arguments()],
                stdin=subprocess.DEVNULL,
                stdout=early,
                stderr=early,
                cwd=self.data_dir,
            )

    def wait_ready(self) -> None:
        """Return once the server answers and takes writes.

        Raises:
            StackError: It stopped, or was not ready within the deadline.
        """
        deadline = time.monotonic() + self._ready_deadline_s
        for _attempt in range(PORT_ATTEMPTS_MAX):
            try:
                self._await_ready(deadline)
            except _PortLostError:
                # Someone took the port between our look and the server's bind.
                self.port = free_port()
                self.launch()
            else:
                return
        raise StackError(f"{self.program.label} found no free port in {PORT_ATTEMPTS_MAX} attempts")

    def start(self) -> None:
        """Launch and wait until ready; stop what was started when that fails."""
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def exit_status(self) -> int | None:
        """Return the exit status (negative: a signal), or None while it runs."""
        return self._process.poll() if self._process else None

    def terminate(self) -> None:
        """Ask the server to write everything and stop; returns at once."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process now and reap it."""
        if self._process:
            self._process.kill()
            self._process.wait()

    @abstractmethod
    def reopen_log(self) -> None:
        """Have the server write to a new file, after its log was moved aside."""

    def stop(self, deadline_s: float = STOP_DEADLINE_S) -> None:
        """Stop cleanly, or by force after *deadline_s*; does nothing when it is not running."""
        self.terminate()
        try:
            if self._process:
                self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()

    @abstractmethod
    def _arguments(self) -> list[str]:
        """Return the program's arguments."""

    @abstractmethod
    def _await_ready(self, deadline: float) -> None:
        """Return once ready; raise `_PortLostError` when the port was taken meanwhile."""

    def _await_answer(self, deadline: float, ask: Callable[[], bool]) -> None:
        """Return once *ask* does not raise OSError and says yes, or the server stopped.

        *ask* must make sure that it talks to this process: a stranger may hold the port.
        """
        while True:
            self._require_running()
            try:
                if ask():
                    return
            except (OSError, ValueError):
                pass
            if time.monotonic() > deadline:
                self._give_up("did not answer")
            # Nothing signals "listening": look again soon, 10 ms is 2 % of a usual start.
            time.sleep(CONNECT_RETRY_S)

    def _require_running(self) -> None:
        status = self.exit_status()
        if status is None:
            return
        said = self._diagnosis()
        if any(words in said for words in PORT_LOST_WORDS):
            raise _PortLostError
        message = (
            f"{self.program.label} ({self._program_path()}) stopped while starting with status "
            f"{status}: {said or 'it said nothing'}; see {self.log_path}, or set "
            f"{self.program.url_env}"
        )
        raise StackError(message)

    def _give_up(self, what: str) -> None:
        message = (
            f"{self.program.label} {what} within {self._ready_deadline_s:g} s; see "
            f"{self.log_path}, or set {self.program.url_env} to a server that runs"
        )
        raise StackError(message)

    def _program_path(self) -> str:
        return str(self._process.args[5]) if self._process else ""  # type: ignore[index]

    def _diagnosis(self) -> str:
        """Return the server's last complaint, in one line."""
        if shutil.disk_usage(self.data_dir).free < DISK_FULL_BYTES:
            return "its disk is full (free some space)"  # it could not even log that
        for path, start in ((self.early_log_path, 0), (self.log_path, self._log_start_bytes)):
            lines = _tail(path, start)
            complaints = [text for line in lines if (text := complaint(line))]
            if complaints:
                return complaints[-1]
        return ""


class _PortLostError(Exception):
    """The server could not bind its port."""


class EmbeddedMongo(EmbeddedServer):
    """A `mongod` that is a replica set of one, for transactions and change streams."""

    name = "mongodb"
    program = MONGOD

    @property
    def url(self) -> str:
        """The URL that clients use."""
        return f"mongodb://127.0.0.1:{self.port}/?replicaSet={REPLICA_SET}"

    def reopen_log(self) -> None:
        """Have the server write to a new file, after its log was moved aside."""
        if self._process:
            self._process.send_signal(signal.SIGUSR1)

    def _arguments(self) -> list[str]:
        return [
            *("--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
            *("--dbpath", str(self.data_dir), "--replSet", REPLICA_SET),
            *("--wiredTigerCacheSizeGB", WIREDTIGER_CACHE_GB, "--oplogSize", OPLOG_MB),
            # Never zlib: CVE-2025-14847 reads the heap through it before authentication.
            *("--networkMessageCompressors", "snappy,zstd"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A set of one has nobody to hand its primacy to before it stops.
            *("--setParameter", f"shutdownTimeoutMillisForSignaledShutdown={HANDOVER_MS}"),
            "--wiredTigerEngineConfigString",
            f"{WIREDTIGER_JOURNAL},session_max={WIREDTIGER_SESSIONS_MAX}",
            *("--logpath", str(self.log_path), "--logappend", "--logRotate", "reopen", "--quiet"),
        ]

    def _await_ready(self, deadline: float) -> None:
        self._await_answer(deadline, self._is_mine)
        try:
            with MongoConnection(self.port, timeout_s=COMMAND_DEADLINE_S) as connection:
                self._ensure_member(connection)
                self._await_primary(connection, deadline)
        except OSError as error:
            self._require_running()
            raise StackError(f"MongoDB hung up while starting: {error}") from error

    def _is_mine(self) -> bool:
        with MongoConnection(self.port, timeout_s=IDENTITY_DEADLINE_S) as connection:
            sections = dict.fromkeys(("repl", "metrics", "wiredTiger", "locks", "tcmalloc"), 0)
            status = {"serverStatus": 1, **sections}
            reply = connection.command(status, timeout_s=IDENTITY_DEADLINE_S)
            return bool(reply.get("pid") == self.pid)

    def _ensure_member(self, connection: MongoConnection) -> None:
        """Make this node the set's only member, also when it was moved to another port."""
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        timing = {
            "electionTimeoutMillis": ELECTION_TIMEOUT_MS,
            "heartbeatIntervalMillis": HEARTBEAT_INTERVAL_MS,
        }
        config: dict[str, Any] = {"_id": REPLICA_SET, "members": [member], "settings": timing}
        command: dict[str, Any] = {"replSetInitiate": config}
        reply = connection.command(command, timeout_s=COMMAND_DEADLINE_S)
        if reply.get("code") == ALREADY_INITIALIZED:
            reply = connection.command({"replSetGetConfig": 1}, timeout_s=COMMAND_DEADLINE_S)
            stored = reply.get("config", {})
            hosts = {each["host"] for each in stored.get("members", ())}
            if member["host"] in hosts or not stored:
                return
            config["version"] = stored["version"] + 1
            command = {"replSetReconfig": config, "force": True}  # no majority to ask
            reply = connection.command(command, timeout_s=COMMAND_DEADLINE_S)
        if not reply.get("ok"):
            reason = reply.get("errmsg", "no reason given")
            raise StackError(f"MongoDB refused to form its replica set: {reason}")

    def _await_primary(self, connection: MongoConnection, deadline: float) -> None:
        """Wait on the server's own announcement (awaitable `hello`) of a writable primary."""
        hello: dict[str, Any] = {"hello": 1}
        while True:
            reply = connection.command(hello, timeout_s=COMMAND_DEADLINE_S)
            if reply.get("isWritablePrimary"):
                return
            if time.monotonic() > deadline:
                self._give_up("elected no primary")
            hello = {
                "hello": 1,
                "topologyVersion": reply["topologyVersion"],
                "maxAwaitTimeMS": HELLO_AWAIT_MS,
            }


class EmbeddedRedis(EmbeddedServer):
    """A Valkey (or Redis) server that logs every write, flushed each second."""

    name = "redis"
    program = REDIS_SERVER

    @property
    def url(self) -> str:
        """The URL that clients use."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _arguments(self) -> list[str]:
        return [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.data_dir)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--logfile", str(self.log_path)),
        ]

    def _await_ready(self, deadline: float) -> None:
        self._await_answer(deadline, self._serves)

    def reopen_log(self) -> None:
        """Do nothing: this server opens its log for every line."""

    def _serves(self) -> bool:
        """Return whether this process answers and has loaded its data."""
        address = ("127.0.0.1", self.port)
        with socket.create_connection(address, IDENTITY_DEADLINE_S) as connection:
            connection.sendall(b"INFO server\r\nINFO persistence\r\nQUIT\r\n")
            answer = b""
            while part := connection.recv(INFO_CHUNK_BYTES):
                answer += part
                if len(answer) > INFO_SIZE_MAX_BYTES:
                    return False
        return f"process_id:{self.pid}\r".encode() in answer and b"\nloading:0\r" in answer


def _tail(path: Path, start: int) -> list[str]:
    try:
        with path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(0, start, end - DIAGNOSIS_SIZE_MAX_BYTES))
            return log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def complaint(line: str) -> str:
    """Return the human part of a server's log line when it reports an error, else ''."""
    try:
        entry = msgspec.json.decode(line)
    except msgspec.DecodeError:
        lowered = line.lower()
        telling = ("error", "cannot", "can't", "no space", "fatal", "failed", "already in use")
        return line.strip() if any(word in lowered for word in telling) else ""
    if not isinstance(entry, dict) or entry.get("s") not in ("E", "F"):
        return ""
    attributes = entry.get("attr", {})
    detail = attributes.get("error") or attributes.get("message") or ""
    if isinstance(detail, dict):
        detail = detail.get("errmsg", "")
    return f"{entry.get('msg', '')} {detail}".strip()
