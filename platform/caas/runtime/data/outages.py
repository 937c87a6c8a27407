"""Driver errors that mean "a dependency is away", translated at one seam.

A dead MongoDB or Redis is a 503 with `Retry-After`, never a 500: the caller may try again. Every
other driver error is a bug in this code base and stays what it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pymongo.errors
import redis.exceptions

from caas.kernel.errors import UnavailableError

OUTAGE_RETRY_AFTER_S = 1

_REDIS_OUTAGES = (
    redis.exceptions.ConnectionError,  # also: loading, out of connections, failed authentication
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.OutOfMemoryError,
)
_MONGO_OUTAGES = (
    pymongo.errors.ConnectionFailure,  # also: no primary, server selection, network timeouts
    pymongo.errors.ExecutionTimeout,
    pymongo.errors.WTimeoutError,
)
_MONGO_OUT_OF_DISK_SPACE = 14031
_MONGO_RETRYABLE_LABELS = ("RetryableWriteError", "TransientTransactionError")


def outage_of(error: BaseException) -> str | None:
    """Name the dependency that *error* says is away; None when it says no such thing."""
    if isinstance(error, _REDIS_OUTAGES):
        return "redis"
    if isinstance(error, _MONGO_OUTAGES):
        return "mongodb"
    if isinstance(error, pymongo.errors.PyMongoError):
        if error.timeout or any(error.has_error_label(label) for label in _MONGO_RETRYABLE_LABELS):
            return "mongodb"
        if isinstance(error, pymongo.errors.OperationFailure):
            return "mongodb" if error.code == _MONGO_OUT_OF_DISK_SPACE else None
    return None


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise `UnavailableError` for an outage of MongoDB or Redis in the block.

    Routes need no such block, the edge translates what reaches it; code that decides something
    on an outage does.
    """
    try:
        yield
    except (pymongo.errors.PyMongoError, redis.exceptions.RedisError) as error:
        dependency = outage_of(error)
        if dependency is None:
            raise
        raise unavailable(dependency) from error


def unavailable(dependency: str) -> UnavailableError:
    """Return the error that callers see while *dependency* is away."""
    return UnavailableError(f"{dependency} is unavailable", retry_after_s=OUTAGE_RETRY_AFTER_S)
