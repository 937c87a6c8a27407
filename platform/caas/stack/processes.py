"""Processes that outlive the one who asks: who they are, whether they live, how they end.

A pid alone is no name, the kernel gives it away again; pid and start time together are.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

POLL_S = 0.02
PS_DEADLINE_S = 5
KILLED_WITHIN_S = 10.0
"""A killed process is gone in a moment, unless the machine stalls or its disk does."""
LINUX = sys.platform.startswith("linux")


class ProcessRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A process as written down for later: `born` tells it from a later one with its pid."""

    name: str
    pid: int
    born: str


def record_of(name: str, pid: int) -> ProcessRecord:
    """Write down a running process."""
    return ProcessRecord(name=name, pid=pid, born=_born(pid) or "")


def is_alive(record: ProcessRecord) -> bool:
    """Tell whether that very process still runs; a zombie does not."""
    return bool(record.born) and _born(record.pid) == record.born


def end_all(records: Iterable[ProcessRecord], *, deadline_s: float) -> list[ProcessRecord]:
    """Ask each to stop, force it after *deadline_s* in total; return those that had to be.

    Those are gone as well when this returns, or `KILLED_WITHIN_S` have passed.
    """
    asked = [record for record in records if is_alive(record)]
    _signal_all(asked, signal.SIGTERM)
    wait_gone(asked, deadline_s=deadline_s)
    stubborn = [record for record in asked if is_alive(record)]
    _signal_all(stubborn, signal.SIGKILL)
    wait_gone(stubborn, deadline_s=KILLED_WITHIN_S)
    return stubborn


def wait_gone(records: Sequence[ProcessRecord], *, deadline_s: float) -> bool:
    """Return True once none of them runs, False when that took over *deadline_s*."""
    deadline = time.monotonic() + deadline_s
    for record in records:
        while is_alive(record):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            _wait_one(record, left_s)
    return True


def memory_pss_bytes(pid: int) -> int | None:
    """Return the memory that is *pid*'s share (PSS), or None where the kernel does not say."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def _wait_one(record: ProcessRecord, timeout_s: float) -> None:
    """Wait for its end by event where there is one (Linux), else a little while."""
    try:
        handle = os.pidfd_open(record.pid)
    except (AttributeError, OSError):
        time.sleep(POLL_S)
        return
    try:
        # A zombie's handle is readable too; is_alive() sorts that out.
        select.select([handle], [], [], timeout_s)
    finally:
        os.close(handle)


def _signal_all(records: Iterable[ProcessRecord], number: int) -> None:
    for record in records:
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            continue


def _born(pid: int) -> str | None:
    """Return when *pid* started in the kernel's own terms, or None when it is gone."""
    if LINUX:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The name in parentheses may hold anything, so count from behind it (proc(5)).
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    shown = subprocess.run(  # noqa: S603  # no input from outside
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        timeout=PS_DEADLINE_S,
        check=False,
        text=True,
    ).stdout.split(maxsplit=1)
    return None if len(shown) != 2 or shown[0].startswith("Z") else shown[1].strip()  # noqa: PLR2004
