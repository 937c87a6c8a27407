"""A whole platform for tests that look at it from outside."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

BOOT_TIMEOUT_S = 120


class Stack:
    """A running platform: its stack file, its secrets, its files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "stack.json"
        self.entries: Any = msgspec.json.decode(self.file.read_bytes())
        secrets = Path(self.entries["secrets_file"])
        self.service_secret: str = msgspec.json.decode(secrets.read_bytes())["service_secret"]

    def url(self, service: str) -> str:
        """Return where *service* listens."""
        return str(self.entries["services"][service]["url"])


@contextmanager
def caas_up(directory: Path, **environment: str) -> Iterator[Stack]:
    """Boot the platform with its state in *directory* until the block ends."""
    env = {**os.environ, **environment}
    command = [sys.executable, "-m", "caas.cli"]
    state = ["--state-dir", str(directory)]
    subprocess.run(
        [*command, "up", "--ports", "auto", "--detach", *state],
        env=env,
        check=True,
        timeout=BOOT_TIMEOUT_S,
    )
    try:
        yield Stack(directory)
    finally:
        subprocess.run([*command, "down", *state], env=env, check=True, timeout=BOOT_TIMEOUT_S)


@pytest.fixture
def boot() -> Any:
    """Give `caas_up(directory, **environment)`, for tests that boot by their own rules."""
    return caas_up


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a platform that the tests of one module share."""
    with caas_up(tmp_path_factory.mktemp("stack") / "state") as running:
        yield running
