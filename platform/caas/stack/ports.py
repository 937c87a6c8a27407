"""Listening sockets, bound before any service starts and kept while it restarts.

Binding here, not in the service, means that two stacks can't both believe a port is theirs, and
that a client that connects while a service restarts waits instead of being refused.
"""

import contextlib
import errno
import socket
import sys
from pathlib import Path

from caas.stack.errors import PortTakenError, StackError

BACKLOG = 1024
HOST = "127.0.0.1"
TCP_LISTEN = "0A"


def listen(port: int, service: str) -> socket.socket:
    """Return a socket that listens on *port* of 127.0.0.1; 0 means any free one.

    Raises:
        PortTakenError: Somebody listens there; named when the system tells us who.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            holder = port_holder(port)
            message = (
                f"port {port} for {service} is taken{f' by {holder}' if holder else ''}; stop it, "
                "or let the stack choose with --ports auto"
            )
            raise PortTakenError(message) from error
        raise StackError(f"cannot listen on port {port} for {service}: {error.strerror}") from error
    return listener


def port_of(listener: socket.socket) -> int:
    """Return the port that a listening socket has."""
    port: int = listener.getsockname()[1]
    return port


def port_holder(port: int) -> str:
    """Return `pid 12 (name)` of who listens on *port*, or '' when that can't be known."""
    if not sys.platform.startswith("linux"):
        return ""
    inodes = _listening_inodes(port)
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        # Gone meanwhile, or somebody else's.
        with contextlib.suppress(OSError):
            if any(_holds(process, inode) for inode in inodes):
                return f"pid {process.name} ({(process / 'comm').read_text().strip()})"
    return ""


def _holds(process: Path, inode: str) -> bool:
    for entry in (process / "fd").iterdir():
        # Descriptors come and go while we look, our own for this listing among them.
        with contextlib.suppress(FileNotFoundError):
            if entry.readlink().name == f"socket:[{inode}]":
                return True
    return False


def _listening_inodes(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on *port* (proc(5), /proc/net/tcp)."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == TCP_LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found
