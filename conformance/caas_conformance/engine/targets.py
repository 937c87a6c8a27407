"""Find the platform to test: a stack file, URLs, or one that is started for the run."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from caas_conformance.authoring.context import Environment
from caas_conformance.authoring.suite import Suite
from caas_conformance.engine import addresses
from caas_conformance.errors import (
    AddressError,
    AuthoringError,
    EnvironmentBrokenError,
    TargetError,
)
from caas_conformance.wire import credentials
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.client import Endpoint, ServiceClient, Wire
from caas_conformance.wire.trace_context import AttemptTrace

STACK_FILE_BYTES_MAX = 1024 * 1024
PROBE_TIMEOUT_S = 15.0


class _Service(msgspec.Struct):
    url: str
    service: str = ""
    restarts: int = 0


class _Stack(msgspec.Struct):
    services: dict[str, _Service]
    profile: str = ""
    otlp_endpoint: str | None = None
    secrets_file: str = ""


@dataclass(frozen=True, slots=True)
class FoundTarget:
    """A platform's whereabouts, not yet tried.

    Attributes:
        urls: Of each service's first instance, by `service.name`; without any credentials.
        credentials: Those of URLs, by service: `user:password`, encoded as they stood there.
        further: Of its other instances, where there are some; credentials stand in them.
    """

    urls: Mapping[str, str]
    description: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    otlp_endpoint: str | None = None
    stack_file: Path | None = None
    further: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)

    def restarts(self) -> dict[str, int]:
        """Return how often each service was restarted so far, as far as that is known."""
        if self.stack_file is None:
            return {}
        try:
            stack = _read(self.stack_file, _Stack, "")
        except TargetError:
            return {}
        return {name: service.restarts for name, service in stack.services.items()}

    def restarted(self, before: Mapping[str, int]) -> list[str]:
        """Say which services were restarted since *before*, and how often."""
        since = {name: times - before.get(name, 0) for name, times in self.restarts().items()}
        return [f"{name}: restarted {times} times" for name, times in since.items() if times]

    def environment(self, suite: Suite) -> Environment:
        """Return what the suite's cases need to reach it.

        Raises:
            TargetError: a URL is none, or one that the suite needs is not there.
        """
        if not self.urls:
            raise TargetError(f"{self.description} names no service")
        missing = [name for name in suite.services if name not in self.urls]
        if missing:
            raise TargetError(
                f"suite {suite.name} needs {' and '.join(missing)}: give its URL, too"
            )
        try:
            endpoints = {
                name: Endpoint(name, url, self.credentials.get(name, ""))
                for name, url in self.urls.items()
            }
            replicas = {
                name: tuple(Endpoint(name, url) for url in urls)
                for name, urls in self.further.items()
            }
        except (AuthoringError, ValueError) as error:
            raise TargetError(str(error)) from error
        return Environment(endpoints, self.secrets, suite.context, replicas=replicas)


def from_stack_file(
    path: Path, suite: Suite, environ: Mapping[str, str] = os.environ
) -> FoundTarget:
    """Read the target file of a platform, and the secrets file it names.

    Raises:
        TargetError: it is missing, unreadable or of another shape.
    """
    stack = _read(path, _Stack, "give the file that the running platform wrote")
    secrets = _given(suite, environ)
    unknown = [variable for variable in suite.secrets if not secrets[variable]]
    if unknown and stack.secrets_file:
        advice = f"set {' and '.join(unknown)}"
        kept: dict[str, Any] = _read(Path(stack.secrets_file), dict[str, Any], advice)
        secrets |= {variable: str(kept.get(suite.secrets[variable], "")) for variable in unknown}
    instances: dict[str, list[str]] = {}
    for name, entry in stack.services.items():
        instances.setdefault(entry.service or name, []).append(entry.url)
    urls, userinfo = _parted({name: urls[0] for name, urls in instances.items()})
    return FoundTarget(
        urls=urls,
        further={name: urls[1:] for name, urls in instances.items() if urls[1:]},
        description=f"stack file {path}",
        secrets=secrets,
        credentials=userinfo,
        otlp_endpoint=stack.otlp_endpoint,
        stack_file=path,
    )


def from_urls(
    urls: Sequence[str], suite: Suite, environ: Mapping[str, str] = os.environ
) -> FoundTarget:
    """Read `service=URL` pairs.

    Raises:
        AddressError: a pair is none, or a service is named twice.
    """
    found: dict[str, str] = {}
    for pair in urls:
        name, url = addresses.service_url(pair)
        if name in found:
            raise AddressError(f"--url names {name} twice")
        found[name] = url
    plain, userinfo = _parted(found)
    return FoundTarget(plain, "given URLs", _given(suite, environ), userinfo)


def _parted(urls: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return URLs without the credentials in them, and those."""
    parts = {name: credentials.parted(url) for name, url in urls.items()}
    plain = {name: url for name, (url, _) in parts.items()}
    return plain, {name: userinfo for name, (_, userinfo) in parts.items() if userinfo}


