"""Stacks for tests, each on a directory of its own and gone after its test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from caas.stack.processes import record_of, wait_gone
from caas.testing.stack_runner import StackRunner


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
        assert wait_gone(left, deadline_s=10), f"left behind: {left}"


@pytest.fixture
def runner(stack_runner: Callable[[str], StackRunner]) -> StackRunner:
    """Give one runner over two echo services and no data server."""
    return stack_runner("state")
