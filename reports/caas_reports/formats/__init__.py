"""The writers, one module a format: a new format is one new file in this folder.

A format module has
    NAME      what `--format` calls it
    FILENAME  what its file is called in a run's directory
    write(run, stream, context)   writes the whole document as bytes
and is found by being here. Equal arguments give equal bytes.
"""

import importlib
import os
import pkgutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Protocol, cast

from caas_reports.comparison.context import Context
from caas_reports.errors import UnknownFormatError
from caas_reports.model import Run


class Format(Protocol):
    """What a module in this folder offers."""

    NAME: str
    FILENAME: str

    def write(self, run: Run, stream: BinaryIO, context: Context) -> None:
        """Write the whole document."""


@cache
def available() -> MappingProxyType[str, Format]:
    """Give every format by its name, in the order of the names."""
    modules = (
        cast("Format", importlib.import_module(f"{__name__}.{found.name}"))
        for found in pkgutil.iter_modules(__path__)
    )
    return MappingProxyType({module.NAME: module for module in sorted(modules, key=_name)})


def _name(module: Format) -> str:
    return module.NAME


def write_all(
    run: Run,
    directory: Path,
    *,
    names: Iterable[str] | None = None,
    context: Context | None = None,
) -> dict[str, Path]:
    """Write the formats of a run into its directory; each file appears whole or not at all.

    Args:
        run: What happened.
        directory: Where the files go; it exists.
        names: Which formats; None means all.
        context: What the run is compared with; None means the baseline of its suite and
            the runs of it that lie beside the directory.

    Returns:
        The path of each file by the name of its format.

    Raises:
        UnknownFormatError: There is no format of one of the names.
        OSError: A file can't be written.
    """
    wanted = list(available()) if names is None else list(names)
    for name in wanted:
        if name not in available():
            raise UnknownFormatError(name, tuple(available()))
    given = Context.beside(directory, run) if context is None else context
    return {name: _write(available()[name], run, directory, given) for name in wanted}


def _write(writer: Format, run: Run, directory: Path, context: Context) -> Path:
    target = directory / writer.FILENAME
    descriptor, draft = tempfile.mkstemp(dir=directory, prefix=f".{writer.FILENAME}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            writer.write(run, stream, context)
        Path(draft).chmod(0o644)
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return target