def _given(suite: Suite, environ: Mapping[str, str]) -> dict[str, str]:
    return {variable: environ.get(variable, "") for variable in suite.secrets}


def listen_address(given: str | None, target: FoundTarget | None) -> tuple[str, int]:
    """Return where to receive telemetry: as given, as the target exports, or any free port.

    Raises:
        AddressError: what was given is no address.
        TargetError: a running target exports to nowhere we could listen.
    """
    if given is not None:
        return addresses.listening(given)
    if target is None:
        return "127.0.0.1", 0
    with suppress(ValueError):  # no URL, then
        parts = urlsplit(target.otlp_endpoint or "")
        if parts.hostname in ("127.0.0.1", "localhost", "::1"):
            return parts.hostname.replace("localhost", "127.0.0.1"), parts.port or 4318
    raise TargetError(
        "this platform sends its telemetry elsewhere: start it with "
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://<here>:4318 and pass --otlp-listen <here>:4318, "
        "or pass --no-telemetry"
    )


async def probe(environment: Environment, suite: Suite) -> dict[str, str]:
    """Ask each service for its health; return the versions that their OpenAPI documents name.

    Raises:
        TargetError: one can't be reached, or is not healthy.
    """
    names = list(environment.endpoints)
    for name, health in zip(names, await _ask_each(environment, names, suite.health), strict=True):
        if health.status != 200:  # noqa: PLR2004 - alive
            url = environment.endpoints[name].url
            raise TargetError(f"{name} at {url} is not healthy: {health.outcome}")
    if not suite.document:
        return {}
    documents = await _ask_each(environment, names, suite.document)
    versions = [document.at("info.version").value for document in documents]
    return {
        name: version
        for name, version in zip(names, versions, strict=True)
        if isinstance(version, str)
    }


async def dead(environment: Environment, suite: Suite) -> list[str]:
    """Say which instances do not live now; each is asked for its health."""

    async def ask(endpoint: Endpoint) -> str:
        try:
            health = await _ask(endpoint, suite.health)
        except TargetError as error:
            return str(error)
        alive = health.status == 200  # noqa: PLR2004 - alive
        return "" if alive else f"{endpoint.service} at {endpoint.url}: {health.outcome}"

    return [told for told in await asyncio.gather(*map(ask, environment.every_endpoint)) if told]


async def _ask_each(environment: Environment, names: list[str], path: str) -> list[Answer]:
    asked = [_ask(environment.endpoints[name], path) for name in names]
    # All are awaited: what one left behind would be complained about beside the one error told.
    found = await asyncio.gather(*asked, return_exceptions=True)
    answers = []
    for answer in found:
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers


async def _ask(endpoint: Endpoint, path: str) -> Answer:
    service = endpoint.service
    wire = Wire(AttemptTrace("probe", "probe", 1), lambda: None)
    client = ServiceClient(wire, endpoint, lambda _: None)
    try:
        return await client.get(path, timeout_s=PROBE_TIMEOUT_S)
    except EnvironmentBrokenError as error:
        raise TargetError(f"{service} at {endpoint.url} can't be reached: {error}") from error
    except Exception as error:
        raise TargetError(f"{service} at {endpoint.url} gives no answer: {error}") from error
    finally:
        wire.close()


def _read(path: Path, kind: Any, advice: str) -> Any:
    try:
        if path.stat().st_size > STACK_FILE_BYTES_MAX:
            raise TargetError(f"{path} is over {STACK_FILE_BYTES_MAX} bytes")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise TargetError(f"{path}: {error.strerror}: {advice}") from error
    except msgspec.DecodeError as error:
        raise TargetError(f"{path} is not what was expected ({error}): {advice}") from error
