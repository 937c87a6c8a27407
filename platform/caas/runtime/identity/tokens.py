"""Verify tokens locally: Ed25519 under a key set, plus the pushed revocations.

RFC 8725 decides what is refused. The one accepted header per key is compared byte for byte,
so that `alg`, `typ` and `kid` are pinned together and `jku`, `jwk`, `crit` or `none` never
reach a decision. A verified token is remembered by its exact text: the hot path is then one
look-up here and one in the revocations.
"""

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from caas.contracts.auth.identity import AUDIENCE, ISSUER, Claims, PublicJwk, TokenType
from caas.kernel.clock import Clock
from caas.kernel.errors import UnauthenticatedError, UnavailableError

TOKEN_MAX_BYTES = 4096
CLOCK_LEEWAY_S = 5
VERIFIED_TOKENS_MAX = 20_000
KID_MAX_CHARS = 64
SIGNATURE_BYTES = 64
KEYS_MAX = 64
REFETCH_INTERVAL_S = 1.0

ACCESS: tuple[TokenType, ...] = ("access",)


class InvalidTokenError(UnauthenticatedError):
    """The token is malformed, forged, expired, or of the wrong kind."""

    code = "invalid_token"

    def __init__(self) -> None:
        super().__init__("Invalid token")


class SessionInvalidError(UnauthenticatedError):
    """The token was good; its session has ended."""

    code = "session_invalid"

    def __init__(self) -> None:
        super().__init__("Session invalid")


class RevocationView(Protocol):
    """Where a verifier learns which sessions have ended."""

    def is_revoked(self, session_id: str) -> bool:
        """Tell whether the session ended; raise `UnavailableError` when that is not known."""
        ...

    async def known(self) -> None:
        """Wait a moment until that is known; raise `UnavailableError` when it can't be."""
        ...


class KeyView(Protocol):
    """Where a verifier finds its keys."""

    generation: int
    """Grows whenever a key leaves the set, so that what it signed is forgotten."""

    def find(self, header: bytes) -> Ed25519PublicKey | None:
        """Return the key whose tokens start with exactly this header segment."""
        ...

    async def refresh(self) -> bool:
        """Fetch the set anew unless it was fetched just now; tell whether it was fetched."""
        ...


