"""What a token must be before and beyond what pyjwt checks (RFC 8725).

pyjwt verifies the signature and the registered claims. It reads headers and JSON more kindly
than two parsers that must agree can afford, so this refuses: any header but the one that we
write, byte for byte (which pins `alg`, `typ` and `kid` together and leaves no room for `jku`,
`jwk`, `x5u` or `crit`), padding, long tokens, and payloads with a second reading.
"""

import json  # noqa: TID251 - pyjwt writes its headers with it, and msgspec takes members twice
import re
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
from jwt.utils import base64url_encode

from caas.contracts.auth.identity import AUDIENCE, ISSUER, Claims

ALGORITHM = "EdDSA"
TOKEN_MAX_BYTES = 4096
CLOCK_LEEWAY_S = 5
KID_MAX_CHARS = 64

_COMPACT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}", re.ASCII)
_REQUIRED = ["iss", "aud", "exp", "iat", "jti"]


class _NotBefore(msgspec.Struct, frozen=True):
    nbf: int | None = None


def header_segment(kid: str) -> str:
    """Return the first segment of every token that the key *kid* signs, as pyjwt writes it."""
    header = {"alg": ALGORITHM, "kid": kid, "typ": "JWT"}
    return base64url_encode(json.dumps(header, separators=(",", ":")).encode()).decode()


def header_of(token: str) -> str | None:
    """Return the first segment of what may be a token by its size and alphabet, else None."""
    if len(token) > TOKEN_MAX_BYTES or _COMPACT.fullmatch(token) is None:
        return None
    return token.partition(".")[0]


def names_a_key(token: str) -> bool:
    """Tell whether its header is one we would write, for a key that may not be known yet."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.InvalidTokenError:
        return False
    return (
        isinstance(kid, str)
        and len(kid) <= KID_MAX_CHARS
        and header_segment(kid) == token.partition(".")[0]
    )


class ClaimsReader(jwt.PyJWT):
    """Reads tokens by a clock that tests can move, and by strict JSON.

    The leeway is for the issuer's clock: an expired token is expired.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__({"require": _REQUIRED, "strict_aud": True})
        self._now_s = now_s

    def read(self, token: str, key: jwt.PyJWK) -> Claims:
        """Return the claims of a token that *key* signed, for us, and that is current.

        Raises:
            jwt.InvalidTokenError: It is anything else.
        """
        payload = self.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=CLOCK_LEEWAY_S,
        )
        try:
            msgspec.convert(payload, _NotBefore)
            return msgspec.convert(payload, Claims)
        except msgspec.ValidationError as error:
            raise jwt.InvalidTokenError("a claim is missing or of the wrong type") from error

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        try:
            json.loads(decoded["payload"], object_pairs_hook=_members)
            return msgspec.json.decode(decoded["payload"], type=dict[str, Any])
        except (ValueError, RecursionError, msgspec.DecodeError) as error:
            raise jwt.DecodeError("not one JSON object") from error

    def _validate_exp(self, payload: dict[str, Any], now: float, leeway: float) -> None:  # noqa: ARG002
        super()._validate_exp(payload, self._now_s(), 0)

    def _validate_iat(self, payload: dict[str, Any], now: float, leeway: float) -> None:  # noqa: ARG002
        super()._validate_iat(payload, self._now_s(), leeway)

    def _validate_nbf(self, payload: dict[str, Any], now: float, leeway: float) -> None:  # noqa: ARG002
        super()._validate_nbf(payload, self._now_s(), leeway)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with two members of one name: readers differ in which one counts."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice")
    return members
