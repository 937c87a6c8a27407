"""A platform of the run's own: started before it, as its suite says, and thrown away after it."""

import asyncio
import os
import shutil
import tempfile
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path
from typing import IO

from caas_conformance.authoring.suite import Launch, Suite
from caas_conformance.engine.targets import FoundTarget, from_stack_file
from caas_conformance.errors import TargetError

UP_TIMEOUT_S = 90.0
DOWN_TIMEOUT_S = 30.0
LINE_BYTES_MAX = 1024 * 1024
OUTPUT_BYTES_MAX = 64 * 1024


class OwnStack:
    """Starts a platform as a child process and stops it again.

    Attributes:
        state_dir: Its state and its services' log files, until it is stopped.
    """

    def __init__(self, suite: Suite, launch: Launch, otlp_endpoint: str | None) -> None:
        self.state_dir = Path(tempfile.mkdtemp(prefix="caas-conformance-"))
        self._suite = suite
        self._launch = launch
        self._otlp_endpoint = otlp_endpoint
        self._process: Process | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `down`

    async def up(self) -> FoundTarget:
        """Start it and wait until everything is ready.

        Raises:
            TargetError: it did not start; the message is its own last line.
        """
        environ = {**os.environ, **self._launch.environ}
        environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
        if self._otlp_endpoint:
            environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = self._otlp_endpoint
        self._process = await asyncio.create_subprocess_exec(
            *self._launch.command(self.state_dir),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            env=environ,
            limit=LINE_BYTES_MAX,
        )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        try:
            async with asyncio.timeout(UP_TIMEOUT_S):
                ready = await self._process.stdout.readline()
        except TimeoutError:
            raise TargetError(f"the platform was not ready after {UP_TIMEOUT_S:g} s") from None
        if not ready:
            code = await self._process.wait()
            raise TargetError(f"the platform did not start: {self._last_words(code)}")
        return from_stack_file(self.state_dir / self._launch.target_file, self._suite, environ={})

    async def down(self) -> None:
        """Stop it and remove its state; safe when it never started."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(DOWN_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        self._errors.close()
        await asyncio.to_thread(shutil.rmtree, self.state_dir, ignore_errors=True)

    def _last_words(self, code: int) -> str:
        self._errors.seek(0)
        text = self._errors.read(OUTPUT_BYTES_MAX).decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1].removeprefix("Error: ") if lines else f"exit code {code}"
