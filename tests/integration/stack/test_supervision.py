"""The supervisor restarts what dies, stops in order and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pymongo
import pytest
import redis

from caas.stack.processes import is_alive, record_of, wait_gone
from caas.testing.patience import PATIENCE_S
from caas.testing.stack.runner import StackRunner, ask, until

pytestmark = pytest.mark.integration

BOTH = "mongodb redis"


def test_detached_stack_is_ready_when_the_command_returns(runner: StackRunner) -> None:
    """No caller has to wait or to guess: URLs, pids and the secrets' place are in the answer."""
    stack = runner.up()

    answers = {name: ask(service["url"]) for name, service in stack["services"].items()}
    written = msgspec.json.decode((runner.state_dir / "stack.json").read_bytes())
    assert answers == {
        name: {"pid": service["pid"], "name": name} for name, service in stack["services"].items()
    }
    assert written == stack


def test_down_waits_until_everything_is_gone(runner: StackRunner) -> None:
    """What runs after it may use the ports and the directory at once."""
    runner.environ["CAAS_ECHO_NEEDS"] = BOTH
    stack = runner.up()
    members = runner.processes(stack)
    assert len(members) == 5
    assert all(map(is_alive, members))

    done = runner.run("down")

    assert (done.returncode, done.stdout) == (0, "stopped\n")
    assert not any(map(is_alive, members))
    assert not (runner.state_dir / "stack.json").exists()


def test_killed_supervisor_takes_everything_with_it_and_data_stays(runner: StackRunner) -> None:
    """Kill -9 runs no handler: the kernel and the children themselves have to see to it."""
    runner.environ["CAAS_ECHO_NEEDS"] = BOTH
    first = runner.up()
    with pymongo.MongoClient[dict[str, object]](first["servers"]["mongodb"]["url"]) as mongo:
        mongo["kept"]["notes"].insert_one({"_id": "note"})
    with redis.Redis.from_url(first["servers"]["redis"]["url"]) as cache:
        cache.set("key", "value")
    members = runner.processes(first)

    os.kill(first["pid"], signal.SIGKILL)

    assert wait_gone(members, deadline_s=PATIENCE_S)
    status = runner.run("status")
    assert status.returncode == 3
    assert "caas down" in status.stderr
    second = runner.up()
    with pymongo.MongoClient[dict[str, object]](second["servers"]["mongodb"]["url"]) as mongo:
        assert mongo["kept"]["notes"].find_one() == {"_id": "note"}
    with redis.Redis.from_url(second["servers"]["redis"]["url"]) as cache:
        assert cache.get("key") == b"value"


def test_next_start_ends_what_ignored_the_supervisors_death(runner: StackRunner) -> None:
    """A stopped process (SIGSTOP) gets no signal but SIGKILL, and holds its data directory."""
    runner.environ["CAAS_ECHO_NEEDS"] = "mongodb"
    runner.environ["CAAS_STOP_DEADLINE_S"] = "0.5"
    first = runner.up()
    frozen = record_of("mongodb", first["servers"]["mongodb"]["pid"])
    os.kill(frozen.pid, signal.SIGSTOP)
    os.kill(first["pid"], signal.SIGKILL)

    runner.up()

    assert not is_alive(frozen)
    left_behind = "ended mongodb, left behind by a supervisor that was killed"
    assert left_behind in runner.notices()


def test_service_that_dies_is_started_again_and_said_so(runner: StackRunner) -> None:
    """Twice, so that the count and the new pid are seen to be written each time."""
    stack = runner.up()
    url = stack["services"]["echo-service"]["url"]
    pids = [stack["services"]["echo-service"]["pid"]]
    for count in (1, 2):
        os.kill(pids[-1], signal.SIGKILL)
        # The socket is the supervisor's: this waits for the new process instead of failing.
        pids.append(ask(url)["pid"])
        until(lambda count=count: f"echo-service is back (restart {count})" in runner.notices())  # type: ignore[misc]
    status = msgspec.json.decode(runner.run("status", "--json").stdout)
    member = next(each for each in status["members"] if each["name"] == "echo-service")

    assert len(set(pids)) == 3
    assert "echo-service was ended by SIGKILL; restart in 0.1 s" in runner.notices()
    assert (member["pid"], member["restarts"], member["state"]) == (pids[-1], 2, "ready")


