"""Stacks for tests, each on a directory of its own and gone after its test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pymongo
import pytest

from caas.stack.processes import record_of, wait_gone
from caas.stack.servers.embedded import EmbeddedMongo, free_port
from caas.testing.patience import PATIENCE_S
from caas.testing.stack.runner import StackRunner


@pytest.fixture
def stack_runner(tmp_path: Path) -> Iterator[Callable[[str], StackRunner]]:
    """Make runners by name; whatever they started is gone after the test."""
    made: list[StackRunner] = []

    def make(name: str = "state") -> StackRunner:
        made.append(StackRunner(tmp_path / name))
        return made[-1]

    yield make
    for runner in made:
        for process in runner.foreground:
            process.kill()
            process.communicate()
        runner.run("down")
        marked = [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(runner.state_dir) in " ".join(process.info["cmdline"] or ())
        ]
        left = [record_of(process.name(), process.pid) for process in marked]
        assert wait_gone(left, deadline_s=PATIENCE_S), f"left behind: {left}"


@pytest.fixture
def stop_without_majority() -> Callable[[EmbeddedMongo], None]:
    """Stop a server whose set got a second member that is not there: it elects no primary again."""

    def stop(server: EmbeddedMongo) -> None:
        with pymongo.MongoClient[dict[str, object]](server.url, directConnection=True) as client:
            config = client.admin.command("replSetGetConfig")["config"]
            config["version"] += 1
            config["members"].append({"_id": 1, "host": f"127.0.0.1:{free_port()}"})
            client.admin.command({"replSetReconfig": config, "force": True})
        server.stop()

    return stop


@pytest.fixture
def runner(stack_runner: Callable[[str], StackRunner]) -> StackRunner:
    """Give one runner over two echo services and no data server."""
    return stack_runner("state")
