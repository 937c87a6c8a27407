"""The error taxonomy every service shares, split by what the caller should do.

* CaasError             code, HTTP-free; `caas.runtime.http.problems` alone maps it to a status
  * InvalidInputError        the caller can fix the request; do not retry as it is
  * UnauthenticatedError     no valid credential
  * ForbiddenError           valid credential, not allowed
  * NotFoundError            the thing does not exist, or the caller may not know it does
  * ConflictError            the state moved; re-read, then retry
  * RateLimitedError         retry after `retry_after_s`
  * UnavailableError         a dependency failed; safe to retry with backoff

Bugs are not in this tree: let `AssertionError`, `KeyError` and friends crash.
"""

from typing import ClassVar


class CaasError(Exception):
    """Base of every error a caller may see.

    Attributes:
        code: Stable, dotted, lower case; becomes `urn:caas:error:<code>`.
        members: Extra members of the error document that a seed case shows, such as
            `{"valid": False}` on token validation.
    """

    code: ClassVar[str]
    members: ClassVar[dict[str, object]] = {}


class InvalidInputError(CaasError):
    """The request breaks a documented rule.

    Attributes:
        errors: One `(path, message)` for each broken rule, when they are known one by one.
    """

    code = "invalid_input"

    def __init__(self, message: str, *, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class UnauthenticatedError(CaasError):
    """The request carries no valid credential."""

    code = "unauthenticated"


class ForbiddenError(CaasError):
    """The credential is valid and does not allow this."""

    code = "forbidden"


class NotFoundError(CaasError):
    """The named thing does not exist for this caller."""

    code = "not_found"


class ConflictError(CaasError):
    """The stored state forbids this now."""

    code = "conflict"


class RateLimitedError(CaasError):
    """The caller spent its quota.

    Attributes:
        retry_after_s: Seconds until one more request fits; 1 or more.
    """

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnavailableError(CaasError):
    """A dependency failed or is too slow; the same request may succeed later.

    Attributes:
        retry_after_s: Seconds after which a retry makes sense; 1 or more.
    """

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
