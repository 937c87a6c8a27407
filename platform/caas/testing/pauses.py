"""What a pause of the machine looks like from inside a process: the clock has jumped."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """Let the running loop's clock be *seconds* ahead in the block, in no time at all."""
    loop = asyncio.get_running_loop()
    real = loop.time
    loop.time = lambda: real() + seconds  # type: ignore[method-assign]
    try:
        yield
    finally:
        loop.time = real  # type: ignore[method-assign]