def test_data_server_that_dies_comes_back_with_its_data(runner: StackRunner) -> None:
    """On the same port: the services know no other."""
    runner.environ["CAAS_ECHO_NEEDS"] = "redis"
    stack = runner.up()
    server = stack["servers"]["redis"]
    with redis.Redis.from_url(server["url"]) as cache:
        cache.set("key", "value")
        cache.execute_command("WAITAOF", 1, 0, 5000)
    os.kill(server["pid"], signal.SIGKILL)

    def answer() -> object:
        try:
            with redis.Redis.from_url(server["url"]) as cache:
                return cache.get("key")
        except redis.ConnectionError:
            return None

    assert until(answer) == b"value"
    assert until(lambda: runner.restarts("redis")) == 1


def test_stop_goes_from_the_front_door_inwards(runner: StackRunner) -> None:
    """No request from outside meets a half-stopped platform; the data servers go last."""
    runner.environ["CAAS_ECHO_NEEDS"] = BOTH
    process, _stack = runner.up_in_foreground()

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)

    stopped = [line.split()[0] for line in runner.notices() if "stopped with status 0" in line]
    assert process.returncode == 0
    assert stopped[:2] == ["echo-front", "echo-service"]
    assert set(stopped[2:]) == {"mongodb", "redis"}


def test_stubborn_service_is_ended_by_force(runner: StackRunner) -> None:
    """A stop has an end, and says what did not keep to it."""
    runner.environ |= {"CAAS_ECHO_FAULT": "stubborn", "CAAS_STOP_DEADLINE_S": "0.4"}
    stack = runner.up()
    members = runner.processes(stack)

    done = runner.run("down")

    assert done.returncode == 0
    assert not any(map(is_alive, members))


def test_closed_terminal_stops_the_stack(runner: StackRunner) -> None:
    """Kill -9 of the command itself: the supervisor is tied to it unless detached."""
    process, stack = runner.up_in_foreground()
    members = runner.processes(stack)

    process.kill()

    assert wait_gone(members, deadline_s=PATIENCE_S)


def test_second_up_on_one_directory_is_refused(runner: StackRunner) -> None:
    """Two supervisors would fight over one MongoDB."""
    stack = runner.up()

    second = runner.run("up", "--detach", "--ports", "auto")

    assert second.returncode == 3
    assert second.stderr == (
        f"Error: a stack (pid {stack['pid']}) already runs from {runner.state_dir}; use it, stop "
        "it with `caas down`, or choose another --state-dir\n"
    )
    assert runner.run("status").returncode == 0


def test_stacks_on_free_ports_run_side_by_side(
    stack_runner: Callable[[str], StackRunner],
) -> None:
    """Started in the same moment, as parallel test runs do."""
    runners = [stack_runner(f"state-{number}") for number in range(3)]
    commands = []
    for runner in runners:
        runner.environ["CAAS_ECHO_NEEDS"] = "redis"
        commands.append(
            subprocess.Popen(
                runner.command("up", "--detach", "--ports", "auto", "--json"),
                env=runner.environ,
                stdout=subprocess.PIPE,
            )
        )
    stacks = [
        msgspec.json.decode(command.communicate(timeout=3 * PATIENCE_S)[0]) for command in commands
    ]

    urls = [each["url"] for stack in stacks for each in stack["services"].values()]
    urls += [stack["servers"]["redis"]["url"] for stack in stacks]
    assert len(set(urls)) == 9
    assert all(runner.run("status").returncode == 0 for runner in runners)


