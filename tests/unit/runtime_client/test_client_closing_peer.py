"""The closing-peer table: a server that closes a kept connection just after an answer.

Any client's request may then meet a connection that is already closing. Reads are never lost;
writes are never sent twice, so of those that met one the caller is told.
"""

import asyncio
from collections import Counter
from typing import Any

import pytest

from caas.runtime.calls.client import UpstreamClosedError

pytestmark = pytest.mark.anyio

TASKS, EACH = 8, 74
ANSWERS_A_CONNECTION = 3
BETWEEN_S = 0.002  # about what a busy caller leaves between two calls, so that they meet the close
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Table:
    """One row: what the peer served, and what the callers lost."""

    def __init__(self, scripted: Any, close_after_s: float) -> None:
        self.served: Counter[str] = Counter()
        self.lost: set[str] = set()
        self._scripted = scripted
        self._close_after_s = close_after_s

    async def fill(self, method: str) -> None:
        """Send every request once, from several tasks at a time."""
        client = await self._scripted.play(self._peer)

        async def call(task: int) -> None:
            for number in range(EACH):
                target = f"/{task}-{number}"
                try:
                    answer = await client.fetch(method.encode(), target.encode())
                except UpstreamClosedError:
                    self.lost.add(target)
                else:
                    assert answer.body == b"ok"
                await asyncio.sleep(BETWEEN_S)

        await asyncio.gather(*(call(task) for task in range(TASKS)))
        assert self._scripted.server.connections >= len(self.served) / ANSWERS_A_CONNECTION

    async def _peer(self, peer: Any) -> None:
        for _ in range(ANSWERS_A_CONNECTION):
            first, _, _ = await peer.request()
            self.served[first.split()[1]] += 1
            await peer.send(OK)
        await asyncio.sleep(self._close_after_s)
        peer.close()


@pytest.mark.parametrize("close_after_ms", [0, 1, 2, 5])
async def test_no_read_is_lost_and_none_is_answered_twice(
    scripted: Any, close_after_ms: int
) -> None:
    """592 of 592, whenever the peer closes."""
    table = Table(scripted, close_after_ms / 1000)
    await table.fill("GET")

    assert not table.lost
    assert table.served.total() == len(table.served) == TASKS * EACH


@pytest.mark.parametrize("close_after_ms", [0, 1, 2, 5])
async def test_no_write_is_sent_twice_and_each_lost_one_is_told(
    scripted: Any, close_after_ms: int
) -> None:
    """Who is told that it was lost may repeat it: here, the peer has not seen it."""
    table = Table(scripted, close_after_ms / 1000)
    await table.fill("POST")

    assert table.served.total() == len(table.served)
    assert not table.lost & set(table.served)
    assert len(table.lost) + len(table.served) == TASKS * EACH
