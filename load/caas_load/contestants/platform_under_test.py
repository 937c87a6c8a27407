"""Boot the platform for a benchmark and get real tokens from it, over its public API."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import psutil

from caas_load.measuring.processes import Server

PASSWORD = "Bench-1234!@#$"  # noqa: S105 - of a tenant that lives as long as the benchmark
TIMEOUT_S = 30.0


@dataclass(frozen=True)
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
        """Open *count* SDK sessions of different users of the benchmark's tenant."""
        return [self._open_session(f"user-{number}") for number in range(count)]

    def revoked_token(self) -> str:
        """Open a session and end it; return its token."""
        token = self._open_session("gone")
        call(f"{self._auth}/sdk/logout", {}, {"authorization": f"Bearer {token}"})
        return token

    @property
    def tenant_id(self) -> str:
        """Whom the sessions belong to."""
        return str(self.tenant["tenant_id"])

    @property
    def _auth(self) -> str:
        return f"{self.stack['services']['auth-service']['url']}/api/v1/auth"

    def _open_session(self, user: str) -> str:
        key = {"x-api-key": str(self.tenant["api_key"])}
        session = call(f"{self._auth}/sdk/session", {"user_external_id": user}, key)
        return str(session["access_token"])

    @cached_property
    def tenant(self) -> Mapping[str, Any]:
        """The benchmark's tenant, registered on first use."""
        answer: Mapping[str, Any] = call(
            f"{self._auth}/client/register",
            {
                "company_name": "Bench",
                "email": "bench@example.com",
                "password": PASSWORD,
                "plan": "enterprise",
            },
        )
        return answer


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
