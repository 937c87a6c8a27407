"""What keys may hold: permission names, shorthands, and never more than their maker."""

from collections.abc import Iterable

from caas.auth.errors import FieldInvalidError, ScopesExceededError
from caas.contracts.auth import ADMIN_PERMISSIONS, SCOPE_SHORTHANDS, USER_PERMISSIONS


def expand_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the permissions that *scopes* stand for, each once, in the vocabulary's order.

    Raises:
        FieldInvalidError: One of them is neither a permission nor a shorthand.
    """
    wanted: set[str] = set()
    for position, scope in enumerate(scopes):
        if scope in SCOPE_SHORTHANDS:
            wanted.update(SCOPE_SHORTHANDS[scope])
        elif scope in ADMIN_PERMISSIONS:
            wanted.add(scope)
        else:
            raise FieldInvalidError(f"scopes[{position}]", "unknown scope")
    return tuple(name for name in ADMIN_PERMISSIONS if name in wanted)


def grant(scopes: Iterable[str], maker_permissions: Iterable[str]) -> tuple[str, ...]:
    """Return the permissions a new key gets.

    Raises:
        FieldInvalidError: A scope is unknown.
        ScopesExceededError: The maker does not hold all of them.
    """
    wanted = expand_scopes(scopes)
    held = set(maker_permissions)
    beyond = tuple(name for name in wanted if name not in held)
    if beyond:
        raise ScopesExceededError(beyond)
    return wanted


def session_permissions(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a session holds that was opened with a key of these scopes."""
    return tuple(name for name in USER_PERMISSIONS if name in scopes)
