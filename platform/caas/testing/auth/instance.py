"""A real instance of the auth service: a process of its own, as `caas up` would run it."""

import asyncio
import base64
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from caas.kernel.ids import new_id
from caas.stack import tied_exec
from caas.stack.servers.embedded import free_port
from caas.testing.http.serving import container_command
from caas.testing.patience import PATIENCE_S

SECRET = "integration-test-service-secret"  # noqa: S105 - of a process that lives for one test
PEPPER = "5c" * 32
PASSWORD = "Correct-horse-7"  # noqa: S105 - as above
OK, CREATED = 200, 201


@dataclass(frozen=True, slots=True)
class Answer:
    """What an instance answered; names of headers are in lower case."""

    status: int
    body: Any
    headers: dict[str, str]
    text: str


class Instance:
    """One running process of the service."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log
        self.http: aiohttp.ClientSession = aiohttp.ClientSession(
            url, connector=aiohttp.TCPConnector(limit=200)
        )

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        service: bool = False,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request, as a service and as a bearer when told so."""
        sent = dict(headers or {})
        if service:
            sent["x-service-secret"] = SECRET
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        async with self.http.request(method, path, json=body, headers=sent) as answer:
            text = await answer.text()
            with contextlib.suppress(ValueError):
                return Answer(
                    answer.status,
                    await answer.json(content_type=None),
                    _fields(answer.headers),
                    text,
                )
            return Answer(answer.status, None, _fields(answer.headers), text)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """POST below `/api/v1/auth`."""
        return await self.send("POST", f"/api/v1/auth{path}", body, **options)

    async def register(self, email: str | None = None, plan: str = "business") -> dict[str, Any]:
        """Register a company."""
        made = await self.post(
            "/client/register",
            {
                "company_name": "Acme",
                "email": email or f"admin-{new_id()}@example.com",
                "password": PASSWORD,
                "plan": plan,
            },
        )
        return _expect(made, CREATED)

    async def session(self, api_key: str, external_id: str = "alice") -> dict[str, Any]:
        """Open a session."""
        opened = await self.post(
            "/sdk/session",
            {"user_external_id": external_id, "user_data": {"email": "alice@users.example.com"}},
            headers={"x-api-key": api_key},
        )
        return _expect(opened, OK)

    async def introspect(self, token: str) -> Answer:
        """Ask as a service whether the token is good."""
        return await self.post("/internal/validate", {"token": token}, service=True)

    async def key_is_live(self, key: str) -> bool:
        """Ask as a service whether the key is good."""
        body = {"api_key": key, "ip_address": "127.0.0.1"}
        return (await self.post("/internal/validate-api-key", body, service=True)).status == OK

    async def stop(self) -> None:
        """End the process in order."""
        await self.http.close()
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self.process.wait(), PATIENCE_S)


async def start_instance(
    mongodb_url: str, redis_url: str, database: str, logs: Path, **environment: str
) -> Instance:
    """Start a process of the service, tied to this one's life, and wait until it is ready."""
    port = free_port()
    log = logs / f"auth-{port}.jsonl"
    environ = {
        **os.environ,
        "MONGODB_URI": mongodb_url,
        "REDIS_URL": redis_url,
        "CAAS_MONGODB_DATABASE": database,
        "CAAS_SERVICE_SECRET": SECRET,
        "CAAS_KEY_PEPPER": PEPPER,
        "CAAS_ACCESS_LOG": "all",
        "CAAS_AUTH_REDIS_PREFIX": database,
        "CAAS_AUTH_ARGON2_MEMORY_KIB": "1024",
        "CAAS_AUTH_ARGON2_PASSES": "1",
        **environment,
    }
    command = [
        sys.executable, "-I", "-S", tied_exec.__file__, str(os.getpid()),
        *container_command("caas.auth.app:create_app", port),
    ]  # fmt: skip
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdout=output, stderr=output
        )
    instance = Instance(process, f"http://127.0.0.1:{port}", log)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await _is_ready(instance):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
    except BaseException:
        await instance.stop()
        raise
    return instance


async def _is_ready(instance: Instance) -> bool:
    if instance.process.returncode is not None:
        raise RuntimeError(instance.log.read_text())
    try:
        return (await instance.send("GET", "/internal/ready")).status == OK
    except aiohttp.ClientError:
        return False


def token_part(token: str, number: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a JWT, unverified."""
    text = token.split(".")[number]
    return dict(msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _expect(answer: Answer, status: int) -> dict[str, Any]:
    if answer.status != status:
        raise AssertionError(answer.text)
    return dict(answer.body)
