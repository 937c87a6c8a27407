"""Which statuses an author may expect of an answer without looking further."""

from collections.abc import Iterable

from caas_conformance.errors import AuthoringError

STATUS_SET_MAX = 4
REFUSALS = 4  # the class of statuses


def allowed_statuses(expected: int | Iterable[int], because: str) -> tuple[int, ...]:
    """Return the statuses an author may expect.

    Raises:
        AuthoringError: none, more than `STATUS_SET_MAX`, of two classes, or without a reason
            where one is needed.
    """
    wanted = (expected,) if isinstance(expected, int) else tuple(expected)
    if not 1 <= len(wanted) <= STATUS_SET_MAX:
        raise AuthoringError(f"expected status: 1 to {STATUS_SET_MAX} values, not {wanted}")
    if any(isinstance(s, bool) or not 100 <= s <= 599 for s in wanted):  # noqa: PLR2004
        raise AuthoringError(f"expected status: {wanted} are not statuses")
    if len({s // 100 for s in wanted}) > 1:
        raise AuthoringError(f"expected status: {wanted} are of several classes")
    if wanted[0] // 100 == REFUSALS and not because.strip():
        raise AuthoringError(
            f"expected status: a refusal ({wanted[0]}) is judged by its own reason, with "
            "check.problem(..., code=...); or say because= of what it can't be"
        )
    if len(wanted) > 1 and not because.strip():
        raise AuthoringError(f"expected status: several ({wanted}) need because=")
    return wanted