def test_ephemeral_state_is_gone_with_the_stack(runner: StackRunner) -> None:
    """Data, logs, secrets and the directory itself."""
    runner.environ["CAAS_ECHO_NEEDS"] = "redis"
    runner.up("--ephemeral")
    assert (runner.state_dir / "secrets.json").exists()

    assert runner.run("down").returncode == 0
    assert not runner.state_dir.exists()


def test_patches_made_before_the_command_reach_the_services(
    runner: StackRunner, tmp_path: Path
) -> None:
    """A script that breaks the platform on purpose relies on it."""
    script = tmp_path / "break.py"
    script.write_text(
        "from caas.testing.stack import echo_service, echo_stack\n"
        "echo_service._answer = lambda path: (200, {'patched': path})\n"
        "echo_stack.main()\n"
    )
    runner.module = [str(script)]
    stack = runner.up()
    url = stack["services"]["echo-service"]["url"]
    os.kill(stack["services"]["echo-service"]["pid"], signal.SIGKILL)

    assert ask(url, "/anything") == {"patched": "/anything"}


def test_services_see_their_secrets_and_no_others(runner: StackRunner) -> None:
    """The pepper is for who hashes keys; even an inherited one goes no further."""
    runner.environ["CAAS_KEY_PEPPER"] = "00" * 32
    stack = runner.up()
    seen = {
        (name, variable): ask(service["url"], f"/environ/{variable}")["set"]
        for name, service in stack["services"].items()
        for variable in ("CAAS_SERVICE_SECRET", "CAAS_KEY_PEPPER", "CAAS_ECHO_URL")
    }

    assert seen == {
        ("echo-service", "CAAS_SERVICE_SECRET"): True,
        ("echo-service", "CAAS_KEY_PEPPER"): True,
        ("echo-service", "CAAS_ECHO_URL"): True,
        ("echo-front", "CAAS_SERVICE_SECRET"): True,
        ("echo-front", "CAAS_KEY_PEPPER"): False,
        ("echo-front", "CAAS_ECHO_URL"): True,
    }


def test_secrets_are_in_no_file_but_their_own(runner: StackRunner) -> None:
    """And on no command line: other users of the machine can read those."""
    runner.environ["CAAS_ECHO_NEEDS"] = BOTH
    stack = runner.up()
    secrets_path = runner.state_dir / "secrets.json"
    secrets = msgspec.json.decode(secrets_path.read_bytes()).values()
    pages = [
        path.read_bytes()
        for path in runner.state_dir.rglob("*")
        if path.is_file() and path != secrets_path
    ]
    pages += [Path(f"/proc/{each.pid}/cmdline").read_bytes() for each in runner.processes(stack)]

    assert len(pages) > 10
    assert not any(secret.encode() in page for secret in secrets for page in pages)


def test_logs_of_all_services_come_by_time_or_one_by_one(runner: StackRunner) -> None:
    """The plain form is for people, --json gives the lines as they are."""
    runner.up()

    every = runner.run("logs").stdout
    one = runner.run("logs", "echo-front", "--json").stdout.splitlines()
    unknown = runner.run("logs", "nobody")
    assert "echo-service started" in every
    assert "echo-front started" in every
    assert [msgspec.json.decode(line)["message"] for line in one] == ["echo-front started"]
    assert unknown.returncode == 3
    assert "there is: echo-front, echo-service" in unknown.stderr


def test_interrupted_start_leaves_nothing(runner: StackRunner) -> None:
    """Ctrl-C while it waits for a service that never gets ready."""
    runner.environ["CAAS_ECHO_FAULT"] = "never-ready"
    process = subprocess.Popen(
        runner.command("up", "--ports", "auto"),
        env=runner.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    runner.foreground.append(process)
    log = runner.state_dir / "logs" / "echo-front.jsonl"
    until(lambda: log.exists() and b"started" in log.read_bytes())

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert not (runner.state_dir / "processes.json").exists()


def test_module_runs_as_a_program() -> None:
    """`python -m caas.cli` is what the runner starts."""
    done = subprocess.run(
        [sys.executable, "-m", "caas.cli", "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("caas, version ")
