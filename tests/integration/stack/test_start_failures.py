"""What can go wrong at start: one line that says what to do, exit code 3, nothing left."""

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from caas.stack.servers.embedded import EmbeddedMongo, free_port
from caas.testing.patience import growing
from caas.testing.stack.runner import StackRunner

pytestmark = pytest.mark.integration


def fails(runner: StackRunner, *arguments: str) -> str:
    """Run `caas up`, expect the environment to be at fault, return the one line."""
    done = runner.run("up", "--detach", *(arguments or ("--ports", "auto")))
    complaints = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert (done.returncode, done.stdout, len(complaints)) == (3, "", 1), done.stderr
    assert "Traceback" not in done.stderr
    assert not (runner.state_dir / "processes.json").exists()
    return complaints[0]


def test_taken_port_names_the_port_and_who_has_it(runner: StackRunner) -> None:
    """The seed's ports are popular ones."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        runner.environ["CAAS_ECHO_SEED_PORT"] = str(port)
        said = fails(runner, "--ports", "seed")

    assert said.startswith(f"Error: port {port} for echo-service is taken by pid ")
    assert said.endswith("stop it, or let the stack choose with --ports auto")


def two_free_ports() -> int:
    """Return the first of two neighbours that are out of the way of outgoing connections."""
    chosen_by_kernel = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(chosen_by_kernel.read_text().split()[0]) if chosen_by_kernel.exists() else 32768
    for port in range(lowest - 2 - 2 * (os.getpid() % 1_000), 1_024, -2):
        with contextlib.suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port
    raise AssertionError("every port is taken")


def test_seed_ports_are_used_when_they_are_free(runner: StackRunner) -> None:
    """And are free again at once after a stop, for the next start."""
    port = two_free_ports()
    runner.environ["CAAS_ECHO_SEED_PORT"] = str(port)
    for _round in range(2):
        done = runner.run("up", "--detach", "--ports", "seed")
        assert f"http://127.0.0.1:{port}" in done.stdout, done.stderr
        assert runner.run("down").returncode == 0


def test_service_that_cannot_start_says_why(runner: StackRunner) -> None:
    """The reason comes from its own log, whose place is named."""
    runner.environ["CAAS_ECHO_FAULT"] = "startup"
    said = fails(runner)

    assert "exited with 1 while starting" in said
    assert "the echo is gone" in said
    assert ".jsonl" in said


def test_last_words_of_a_service_hold_no_secret(runner: StackRunner) -> None:
    """They go to its log and to the terminal."""
    runner.environ |= {
        "CAAS_ECHO_FAULT": "quoting",
        "CAAS_SERVICE_SECRET": "plain-service-secret-7",
        "REDIS_URL": "redis://user:plain-password-7@127.0.0.1:1/0",
    }
    said = fails(runner)
    logged = "".join(path.read_text() for path in (runner.state_dir / "logs").iterdir())

    assert "ValueError" in said
    assert "ValueError" in logged
    for secret in ("plain-service-secret-7", "plain-password-7"):
        assert secret not in said
        assert secret not in logged


def test_service_that_never_gets_ready_says_what_it_answered(runner: StackRunner) -> None:
    """So that the dependency it waits for is named."""
    runner.environ["CAAS_ECHO_FAULT"] = "never-ready"
    answered, said = 'echo-service: 503 {"reason":"never ready"}', ""
    for deadline_s in growing(0.5):
        runner.environ["CAAS_READY_DEADLINE_S"] = f"{deadline_s:g}"
        if answered in (said := fails(runner)):
            break

    assert f"not ready within {deadline_s:g} s" in said
    assert answered in said


def test_given_servers_that_do_not_answer_are_named_without_password(runner: StackRunner) -> None:
    """An operator's URL holds credentials."""
    nobody = free_port()
    runner.environ |= {
        "CAAS_ECHO_NEEDS": "redis",
        "REDIS_URL": f"redis://user:very-secret@127.0.0.1:{nobody}/0",
    }
    said = fails(runner)

    assert f"Redis at redis://127.0.0.1:{nobody}/0 (REDIS_URL) cannot be used" in said
    assert "very-secret" not in said


