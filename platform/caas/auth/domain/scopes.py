"""What keys and sessions may hold, and what each permission is asked for.

A session may always look at itself, refresh and end itself: that gives nothing to whoever holds
its token. Whatever reaches beyond it (the user's profile and other sessions) takes `user:read` to
see and `user:write` to change or end, which every session holds but one that a narrow key opened.
"""

from collections.abc import Iterable

from caas.auth.errors import FieldInvalidError, PermissionMissingError, ScopesExceededError
from caas.contracts.auth.identity import (
    ADMIN_PERMISSIONS,
    SCOPE_SHORTHANDS,
    USER_PERMISSIONS,
    Claims,
    permissions_of,
)

READ_USER = "user:read"
WRITE_USER = "user:write"


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


def check_permission(claims: Claims, permission: str) -> None:
    """Raise `PermissionMissingError` unless the bearer of *claims* holds *permission*."""
    if permission not in permissions_of(claims):
        raise PermissionMissingError(permission)
