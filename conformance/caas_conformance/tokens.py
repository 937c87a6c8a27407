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
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()


def _part(token: str, index: int) -> dict[str, Any]:
    try:
        part = token.split(".")[index]
        decoded = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, binascii.Error, ValueError, UnicodeError):
        return {}
    return decoded if isinstance(decoded, dict) else {}
