"""The runs that lie beside a run, in few words each: what a trend line needs."""

from pathlib import Path

import msgspec

from caas_reports.model import Counts, Verdict

HISTORY_RUNS_MAX = 30
RUN_FILE = "run.json"
# A file is tens of megabytes, nearly all of it after the plan; what is wanted stands before.
HEAD_MAX_BYTES = 256 * 1024
_AFTER_HEAD = b'\n "plan":'


class PastRun(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a `run.json`; its cases are skipped while it is read."""

    run_id: str
    verdict: Verdict
    started_at: str
    duration_ms: float
    counts: Counts = Counts()


def read(runs: Path, *, before: str = "") -> tuple[PastRun, ...]:
    """List the runs of a directory, oldest first, the last ones when there are many.

    Args:
        runs: Where a directory per run lies, such as `.caas/runs`.
        before: The name of a run's directory: it and what started after it are left out.

    Directories without a readable run are passed over: they were written by another version, or
    are being written.
    """
    found = [past for past in map(_head, _directories(runs)) if past is not None]
    limit = _head(runs / before) if before else None
    earlier = [
        past
        for past in found
        if limit is None or (past.run_id != limit.run_id and past.started_at <= limit.started_at)
    ]
    ordered = sorted(earlier, key=lambda past: (past.started_at, past.run_id))
    return tuple(ordered[-HISTORY_RUNS_MAX:])


def _directories(runs: Path) -> list[Path]:
    """Give the newest run directories by name, which starts with the time; links are aliases."""
    if not runs.is_dir():
        return []
    own = sorted(entry for entry in runs.iterdir() if entry.is_dir() and not entry.is_symlink())
    return own[-HISTORY_RUNS_MAX - 1 :]


def _head(directory: Path) -> PastRun | None:
    try:
        with (directory / RUN_FILE).open("rb") as stream:
            content = stream.read(HEAD_MAX_BYTES)
            head, found, _ = content.partition(_AFTER_HEAD)
            content = head.rstrip(b", ") + b"}" if found else content + stream.read()
        return msgspec.json.decode(content, type=PastRun)
    except (OSError, msgspec.MsgspecError):
        return None
