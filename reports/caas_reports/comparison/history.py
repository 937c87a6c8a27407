"""The runs that lie beside a run, in few words each: how they ended, and which cases were red."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from caas_reports.model import RED, Counts, Verdict

HISTORY_RUNS_MAX = 30
RUN_FILE = "run.json"
# The verdict of each case is read from here: it is a hundredth of the size of `run.json`.
CASES_FILE = "ctrf.json"
CASES_MAX_BYTES = 32 * 1024 * 1024
# A file is tens of megabytes, nearly all of it after the plan; what is wanted stands before.
HEAD_MAX_BYTES = 256 * 1024
_AFTER_HEAD = b'\n "plan":'


class PastRun(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a `run.json`; its cases are skipped while it is read.

    `verdicts` holds the verdict of each case, by id; empty when they can't be told.
    """

    run_id: str
    suite: str = ""
    verdict: Verdict
    started_at: str
    duration_ms: float
    counts: Counts = Counts()
    verdicts: dict[str, Verdict] = {}


class Streak(msgspec.Struct, frozen=True, kw_only=True):
    """How long a case has been red: in so many runs before this one, without a green between."""

    runs: int  # 0: it was green when it ran last, so this is new
    since: str  # the start of the first red run, or of the last green one when it is new


def streak(case_id: str, past: Iterable[PastRun]) -> Streak | None:
    """Tell since when a case that is red now has been; None when no run before had it.

    Args:
        case_id: The case.
        past: The runs before, oldest first. Runs that left the case out say nothing.
    """
    runs, since = 0, ""
    for run in reversed(tuple(past)):
        verdict = run.verdicts.get(case_id)
        if verdict is None or verdict is Verdict.SKIPPED:
            continue
        if verdict not in RED:
            return Streak(runs=runs, since=since or run.started_at)
        runs, since = runs + 1, run.started_at
    return Streak(runs=runs, since=since) if runs else None


def read(runs: Path, *, suite: str, before: str = "") -> tuple[PastRun, ...]:
    """List the runs of a suite in a directory, oldest first, the last ones when there are many.

    Args:
        runs: Where a directory per run lies, such as `.caas/runs`.
        suite: Whose runs; those of another suite have other cases.
        before: The name of a run's directory: it and what started after it are left out.

    Directories without a readable run are passed over: they were written by another version, or
    are being written.
    """
    found = [past for past in map(_head, _directories(runs)) if past is not None]
    limit = _head(runs / before) if before else None
    earlier = [
        past
        for past in found
        if past.suite == suite
        and (limit is None or (past.run_id != limit.run_id and past.started_at <= limit.started_at))
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
        past = msgspec.json.decode(content, type=PastRun)
    except (OSError, msgspec.MsgspecError):
        return None
    return msgspec.structs.replace(past, verdicts=_verdicts(directory / CASES_FILE))


class _Extra(msgspec.Struct, rename="camel"):
    case_id: str


class _Test(msgspec.Struct, rename="camel"):
    raw_status: Verdict
    extra: _Extra


class _Results(msgspec.Struct):
    tests: list[_Test]


class _Cases(msgspec.Struct):
    results: _Results


def _verdicts(file: Path) -> dict[str, Verdict]:
    try:
        if file.stat().st_size > CASES_MAX_BYTES:
            return {}
        tests = msgspec.json.decode(file.read_bytes(), type=_Cases).results.tests
    except (OSError, msgspec.MsgspecError):
        return {}
    return {test.extra.case_id: test.raw_status for test in tests}
