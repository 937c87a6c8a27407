"""Ending background work for good.

One `cancel()` is not enough: `wait_for` of Python 3.11 loses a cancellation that comes with the
answer it waits for (gh-86296), drivers use it, and a loop that goes on is then waited for for ever.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

END_MAX_S = 2.0
AGAIN_S = 0.5  # long enough for what a task tidies up after the first one


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], *, within_s: float = END_MAX_S) -> bool:
    """Cancel *tasks*, again and again, until they have ended; tell whether all have in time.

    What they raised is left with them.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    running = {task for task in tasks if not task.done()}
    while running:
        left_s = ends_at - loop.time()
        if left_s <= 0:
            return False
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=min(AGAIN_S, left_s))
    return True
