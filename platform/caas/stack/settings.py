"""What an operator may tune about a stack; the defaults suit a laptop and CI alike."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from caas.stack.errors import StackError

MEBIBYTE = 1_048_576

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class StackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Deadlines and limits of one stack; each is an environment variable `CAAS_<NAME>`.

    Attributes:
        server_deadline_s: Until an embedded server must take writes.
        ready_deadline_s: Until every service must say it is ready.
        stop_deadline_s: What each stage of a stop may take before it is forced.
        log_size_max_bytes: A log file over this is moved to `<name>.1`, which is replaced.
        disk_free_min_bytes: With less free space a start is refused.
    """

    server_deadline_s: Seconds = 30.0
    ready_deadline_s: Seconds = 30.0
    stop_deadline_s: Seconds = 8.0
    log_size_max_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 64 * MEBIBYTE
    disk_free_min_bytes: Annotated[int, msgspec.Meta(ge=0)] = 64 * MEBIBYTE

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "StackSettings":
        """Read the settings.

        Raises:
            StackError: A variable holds no number, or one out of range.
        """
        given = {
            name: environ[variable]
            for name in cls.__struct_fields__
            if (variable := f"CAAS_{name.upper()}") in environ
        }
        try:
            return msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            name = str(error).rpartition("$.")[2].rstrip("`")
            raise StackError(f"CAAS_{name.upper()} is not usable: {error}") from error
