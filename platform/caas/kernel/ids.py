"""Identifiers: one NewType per kind, so that mypy tells a user from a session.

Every id is a lower-case UUID in its 36-character form, as in the seed report.
"""

import uuid
from typing import NewType

ClientId = NewType("ClientId", str)
TenantId = NewType("TenantId", str)
UserId = NewType("UserId", str)
SessionId = NewType("SessionId", str)
ApiKeyId = NewType("ApiKeyId", str)


def new_id() -> str:
    """Return a fresh random UUID; wrap it in the NewType it is for."""
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """Tell whether *text* is a UUID in canonical form, so that it may name something."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
