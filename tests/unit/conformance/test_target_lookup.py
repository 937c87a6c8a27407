"""Where a platform is found, and what is said when it is not."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from caas_conformance.authoring import Suite
from caas_conformance.engine.targets import from_stack_file, from_urls, listen_address
from caas_conformance.errors import TargetError

SECRET = "the-platform's-own-secret"
VARIABLE = "CHAT_SERVICE_SECRET"
SUITE = Suite(
    name="any",
    title="any platform",
    phases="none",
    requirements=Path(),
    secrets={VARIABLE: "service_secret"},
)


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    """A stack file as `caas up` writes it, with its secrets beside it."""
    secrets = tmp_path / "secrets.json"
    secrets.write_bytes(msgspec.json.encode({"service_secret": SECRET, "key_pepper": "00"}))
    path = tmp_path / "stack.json"
    path.write_bytes(
        msgspec.json.encode(
            {
                "version": 1,
                "profile": "caas",
                "otlp_endpoint": "http://127.0.0.1:4318",
                "secrets_file": str(secrets),
                "services": {
                    "gateway": {"url": "http://127.0.0.1:3000", "pid": 2, "restarts": 1},
                    "auth-service": {"url": "http://127.0.0.1:3007", "pid": 1, "restarts": 0},
                },
            }
        )
    )
    return path


def test_a_stack_file_gives_urls_and_the_secret_beside_it(stack_file: Path) -> None:
    """The secret is not shown where a target is."""
    target = from_stack_file(stack_file, SUITE, environ={})

    assert target.urls["gateway"] == "http://127.0.0.1:3000"
    assert target.secrets == {VARIABLE: SECRET}
    assert target.restarts() == {"gateway": 1, "auth-service": 0}
    assert SECRET not in repr(target)
    assert target.environment(SUITE).endpoint("gateway").origin.port == 3000


def test_instances_of_a_service_are_one_service_with_several_addresses(stack_file: Path) -> None:
    """Named for the service they are of; telemetry is asked of each."""
    stack = msgspec.json.decode(stack_file.read_bytes())
    entries = stack["services"]
    entries["gateway-1"] = {**entries.pop("gateway"), "service": "gateway"}
    entries["gateway-2"] = {**entries["gateway-1"], "url": "http://127.0.0.1:3020"}
    stack_file.write_bytes(msgspec.json.encode(stack))

    environment = from_stack_file(stack_file, SUITE, environ={}).environment(SUITE)

    assert [e.origin.port for e in environment.instances("gateway")] == [3000, 3020]
    assert {e.service for e in environment.instances("gateway")} == {"gateway"}
    assert sorted(e.origin.port for e in environment.every_endpoint) == [3000, 3007, 3020]


def test_the_environment_wins_over_the_secrets_file(stack_file: Path) -> None:
    """For a platform whose secrets file is out of reach."""
    target = from_stack_file(stack_file, SUITE, {VARIABLE: "given"})

    assert target.secrets == {VARIABLE: "given"}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"services": 5}', b'{"services": {"a": {}}}'])
def test_what_is_no_stack_file_is_said_in_one_line(tmp_path: Path, content: bytes) -> None:
    """With what to do about it."""
    path = tmp_path / "stack.json"
    path.write_bytes(content)

    with pytest.raises(TargetError, match="that the running platform wrote") as caught:
        from_stack_file(path, SUITE, environ={})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "urls",
    [["auth-service"], ["=http://a"], ["a=nonsense"], ["a=http://b", "a=http://c"]],
)
def test_urls_are_checked(urls: list[str]) -> None:
    """A pair that is none, or one service twice."""
    with pytest.raises(TargetError):
        from_urls(urls, SUITE, {})


@pytest.mark.parametrize("url", ["x", "http://127.0.0.1:99999", "http://[::1"])
def test_a_stack_file_may_hold_no_url(stack_file: Path, url: str) -> None:
    """One line, too; and where it exports to is no place to listen."""
    stack = msgspec.json.decode(stack_file.read_bytes())
    stack["services"]["gateway"]["url"] = stack["otlp_endpoint"] = url
    stack_file.write_bytes(msgspec.json.encode(stack))
    target = from_stack_file(stack_file, SUITE, environ={})

    with pytest.raises(TargetError):
        target.environment(SUITE)
    with pytest.raises(TargetError, match="--otlp-listen"):
        listen_address(None, target)


def test_a_target_without_services_is_none() -> None:
    """A run against nothing would find nothing wrong."""
    with pytest.raises(TargetError, match="names no service"):
        from_urls([], SUITE, {}).environment(SUITE)


def test_a_service_that_the_suite_names_must_be_there() -> None:
    """Else each of its cases would say so, one after the other."""
    suite = replace(SUITE, services=("a", "b", "c"))

    with pytest.raises(TargetError, match="needs b and c"):
        from_urls(["a=http://127.0.0.1:1"], suite, {}).environment(suite)


def test_telemetry_is_received_where_the_platform_sends_it(stack_file: Path) -> None:
    """Unless said otherwise; a platform of the run's own sends it anywhere."""
    running = from_stack_file(stack_file, SUITE, environ={})

    assert listen_address(None, running) == ("127.0.0.1", 4318)
    assert listen_address("0.0.0.0:9", running) == ("0.0.0.0", 9)  # noqa: S104
    assert listen_address(None, None) == ("127.0.0.1", 0)
    with pytest.raises(TargetError, match="--no-telemetry"):
        listen_address(None, from_urls(["a=http://127.0.0.1:1"], SUITE, {}))
    with pytest.raises(TargetError, match="HOST:PORT"):
        listen_address("nowhere", running)
