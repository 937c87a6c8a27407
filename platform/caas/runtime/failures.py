"""What operators are told of an exception: its type and its place, never its text.

The text may quote what a caller sent, or what is stored.
"""

import traceback
from collections import deque

STACK_MAX_FRAMES = 20


def describe_failure(error: BaseException) -> dict[str, str]:
    """Return the fields of a log line or span event about *error*, or about its cause."""
    # Not the cancellation that a time-out is made of.
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    kind = f"{type(cause).__module__}.{type(cause).__qualname__}".removeprefix("builtins.")
    return {"exception.type": kind, "exception.stacktrace": _places(cause)}


def _places(error: BaseException) -> str:
    """Return the innermost frames of *error*, a line each.

    From the frames alone: `traceback.extract_tb` looks at every source file, which cost 0.8 ms
    for each request that an outage refused.
    """
    frames = deque(traceback.walk_tb(error.__traceback__), maxlen=STACK_MAX_FRAMES)
    return "\n".join(
        f"{frame.f_code.co_filename.rpartition('/')[2]}:{line} {frame.f_code.co_name}"
        for frame, line in frames
    )
