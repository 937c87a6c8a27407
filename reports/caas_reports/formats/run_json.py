"""`run.json`: the whole run; every other report is made from it.

Its JSON Schema is published as `reports/schemas/run.schema.json`.
"""

from pathlib import Path
from typing import BinaryIO

import msgspec

from caas_reports.comparison.context import Context
from caas_reports.errors import UnreadableRunError
from caas_reports.model import SCHEMA_VERSION, Run

NAME = "json"
FILENAME = "run.json"
RUN_MAX_BYTES = 1024 * 1024 * 1024


def write(run: Run, stream: BinaryIO, context: Context) -> None:  # noqa: ARG001
    """Write the run, one member a line, with the keys of free-form objects in order."""
    stream.write(encode(run))


def encode(run: Run) -> bytes:
    """Give the file's bytes; equal runs give equal bytes."""
    compact = msgspec.json.encode(run, order="deterministic")
    return msgspec.json.format(compact, indent=1) + b"\n"


def read(path: Path) -> Run:
    """Read a run from its file, or from the directory that holds it.

    Raises:
        UnreadableRunError: It is not there, too big, or not a run of this version.
    """
    file = path / FILENAME if path.is_dir() else path
    try:
        if file.stat().st_size > RUN_MAX_BYTES:
            raise UnreadableRunError(f"{file}: over {RUN_MAX_BYTES} bytes")
        run = msgspec.json.decode(file.read_bytes(), type=Run)
    except OSError as error:
        raise UnreadableRunError(f"{file}: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise UnreadableRunError(f"{file}: not a run: {error}") from error
    if run.schema_version.split(".")[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
        raise UnreadableRunError(
            f"{file}: version {run.schema_version}, this reads {SCHEMA_VERSION}: run it again"
        )
    return run
