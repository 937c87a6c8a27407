"""Background work: it goes on after a bug, is bounded, and has its last turn at the stop."""

import asyncio
from typing import Any

import msgspec
import pytest

from caas.kernel.errors import UnavailableError
from caas.runtime import tasks as module
from caas.runtime.tasks import BackgroundTasks
from caas.testing.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


class Work:
    """Raises what it is told to, turn by turn, then nothing."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = [*errors]
        self.turns = 0
        self.done = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self) -> None:
        """Have a turn."""
        self.turns += 1
        if self.errors:
            raise self.errors.pop(0)
        self.done.set()

    async def forever(self) -> None:
        """Have one that does not end."""
        self.done.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines about background work."""
    lines = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line["logger"] == "caas.runtime.tasks"]


async def test_repeated_work_outlasts_outages_and_bugs(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is told, by the name of the work; a bug by its type and place, never by its text."""
    work, tasks = Work(UnavailableError("away"), ValueError("canary")), BackgroundTasks()
    tasks.every(0, "count", work)
    async with asyncio.timeout(PATIENCE_S):
        await work.done.wait()
    await tasks.end()

    postponed, failed = logged(capsys)
    assert work.turns >= 3
    assert (postponed["level"], postponed["work"], postponed["cause"]) == (
        "warning", "count", "away",
    )  # fmt: skip
    assert (failed["level"], failed["work"], failed["exception.type"]) == (
        "error", "count", "ValueError",
    )  # fmt: skip
    assert "test_background_tasks.py" in failed["exception.stacktrace"]
    assert "canary" not in str(failed)


async def test_a_turn_that_does_not_end_is_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise there would never be a next one."""
    work, tasks = Work(), BackgroundTasks()
    assert tasks.spawn("hang", work.forever, within_s=0.001)
    async with asyncio.timeout(PATIENCE_S):
        await work.ended.wait()
    while tasks.running:  # noqa: ASYNC110 - until the end is told
        await asyncio.sleep(0)

    assert [line["exception.type"] for line in logged(capsys)] == ["TimeoutError"]


async def test_work_under_way_ends_with_the_service() -> None:
    """And nothing begins after that."""
    work, tasks = Work(), BackgroundTasks()
    tasks.spawn("hang", work.forever)
    async with asyncio.timeout(PATIENCE_S):
        await work.done.wait()
        await tasks.end()

    assert work.ended.is_set()
    assert not tasks.spawn("late", work)
    assert work.turns == 0


async def test_the_last_turn_is_at_the_stop() -> None:
    """Once everything else has ended; what it raises does not keep the others from theirs."""
    broken, work, tasks = Work(ValueError()), Work(), BackgroundTasks()
    tasks.every(PATIENCE_S, "never before", broken, at_stop=True)
    tasks.every(PATIENCE_S, "never before", work, at_stop=True)
    await tasks.end()

    assert (broken.turns, work.turns) == (1, 1)


async def test_there_is_a_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is over it is refused and told, and does not wait anywhere."""
    monkeypatch.setattr(module, "TASKS_MAX", 2)
    work, tasks = Work(), BackgroundTasks()
    begun = [tasks.spawn("hang", work.forever) for _ in range(3)]
    await tasks.end()

    assert begun == [True, True, False]
    assert [line["event"] for line in logged(capsys)] == ["background work refused"]