def test_given_servers_are_used_and_not_stopped(
    stack_runner: Callable[[str], StackRunner], mongodb_url: str, redis_url: str
) -> None:
    """The same command on a cluster."""
    runner = stack_runner("given")
    runner.environ |= {
        "CAAS_ECHO_NEEDS": "mongodb redis",
        "MONGODB_URI": mongodb_url,
        "REDIS_URL": redis_url,
    }
    stack = runner.up()

    assert {name: each["embedded"] for name, each in stack["servers"].items()} == {
        "mongodb": False,
        "redis": False,
    }
    assert runner.run("down").returncode == 0
    with socket.create_connection(("127.0.0.1", urlsplit(redis_url).port)):
        pass


def test_broken_server_binary_is_named(runner: StackRunner, tmp_path: Path) -> None:
    """A wheel for another machine, or a file that lost its mode."""
    binary = tmp_path / "mongod"
    binary.write_bytes(b"\x7fELF\x02\x01\x01" + b"\x00" * 64)
    binary.chmod(0o755)
    runner.environ |= {"CAAS_ECHO_NEEDS": "mongodb", "CAAS_MONGOD": str(binary)}

    said = fails(runner)
    assert f"cannot execute {binary}" in said
    assert "set MONGODB_URI" in said


def test_mongodb_that_elects_no_primary_is_given_up(
    runner: StackRunner, stop_without_majority: Callable[[EmbeddedMongo], None]
) -> None:
    """Its deadline is its own, so that it does not eat the services'."""
    logs = runner.state_dir / "logs"
    server = EmbeddedMongo(runner.state_dir / "mongodb", logs)
    server.start()
    stop_without_majority(server)
    (runner.state_dir / "server-ports.json").write_text(f'{{"mongodb": {server.port}}}')
    runner.environ["CAAS_ECHO_NEEDS"] = "mongodb"
    said = ""
    for deadline_s in growing(6):
        runner.environ["CAAS_SERVER_DEADLINE_S"] = f"{deadline_s:g}"
        if "no primary" in (said := fails(runner)):
            break

    assert f"MongoDB elected no primary within {deadline_s:g} s" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["/bin/umount", "-l", str(place)], check=True)


def test_almost_full_disk_is_refused_up_front(
    small_disk: Path, stack_runner: Callable[[str], StackRunner]
) -> None:
    """Before anything is started that could lose data."""
    runner = stack_runner(str(small_disk / "state"))

    assert re.search(r"has [12] MiB left and a stack needs 64 MiB", fails(runner))


def test_disk_that_fills_up_during_the_start_is_named(
    small_disk: Path, stack_runner: Callable[[str], StackRunner]
) -> None:
    """MongoDB is the first to need room, and can't even log that; its exit is seen.

    Who waited for the deadline instead would not be back in time for this test.
    """
    runner = stack_runner(str(small_disk / "state"))
    runner.environ |= {"CAAS_ECHO_NEEDS": "mongodb", "CAAS_DISK_FREE_MIN_BYTES": "0"}
    runner.environ["CAAS_SERVER_DEADLINE_S"] = "3600"
    (small_disk / "filler").write_bytes(b"x" * 1_950_000)

    assert "disk is full" in fails(runner)


def test_readable_secrets_are_refused(runner: StackRunner) -> None:
    """They may have leaked: somebody has to decide, not the program."""
    runner.up()
    runner.run("down")
    secrets = runner.state_dir / "secrets.json"
    secrets.chmod(0o640)

    assert f"{secrets} can be read by others (mode 640)" in fails(runner)


def test_wrong_setting_is_named(runner: StackRunner) -> None:
    """Not a default behind the operator's back."""
    runner.environ["CAAS_READY_DEADLINE_S"] = "soon"
    done = runner.run("up")

    assert done.returncode == 3
    assert done.stderr.startswith("Error: CAAS_READY_DEADLINE_S is not usable")
