"""Become another program that dies with the process that started this one.

Run as `python -I -S tied_exec.py PARENT_PID PROGRAM [ARG]...`. A program of its own, because
the alternative (`preexec_fn`) is unsafe in a process that has threads, as test workers do.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_CANNOT_EXECUTE = 126


def die_with_parent(parent_pid: int, death_signal: int) -> None:
    """Have the kernel send *death_signal* when the parent ends; exit if it already has.

    Does nothing where the kernel has no such call (anything but Linux): there the next
    `caas up` ends what was left.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent_pid:
        os._exit(EXIT_CANNOT_EXECUTE)


def main() -> None:
    """Tie this process to its parent, leave the terminal's group, and run the program."""
    # SIGTERM, not SIGKILL: a data server gets to write its last second to disk.
    die_with_parent(int(sys.argv[1]), signal.SIGTERM)
    os.setsid()
    program = sys.argv[2:]
    try:
        os.execv(program[0], program)  # noqa: S606  # the caller chose the program
    except OSError as error:
        os.write(2, f"cannot execute {program[0]}: {error.strerror}\n".encode())
        os._exit(EXIT_CANNOT_EXECUTE)


if __name__ == "__main__":
    main()
