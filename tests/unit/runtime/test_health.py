"""Readiness: probes side by side, shared, bounded."""

import asyncio

import pytest

from caas.runtime.http import health as module
from caas.runtime.http.health import Health
from caas.testing.clock import FakeClock
from caas.testing.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


class Probe:
    """A dependency that counts its probes."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> None:
        """Answer when told."""
        self.calls += 1
        await self.go_on.wait()
        if self.error is not None:
            raise self.error


def make(**probes: Probe) -> Health:
    """Make a service with *probes*."""
    return Health("demo", "1", lambda: probes, FakeClock())


async def test_one_that_is_down_makes_it_unhealthy() -> None:
    """And the answer says which one."""
    ready = await make(mongodb=Probe(), redis=Probe(OSError("away"))).ready()

    assert ready.status == "unhealthy"
    assert ready.dependencies == {"mongodb": "up", "redis": "down"}
    assert ready.timestamp == "2023-11-14T22:13:20.000Z"


async def test_callers_share_one_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred load balancers cost a dependency one call."""
    for limit in ("READY_CACHED_S", "PROBE_MAX_S"):
        monkeypatch.setattr(module, limit, PATIENCE_S)
    probe = Probe()
    probe.go_on.clear()
    health = make(redis=probe)
    asking = [asyncio.create_task(health.ready()) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking[0].cancel()
    probe.go_on.set()

    answers = await asyncio.gather(*asking[1:])

    assert {answer.status for answer in answers} == {"healthy"}
    assert (await health.ready()).status == "healthy"
    assert probe.calls == 1


async def test_an_old_answer_is_not_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept for a moment only."""
    monkeypatch.setattr(module, "READY_CACHED_S", 0.0)
    probe = Probe()
    health = make(redis=probe)

    await health.ready()
    probe.error = OSError("away")

    assert (await health.ready()).dependencies == {"redis": "down"}


async def test_details_have_no_secret() -> None:
    """Names, numbers and states."""
    details = await make(redis=Probe(OSError("redis://:hunter2@host"))).detailed()

    assert details.checks["redis"].status == "down"
    assert "hunter2" not in repr(details)
