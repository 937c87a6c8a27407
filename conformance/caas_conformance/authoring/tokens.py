"""Reading a JWT without judging it: what the platform wrote into its tokens."""

import base64
import binascii
from typing import Any

import msgspec


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified; an empty dict when *token* is none."""
    return _part(token, 1)


def header(token: str) -> dict[str, Any]:
    """Return the header of a JWT; an empty dict when *token* is none."""
    return _part(token, 0)


def encode_part(value: dict[str, Any]) -> str:
    """Return one part of a JWT, for tokens that a case forges."""
    return to_base64url(msgspec.json.encode(value))


def to_base64url(raw: bytes) -> str:
    """Return *raw* as JWTs have it: base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Return what `to_base64url` was given; lenient about what follows.

    Raises:
        ValueError: It is no base64url.
    """
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _part(token: str, index: int) -> dict[str, Any]:
    try:
        part = token.split(".")[index]
        decoded = msgspec.json.decode(from_base64url(part))
    except (IndexError, binascii.Error, ValueError, UnicodeError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
