"""Where a run's files lie, and the journal that survives a kill.

`.caas/runs/<run_id>/` holds `plan.json`, `journal.jsonl` and the reports; `.caas/runs/latest`
points to the newest. `run.json` is there before the first case starts and is not green until
the run ends, so that no moment of a run looks like a success.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from caas_reports.formats import run_json
from caas_reports.model import Run, Status

LATEST = "latest"
JOURNAL = "journal.jsonl"
PLAN = "plan.json"
JOURNAL_BYTES_MAX = 256 * 1024 * 1024


def new_run_id(now: datetime | None = None) -> str:
    """Return an id that sorts by time and that no other run has."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"{moment}-{secrets.token_hex(4)}"


class RunDirectory:
    """One run's directory.

    Raises:
        OSError: it can't be made or written; the caller turns that into one line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, runs: Path, run_id: str) -> "RunDirectory":
        """Make the directory of *run_id* and let `latest` point to it."""
        path = runs / run_id
        path.mkdir(parents=True)
        draft = runs / f".{LATEST}-{run_id}"
        draft.symlink_to(run_id, target_is_directory=True)
        draft.replace(runs / LATEST)
        return cls(path)

    def write_plan(self, run_id: str, case_ids: tuple[str, ...], options: dict[str, Any]) -> None:
        """Write the expected cases; this happens before the first one starts."""
        document = {"run_id": run_id, "cases": case_ids, "options": options}
        self._write(PLAN, msgspec.json.format(msgspec.json.encode(document), indent=1))

    def write_run(self, run: Run) -> None:
        """Write `run.json` alone, as a whole or not at all."""
        self._write(run_json.FILENAME, run_json.encode(run))

    def journal(self) -> "Journal":
        """Open the journal for appending."""
        return Journal(self.path / JOURNAL)

    def _write(self, name: str, content: bytes) -> None:
        draft = self.path / f".{name}"
        draft.write_bytes(content)
        draft.replace(self.path / name)


class Journal:
    """What happened so far, a JSON line each, on disk before the run goes on.

    Its lock says that the run is alive: the kernel takes it away however the process ends, and
    it is seen from other containers, where process ids are others' or repeat.
    """

    def __init__(self, path: Path) -> None:
        draft = path.with_name(f".{path.name}")
        self._descriptor = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        with suppress(OSError):  # a file system without locks: `unfinished` takes it for alive
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.replace(path)  # nobody sees it unlocked

    def begin(self, run_id: str, planned: int) -> None:
        """Append the first line: whose run this is, and which process writes it."""
        self.write("begun", run_id=run_id, pid=os.getpid(), planned=planned)

    def write(self, event: str, **members: Any) -> None:
        """Append one line; the kernel has it when this returns, so a kill does not lose it.

        A full disk loses the line and nothing else: only killed runs are read from here.
        """
        with suppress(OSError):
            os.write(self._descriptor, msgspec.json.encode({"event": event, **members}) + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a journal; torn ones, of a kill or a full disk, are left out."""
    if not path.exists() or path.stat().st_size > JOURNAL_BYTES_MAX:
        return
    with path.open("rb") as lines:
        for line in lines:
            with suppress(msgspec.DecodeError):
                yield msgspec.json.decode(line, type=dict[str, Any])


def latest(runs: Path) -> Path | None:
    """Return the directory of the newest run, or None."""
    link = runs / LATEST
    return link.resolve() if link.exists() else None


def unfinished(runs: Path) -> Iterator[tuple[Path, Run]]:
    """Yield the runs whose process is gone and whose `run.json` still says `running`."""
    if not runs.is_dir():
        return
    for path in sorted(runs.iterdir()):
        if path.is_symlink() or not (path / JOURNAL).exists():
            continue
        run = _readable(path)
        if run is not None and run.status is Status.RUNNING and not _is_alive(path):
            yield path, run


def _readable(path: Path) -> Run | None:
    try:
        return run_json.read(path)
    except Exception:  # noqa: BLE001 - a foreign or broken file is nobody's unfinished run
        return None


def _is_alive(path: Path) -> bool:
    try:
        with (path / JOURNAL).open("rb") as journal:
            fcntl.flock(journal, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True  # or it can't be told, and then nothing is changed
    return False
