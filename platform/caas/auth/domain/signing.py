"""Signing keys: when each is published, signs, and may be forgotten.

A key is in the key set from the moment it exists, signs from `activates_at_ms` until the next
one does, and stays in the set until the last token it can have signed has expired.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from caas.contracts.auth.identity import REFRESH_TTL_S, PublicJwk

RETIREMENT_SLACK_MS = 60 * 60 * 1000
LONGEST_TOKEN_MS = REFRESH_TTL_S * 1000


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One Ed25519 key pair as it is stored.

    Attributes:
        sequence: 1 for the first key; each rotation takes the next, exactly once.
        public_x: The public key, base64url (RFC 8037).
        private_sealed: The private key under AES-256-GCM, with a key made of the pepper.
    """

    kid: str
    sequence: int
    public_x: str
    private_sealed: bytes
    created_at_ms: int
    activates_at_ms: int

    @property
    def jwk(self) -> PublicJwk:
        """The public half, as the key set shows it."""
        return PublicJwk(kid=self.kid, x=self.public_x)


def thumbprint(public_x: str) -> str:
    """Return the key's name: its RFC 7638 thumbprint, in hexadecimal."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": public_x}
    return hashlib.sha256(msgspec.json.encode(members)).hexdigest()[:32]


def signer(keys: Sequence[SigningKey], *, now_ms: int) -> SigningKey | None:
    """Return the key that signs now: the latest that is active."""
    active = [key for key in keys if key.activates_at_ms <= now_ms]
    return max(active, key=lambda key: key.sequence, default=None)


def published(keys: Sequence[SigningKey], *, now_ms: int) -> tuple[SigningKey, ...]:
    """Return the keys of the key set, latest first."""
    ordered = sorted(keys, key=lambda key: key.sequence, reverse=True)
    kept: list[SigningKey] = []
    successor: SigningKey | None = None
    for key in ordered:
        if successor is None or now_ms < forgotten_at_ms(successor):
            kept.append(key)
        successor = key
    return tuple(kept)


def forgotten_at_ms(successor: SigningKey) -> int:
    """Return when the key before *successor* leaves the set: its last token has died."""
    return successor.activates_at_ms + LONGEST_TOKEN_MS + RETIREMENT_SLACK_MS
