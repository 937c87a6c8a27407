"""Boot the platform for a benchmark and get real tokens from it, over its public API."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil

from caas_load.processes import Server

PASSWORD = "Bench-1234!@#$"  # noqa: S105 - of a tenant that lives as long as the benchmark
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Platform:
    """A running stack, read from its stack file."""

    stack: Mapping[str, Any]
    secrets: Mapping[str, str]

    def service(self, name: str) -> Server:
        """Return the running service *name*."""
        entry = self.stack["services"][name]
        return Server(name, entry["url"], psutil.Process(entry["pid"]))

    @property
    def redis_url(self) -> str:
        """Where the stack's Redis listens."""
        return str(self.stack["servers"]["redis"]["url"])

    @property
    def mongodb_url(self) -> str:
        """Where the stack's MongoDB listens."""
        return str(self.stack["servers"]["mongodb"]["url"])

    @property
    def service_secret(self) -> str:
        """What services show each other."""
        return self.secrets["service_secret"]

    def access_tokens(self, count: int) -> list[str]:
        """Register a tenant and open *count* SDK sessions of different users."""
        auth = self.stack["services"]["auth-service"]["url"] + "/api/v1/auth"
        tenant = call(
            f"{auth}/client/register",
            {
                "company_name": "Bench",
                "email": f"bench-{os.getpid()}-{count}@example.com",
                "password": PASSWORD,
                "plan": "enterprise",
            },
        )
        key = {"x-api-key": tenant["api_key"]}
        return [
            str(call(f"{auth}/sdk/session", {"user_external_id": f"u{n}"}, key)["access_token"])
            for n in range(count)
        ]


def call(url: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
    """POST *body* as JSON and return the decoded answer."""
    request = urllib.request.Request(  # noqa: S310 - 127.0.0.1 only
        url,
        data=msgspec.json.encode(body),
        headers={"content-type": "application/json", **(headers or {})},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        return msgspec.json.decode(response.read())


@contextmanager
def platform_up(directory: Path, env: Mapping[str, str] | None = None) -> Iterator[Platform]:
    """Boot the platform with its state in *directory* until the block ends."""
    cli = [sys.executable, "-m", "caas.cli"]
    state = ["--state-dir", str(directory)]
    environ = {**os.environ, **(env or {})}
    subprocess.run(  # noqa: S603 - our own command line
        [*cli, "up", "--ports", "auto", "--detach", *state],
        env=environ,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        stack = msgspec.json.decode((directory / "stack.json").read_bytes())
        secrets = msgspec.json.decode(Path(stack["secrets_file"]).read_bytes())
        yield Platform(stack, secrets)
    finally:
        subprocess.run(  # noqa: S603 - our own command line
            [*cli, "down", *state], env=environ, check=False, stdout=subprocess.DEVNULL
        )
