"""The secrets of one stack: made once, kept in a file that only its owner can read."""

import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from caas.stack.errors import StackError
from caas.stack.state.directory import PRIVATE_FILE_MODE, disk_errors, write_private

SECRET_SIZE_BYTES = 32
SERVICE_SECRET_ENV = "CAAS_SERVICE_SECRET"  # noqa: S105  # the variable's name
KEY_PEPPER_ENV = "CAAS_KEY_PEPPER"


class StackSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What the services share; its repr hides the values."""

    service_secret: str
    key_pepper: str

    def __repr__(self) -> str:
        return "StackSecrets(...)"

    @classmethod
    def variables(cls) -> frozenset[str]:
        """Return the names of all variables that hold one."""
        return frozenset(f"CAAS_{name.upper()}" for name in cls.__struct_fields__)

    def environment(self, names: Iterable[str]) -> dict[str, str]:
        """Return the named ones as the services read them."""
        return {f"CAAS_{name.upper()}": getattr(self, name) for name in names}


def load_or_create(path: Path, environ: Mapping[str, str]) -> StackSecrets:
    """Return the stack's secrets; a variable that is set wins over the file.

    Raises:
        StackError: Others can read the file, or it is not what was written.
    """
    try:
        described = path.stat()
    except FileNotFoundError:
        kept = _create(path)
    else:
        kept = _load(path, described)
    return StackSecrets(
        service_secret=environ.get(SERVICE_SECRET_ENV) or kept.service_secret,
        key_pepper=environ.get(KEY_PEPPER_ENV) or kept.key_pepper,
    )


def _create(path: Path) -> StackSecrets:
    made = StackSecrets(
        service_secret=secrets.token_urlsafe(SECRET_SIZE_BYTES),
        key_pepper=secrets.token_hex(SECRET_SIZE_BYTES),
    )
    with disk_errors(path):
        write_private(path, msgspec.json.encode(made))
    return made


def _load(path: Path, described: os.stat_result) -> StackSecrets:
    mode = stat.S_IMODE(described.st_mode)
    if mode & ~PRIVATE_FILE_MODE:
        message = (
            f"{path} can be read by others (mode {mode:03o}): its secrets are no longer secret; "
            "delete it to have new ones made, or `chmod 600` it if you know nobody read it"
        )
        raise StackError(message)
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackSecrets)
    except (OSError, msgspec.DecodeError) as error:
        # Not the decoder's own text: it may quote the content.
        message = f"{path} cannot be read as secrets; delete it to have new ones made"
        raise StackError(message) from error
