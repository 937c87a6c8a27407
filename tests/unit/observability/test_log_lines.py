"""When lines are written: at the end of the turn of the loop, in order, and never lost."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import msgspec
import pytest

from caas_observability.setup import log_lines, logs
from caas_observability.setup.log_lines import PENDING_MAX_LINES, Sink, write_stdout
from caas_observability.setup.logs import get_logger

log = get_logger("x")


@pytest.fixture
def writes() -> Iterator[list[bytes]]:
    """Catch each write."""
    caught: list[bytes] = []
    replaced = logs.install(Sink("svc", write=caught.append))
    yield caught
    logs.install(replaced)


def events(write: bytes) -> list[str]:
    """Return the events of the lines in one write."""
    return [msgspec.json.decode(line)["event"] for line in write.splitlines()]


def test_outside_a_loop_a_line_is_written_at_once(writes: list[bytes]) -> None:
    """A start-up that fails shows why."""
    log.info("a")
    log.info("b")

    assert [events(write) for write in writes] == [["a"], ["b"]]


def test_lines_of_one_turn_leave_together_and_in_order(writes: list[bytes]) -> None:
    """One write for the turn; the next loop is not kept waiting by an old one."""

    async def main() -> None:
        log.info("a")
        log.info("b")
        assert writes == []
        await asyncio.sleep(0)
        assert [events(write) for write in writes] == [["a", "b"]]
        log.info("c")
        await asyncio.sleep(0)

    asyncio.run(main())
    writes.clear()
    asyncio.run(main())

    assert [events(write) for write in writes] == [["a", "b"], ["c"]]


def test_an_error_takes_what_waits_with_it(writes: list[bytes]) -> None:
    """What led to it is there even when the process ends right after."""

    async def main() -> None:
        log.info("before")
        log.error("failed")
        assert [events(write) for write in writes] == [["before", "failed"]]

    asyncio.run(main())
    assert len(writes) == 1


def test_what_a_loop_left_is_written_by_whoever_comes_next(writes: list[bytes]) -> None:
    """A loop may stop before the turn ends."""
    loop = asyncio.new_event_loop()

    async def last_turn() -> None:
        log.info("left")
        loop.stop()

    task = loop.create_task(last_turn())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    log.info("next")
    log_lines.flush()

    assert task.done()
    assert [event for write in writes for event in events(write)] == ["left", "next"]


def test_a_turn_can_t_pile_up_lines_without_limit(writes: list[bytes]) -> None:
    """A loop that never yields still writes."""

    async def main() -> None:
        for number in range(PENDING_MAX_LINES + 1):
            log.info(str(number))
        assert len(writes) == 1
        assert len(events(writes[0])) == PENDING_MAX_LINES

    asyncio.run(main())
    assert events(writes[1]) == [str(PENDING_MAX_LINES)]


def test_threads_lose_and_double_nothing(writes: list[bytes]) -> None:
    """Hashing and drivers log from their threads while the loop does."""

    def work(name: str) -> None:
        for number in range(200):
            log.info(f"{name}{number}")  # noqa: G004

    async def main() -> None:
        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for number in range(200):
            log.info(f"c{number}")  # noqa: G004
            await asyncio.sleep(0)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    asyncio.run(main())
    seen = [event for write in writes for event in events(write)]
    assert sorted(seen) == sorted(f"{name}{number}" for name in "abc" for number in range(200))


def test_the_end_of_the_process_writes_what_is_left() -> None:
    """An exit in the middle of a turn included."""
    source = """
import asyncio, sys
from caas_observability.setup.logs import get_logger
async def main():
    get_logger("x").info("the last line")
    sys.exit(3)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=False)

    assert done.returncode == 3
    assert events(done.stdout) == ["the last line"]


def test_a_slow_reader_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe takes as much as fits; the rest follows."""
    reading, writing = os.pipe()
    stdout = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stdout", stdout)
    sent = b"x" * 300_000 + b"\n"
    received: list[bytes] = []

    def read() -> None:
        while chunk := os.read(reading, 7_000):
            received.append(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    write_stdout(sent)
    stdout.close()
    reader.join()
    os.close(reading)

    assert b"".join(received) == sent