def b64url(raw: bytes) -> bytes:
    """Encode without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def b64url_decode(text: bytes) -> bytes:
    """Decode canonical unpadded base64url; raise `ValueError` on any other spelling."""
    raw = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if b64url(raw) != text:
        raise ValueError("not canonical base64url")
    return raw


def header_segment(kid: str) -> bytes:
    """Return the first segment of every token that the key *kid* signs."""
    header = {"alg": "EdDSA", "typ": "JWT", "kid": kid}
    return b64url(msgspec.json.encode(header))


class KeySet:
    """Verification keys by the header segment their tokens start with.

    Args:
        fetch: Reads the current key set; raises `UnavailableError` when it can't.
        monotonic: Seconds that never run backwards.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Sequence[PublicJwk]]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.generation = 0
        self._fetch = fetch
        self._monotonic = monotonic
        self._keys: dict[bytes, Ed25519PublicKey] = {}
        self._fetched_s = float("-inf")
        self._loading: asyncio.Task[None] | None = None

    def find(self, header: bytes) -> Ed25519PublicKey | None:
        """Return the key whose tokens start with exactly this header segment."""
        return self._keys.get(header)

    def replace(self, jwks: Sequence[PublicJwk]) -> None:
        """Take *jwks* as the whole truth; tokens of keys that are gone are forgotten."""
        fresh: dict[bytes, Ed25519PublicKey] = {}
        for jwk in jwks[:KEYS_MAX]:
            raw = b64url_decode(jwk.x.encode())
            fresh[header_segment(jwk.kid)] = Ed25519PublicKey.from_public_bytes(raw)
        if not self._keys.keys() <= fresh.keys():
            self.generation += 1
        self._keys = fresh

    async def load(self) -> None:
        """Fetch the set after this call, whenever it was fetched last.

        Raises:
            UnavailableError: It could not be fetched; the keys known before stay.
        """
        under_way = self._loading
        if under_way is not None:
            await asyncio.wait([under_way])
        await self._join()

    async def refresh(self) -> bool:
        """Fetch the set unless that happened within `REFETCH_INTERVAL_S`.

        Anyone can send unknown key ids, so they may not cost a fetch each. A new key is
        announced on the revocation stream before it signs, which calls `load` directly.
        """
        recent = self._monotonic() - self._fetched_s < REFETCH_INTERVAL_S
        if recent and self._loading is None:
            return False
        await self._join()
        return True

    async def _join(self) -> None:
        """Wait for the fetch under way, or start one; a caller that leaves does not stop it."""
        if self._loading is None:
            self._fetched_s = self._monotonic()
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(self._loaded)
        await asyncio.shield(self._loading)

    def _loaded(self, task: asyncio.Task[None]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()  # every waiter has raised it; none may be left

    async def _load(self) -> None:
        self.replace(await self._fetch())


class _Verified:
    """A token that passed every check that does not change with time."""

    __slots__ = ("claims", "exp_ms", "session_id")

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self.exp_ms = claims.exp * 1000
        self.session_id = claims.session_id


class _NotBefore(msgspec.Struct, frozen=True):
    nbf: int | None = None


class TokenVerifier:
    """Decides whether a token is good, without asking another process."""

    def __init__(
        self,
        keys: KeyView,
        revocations: RevocationView,
        clock: Clock,
        *,
        verified_max: int = VERIFIED_TOKENS_MAX,
    ) -> None:
        self._keys = keys
        self._revocations = revocations
        self._clock = clock
        self._verified_max = verified_max
        self._verified: dict[str, _Verified] = {}
        self._generation = keys.generation
        self._decode_claims = msgspec.json.Decoder(Claims).decode
        self._decode_not_before = msgspec.json.Decoder(_NotBefore).decode

    def verify_cached(self, token: str) -> Claims | None:
        """Return the claims of a token verified before, or None when `verify` has to be awaited.

        Raises:
            InvalidTokenError: It has expired since.
            SessionInvalidError: Its session has ended since.
        """
        if self._generation != self._keys.generation:
            self._verified.clear()
            self._generation = self._keys.generation
        seen = self._verified.get(token)
        if seen is None:
            return None
        if seen.exp_ms <= self._clock.now_ms():
            del self._verified[token]
            raise InvalidTokenError
        try:
            revoked = self._revocations.is_revoked(seen.session_id)
        except UnavailableError:
            return None
        if revoked:
            raise SessionInvalidError
        return seen.claims

    async def verify(self, token: str, *, types: tuple[TokenType, ...] = ACCESS) -> Claims:
        """Return the claims of a good token of one of *types*.

        Raises:
            InvalidTokenError: Malformed, forged, expired, not yet valid, or of another type.
            SessionInvalidError: Its session has ended.
            UnavailableError: Keys or revocations can't be known at present.
        """
        claims = self.verify_cached(token)
        if claims is None:
            seen = self._verified.get(token)
            claims = await self.authenticate(token) if seen is None else seen.claims
            await self._revocations.known()
            if self._revocations.is_revoked(claims.session_id):
                raise SessionInvalidError
            self._remember(token, claims)
        if claims.type not in types:
            raise InvalidTokenError
        return claims

    async def authenticate(self, token: str) -> Claims:
        """Return the claims of a genuine, current token of any type.

        Whether its session still stands is not looked at: that is for callers who ask the
        store of sessions itself, or who want to know whose an ended session was.

        Raises:
            InvalidTokenError: Malformed, forged, expired or not yet valid.
            UnavailableError: The key it names can't be fetched at present.
        """
        if len(token) > TOKEN_MAX_BYTES or not token.isascii():
            raise InvalidTokenError
        header, _, rest = token.encode().partition(b".")
        payload, _, signature = rest.partition(b".")
        key = self._keys.find(header)
        if key is None and _names_a_key(header):
            await self._keys.refresh()
            key = self._keys.find(header)
        if key is None:
            raise InvalidTokenError
        return self._check(key, header + b"." + payload, payload, signature)

    def _check(
        self, key: Ed25519PublicKey, signed: bytes, payload: bytes, signature: bytes
    ) -> Claims:
        try:
            raw_signature = b64url_decode(signature)
            if len(raw_signature) != SIGNATURE_BYTES:
                raise InvalidTokenError
            key.verify(raw_signature, signed)
            body = b64url_decode(payload)
            claims = self._decode_claims(body)
            not_before = self._decode_not_before(body).nbf
        except (ValueError, binascii.Error, InvalidSignature, msgspec.MsgspecError) as error:
            raise InvalidTokenError from error
        now_ms = self._clock.now_ms()
        soonest_s = now_ms / 1000 + CLOCK_LEEWAY_S
        if (
            claims.iss != ISSUER
            or claims.aud != AUDIENCE
            or claims.exp * 1000 <= now_ms
            or claims.iat > soonest_s
            or (not_before is not None and not_before > soonest_s)
        ):
            raise InvalidTokenError
        return claims

    def _remember(self, token: str, claims: Claims) -> None:
        """Keep the token, and drop the oldest one when the limit is reached."""
        if claims.type == "refresh" or not self._verified_max:
            return  # a refresh token is used once: it would only push out the others
        if len(self._verified) >= self._verified_max:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = _Verified(claims)


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: str
    typ: str
    kid: str


_decode_header = msgspec.json.Decoder(_Header).decode


def _names_a_key(header: bytes) -> bool:
    """Tell whether *header* is one we would write, for a key we may not have seen yet."""
    try:
        decoded = _decode_header(b64url_decode(header))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        return False
    return len(decoded.kid) <= KID_MAX_CHARS and header_segment(decoded.kid) == header
