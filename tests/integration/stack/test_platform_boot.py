"""The real services under the supervisor."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from caas.testing.stack.runner import StackRunner, ask, until

pytestmark = pytest.mark.integration

MEMORY_MAX_BYTES = 230_000_000  # of two services and their data servers; docs/performance.md


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackRunner]:
    """Boot the platform once for this module."""
    runner = StackRunner(tmp_path_factory.mktemp("platform") / "state")
    runner.module = ["-m", "caas.cli"]
    runner.up("--ephemeral")
    yield runner
    done = runner.run("down")
    assert (done.returncode, done.stdout) == (0, "stopped\n")
    assert not runner.state_dir.exists()


@pytest.fixture
def stack(platform: StackRunner) -> Any:
    """Give the stack file as it is now."""
    return platform.read_stack()


def descriptors(pid: int) -> set[str]:
    """Return what a process holds open; connections may close while we look."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(entry.readlink()))
    return found


def test_every_member_is_ready(platform: StackRunner) -> None:
    """What the command promised when it returned; a readiness is only as good as its moment."""
    assert until(lambda: platform.run("status").returncode == 0)


def test_memory_stays_within_its_budget(platform: StackRunner) -> None:
    """What each process imports or allocates for itself, it allocates once a service."""
    status = msgspec.json.decode(platform.run("status", "--json").stdout)
    assert 0 < status["pss_bytes"] < MEMORY_MAX_BYTES


def test_no_service_starts_a_thread_at_import(stack: Any) -> None:
    """The supervisor forks again on every restart: a thread would be lost, a lock kept for ever."""
    assert len(list(Path(f"/proc/{stack['pid']}/task").iterdir())) == 1


def test_services_hold_no_lock_and_no_other_listener(platform: StackRunner, stack: Any) -> None:
    """An inherited lock would block the next start, an inherited socket the next bind."""
    for service in stack["services"].values():
        held = descriptors(service["pid"])
        assert str(platform.state_dir / "lock") not in held
        listening = {
            line.split()[9]
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if line.split()[3] == "0A"
        }
        assert len({link for link in held if link[8:-1] in listening}) == 1


def test_platform_serves_again_after_a_service_was_killed(
    platform: StackRunner, stack: Any
) -> None:
    """Seen from the front door, by readiness that looks through to auth."""
    os.kill(stack["services"]["auth-service"]["pid"], signal.SIGKILL)

    until(lambda: "auth-service is back (restart 1)" in platform.notices())
    assert ask(stack["services"]["auth-service"]["url"], "/health")["status"]
    assert ask(stack["services"]["gateway"]["url"], "/health")["status"]
    assert until(lambda: platform.run("status").returncode == 0)
