"""Repeat what may be repeated: stamina, which tells of it by names alone.

Its own log lines quote arguments and the words of errors, and those may hold what a caller sent.
"""

import stamina
import stamina.instrumentation

from caas_observability.setup.logs import get_logger

WAIT_MIN_S = 0.02
WAIT_MAX_S = 0.25

_log = get_logger("caas.runtime.repeating")


def repeating(
    on: type[Exception] | tuple[type[Exception], ...], *, attempts: int, within_s: float
) -> stamina.BoundAsyncRetryingCaller:
    """Return what calls something idempotent again, after growing, jittered waits.

    `await repeating(...)(function, *args, **kwargs)` returns what the function does, or raises
    what the last attempt raised.

    Args:
        on: Errors that another attempt may cure.
        attempts: The most there are, the first one included.
        within_s: None is begun after this time.
    """
    return stamina.AsyncRetryingCaller(
        attempts=attempts,
        timeout=within_s,
        wait_initial=WAIT_MIN_S,
        wait_max=WAIT_MAX_S,
        wait_jitter=WAIT_MIN_S,
    ).on(on)


def _tell(details: stamina.instrumentation.RetryDetails) -> None:
    cause = type(details.caused_by).__name__
    _log.warning("repeated", what=details.name, cause=cause, attempt=details.retry_num + 1)


stamina.instrumentation.set_on_retry_hooks([_tell])
