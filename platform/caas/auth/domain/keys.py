"""API keys: how they look, and the only form in which they are stored.

A key is 256 random bits, so a fast keyed hash is enough: there is nothing to guess. The pepper
lives outside the database, so a dump of it can't even confirm a guess.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal

from caas.kernel.ids import ApiKeyId, ClientId, TenantId

ACCOUNT_KEY_PREFIX = "caas_prod_"
NAMED_KEY_PREFIX = "caas_key_"
SECRET_HEX_CHARS = 64
SHOWN_CHARS = 8
NAMED_KEYS_MAX = 100

KeyPlace = Literal["primary", "secondary"]

_KEY_PATTERN = re.compile(
    rf"(?:{ACCOUNT_KEY_PREFIX}|{NAMED_KEY_PREFIX})[0-9a-f]{{{SECRET_HEX_CHARS}}}"
)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of a key.

    Attributes:
        digest: HMAC-SHA256 of the whole key under the pepper, hexadecimal.
        shown: The part that people see in lists to tell keys apart.
    """

    id: ApiKeyId
    digest: str
    shown: str
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key that a user of the tenant made, with scopes of its own.

    Attributes:
        created_by: The user's id, or the client's.
        by_member: Whether an end user made it, or a key of one: it never does more than end
            users may at the moment of its use. True also where nothing is known of its maker.
    """

    key: StoredKey
    tenant_id: TenantId
    client_id: ClientId
    name: str
    scopes: tuple[str, ...]
    created_by: str
    by_member: bool = True


def new_account_key() -> str:
    """Return a fresh `caas_prod_` key or secret (seed case 12)."""
    return ACCOUNT_KEY_PREFIX + secrets.token_hex(SECRET_HEX_CHARS // 2)


def new_named_key() -> str:
    """Return a fresh key of the kind that users of a tenant make."""
    return NAMED_KEY_PREFIX + secrets.token_hex(SECRET_HEX_CHARS // 2)


def is_well_formed(key: str) -> bool:
    """Tell whether *key* could be one of ours, so that nothing else is looked up."""
    return _KEY_PATTERN.fullmatch(key) is not None


def is_named(key: str) -> bool:
    """Tell a named key from an account's own, by its prefix."""
    return key.startswith(NAMED_KEY_PREFIX)


def digest_of(key: str, pepper: bytes) -> str:
    """Return the stored form of *key*; the same key always has the same."""
    return hmac.new(pepper, key.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def same_digest(left: str, right: str) -> bool:
    """Compare digests in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def shown_part(key: str) -> str:
    """Return the prefix and the first `SHOWN_CHARS` of *key*: 32 of its 256 bits."""
    head, _, body = key.rpartition("_")
    return f"{head}_{body[:SHOWN_CHARS]}"
