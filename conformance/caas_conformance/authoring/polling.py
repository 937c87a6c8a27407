"""Waiting for the platform to reach a state, with a limit."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

from caas_conformance.errors import AuthoringError
from caas_conformance.wire.answer import Answer

PAUSE_S = 0.02
WAIT_MAX_S = 20.0


async def until(
    send: Callable[[], Awaitable[Answer]],
    holds: Callable[[Answer], bool],
    *,
    within_s: float,
) -> Answer:
    """Send until the answer *holds* or *within_s* has passed; return the last answer.

    Raises:
        AuthoringError: *within_s* is not within 0 to `WAIT_MAX_S`.
    """
    if not 0 < within_s <= WAIT_MAX_S:
        raise AuthoringError(f"within_s is above 0 and at most {WAIT_MAX_S:g}")
    deadline = perf_counter() + within_s
    while True:
        started = perf_counter()
        answer = await send()
        if holds(answer) or started >= deadline:
            return answer
        await asyncio.sleep(min(PAUSE_S, max(0.0, deadline - perf_counter())))
