"""The harness notices when it stood still, and only then."""

import asyncio
import time
from time import process_time

import pytest

from caas_conformance.engine import pauses
from caas_conformance.engine.pauses import PAUSE_MIN_S, TICK_S, PauseWatch

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock of the test's; ticks come as fast as the loop goes round, and take no time."""
    now = [0.0]
    monkeypatch.setattr(pauses, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pauses, "process_time", lambda: 0.0)
    monkeypatch.setattr(pauses, "TICK_S", 0.0)
    return now


async def ticks() -> None:
    """Let the watch look several times."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_pauses_add_up(clock: list[float]) -> None:
    """Short hitches are part of any machine's day."""
    async with PauseWatch() as watch:
        await ticks()
        for pause_s in (2.0, PAUSE_MIN_S, 0.9 * PAUSE_MIN_S, 1.0):
            clock[0] += pause_s
            await ticks()

        assert watch.total_s() == 2.0 + PAUSE_MIN_S + 1.0


async def test_work_is_no_pause(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps the harness busy came from the platform; what stood still beside it counts."""
    worked = [0.0]
    monkeypatch.setattr(pauses, "process_time", lambda: worked[0])
    async with PauseWatch() as watch:
        await ticks()
        clock[0] += 3.0
        worked[0] += 3.0
        await ticks()
        assert watch.total_s() == 0.0

        clock[0] += 3.0
        worked[0] += 1.0
        await ticks()
        assert watch.total_s() == 2.0


async def test_a_real_computation_is_no_pause() -> None:
    """By the real clocks: the loop is held up, by work."""
    async with PauseWatch() as watch:
        await asyncio.sleep(TICK_S)
        until = process_time() + 2 * PAUSE_MIN_S
        while process_time() < until:
            pass
        busy_s = watch.total_s()
        time.sleep(2 * PAUSE_MIN_S)  # noqa: ASYNC251 - the loop is to stand still
        stood_s = watch.total_s()

    assert stood_s - busy_s >= PAUSE_MIN_S


async def test_a_pause_is_known_before_the_next_tick(clock: list[float]) -> None:
    """Whoever goes on first after it must not take it for the platform's doing."""
    async with PauseWatch() as watch:
        await ticks()
        clock[0] += 2.0

        assert watch.total_s() == 2.0
        await ticks()
        assert watch.total_s() == 2.0


async def test_nothing_is_watched_outside(clock: list[float]) -> None:
    """Not before and not after."""
    watch = PauseWatch()
    clock[0] += 2.0
    assert watch.total_s() == 0.0

    async with watch:
        await ticks()
    total_s = watch.total_s()
    clock[0] += TICK_S

    assert total_s == 0.0
