"""A platform of the run's own: started before it, thrown away after it."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from caas_conformance.errors import TargetError
from caas_conformance.targets import FoundTarget, from_stack_file

UP_TIMEOUT_S = 90.0
DOWN_TIMEOUT_S = 30.0
OUTPUT_BYTES_MAX = 256 * 1024
STACK_COMMAND = (sys.executable, "-m", "caas.cli")
OWN_SETTINGS = {"CAAS_GATEWAY_LIMIT_FREE_REQUESTS": "150"}
"""Unless set outside. A case spends the free plan's whole quota and records every exchange, so the
platform's default of 1,200 a minute would fill the report with one case."""


class OwnStack:
    """Starts `caas up --ephemeral` as a child process and stops it again.

    Attributes:
        state_dir: Its state and its services' log files.
    """

    def __init__(self, profile: str, otlp_endpoint: str | None) -> None:
        self.state_dir = Path(tempfile.mkdtemp(prefix="caas-conformance-"))
        self._profile = profile
        self._otlp_endpoint = otlp_endpoint

    async def up(self) -> FoundTarget:
        """Start it and wait until everything is ready.

        Raises:
            TargetError: it did not start; the message is its own last line.
        """
        environ = {**OWN_SETTINGS, **os.environ}
        environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
        if self._otlp_endpoint:
            environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = self._otlp_endpoint
        arguments = ["up", "--profile", self._profile, "--ports", "auto", "--detach"]
        code, output = await _caas(
            [*arguments, "--ephemeral", "--state-dir", str(self.state_dir)], environ, UP_TIMEOUT_S
        )
        if code != 0:
            lines = [line for line in output.splitlines() if line.strip()]
            said = lines[-1].strip().removeprefix("Error: ") if lines else f"exit code {code}"
            raise TargetError(f"the platform did not start: {said}")
        return from_stack_file(self.state_dir / "stack.json", environ={})

    async def down(self) -> None:
        """Stop it and remove its state; safe when it never started."""
        with suppress(TargetError):
            await _caas(
                ["down", "--state-dir", str(self.state_dir)], dict(os.environ), DOWN_TIMEOUT_S
            )
        await asyncio.to_thread(shutil.rmtree, self.state_dir, ignore_errors=True)


async def _caas(
    arguments: Sequence[str], environ: dict[str, str], timeout_s: float
) -> tuple[int, str]:
    # A file, not a pipe: what stays running may hold a pipe open for as long as it runs.
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *STACK_COMMAND,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environ,
            # An interrupt at the terminal is the runner's to handle; it stops the stack itself.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(timeout_s):
                code = await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise TargetError(f"`caas {arguments[0]}` took over {timeout_s:g} s") from None
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            raise
        output.seek(0)
        return code, output.read(OUTPUT_BYTES_MAX).decode(errors="replace")
