"""Find and read runs by path, by id, or the latest."""

from pathlib import Path

from caas_reports.errors import UnreadableRunError
from caas_reports.formats import run_json
from caas_reports.model import Run

RUNS_DIRECTORY = Path(".caas", "runs")
LATEST = "latest"


def locate(name: str | None) -> Path:
    """Give the directory of a run.

    Args:
        name: A directory, a `run.json`, or the id of a run below `.caas/runs`; None means the
            latest.

    Raises:
        UnreadableRunError: There is no such run.
    """
    if name is None:
        latest = RUNS_DIRECTORY / LATEST
        if not latest.is_dir():
            raise UnreadableRunError(f"no run in {RUNS_DIRECTORY}: caas conformance run makes one")
        return latest.resolve()
    path = Path(name)
    if path.is_file():
        return path.resolve().parent
    for directory in (path, RUNS_DIRECTORY / name):
        if directory.is_dir():
            return directory.resolve()
    raise UnreadableRunError(f"no run at {name}: give a directory, a run.json or a run's id")


def read(name: str | None) -> tuple[Run, Path]:
    """Read a run and say in which directory it lies.

    Raises:
        UnreadableRunError: There is no such run, or it can't be read.
    """
    directory = locate(name)
    given = Path(name) if name else directory
    return run_json.read(given if given.is_file() else directory), directory
