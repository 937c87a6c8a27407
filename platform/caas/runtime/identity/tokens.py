"""Verify tokens locally: pyjwt under a key set, plus the pushed revocations.

What is refused beyond what the library refuses is in `jwt_policy`. A verified token is
remembered by its exact text: the hot path is then one look-up here and one in the revocations.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import jwt
import msgspec

from caas.contracts.auth.identity import Claims, PublicJwk, TokenType
from caas.kernel.clock import Clock
from caas.kernel.errors import UnauthenticatedError, UnavailableError
from caas.runtime.identity.jwt_policy import (
    ALGORITHM,
    ClaimsReader,
    header_of,
    header_segment,
    names_a_key,
)

VERIFIED_TOKENS_MAX = 20_000
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

    def find(self, header: str) -> jwt.PyJWK | None:
        """Return the key whose tokens start with exactly this header segment."""
        ...

    async def refresh(self) -> bool:
        """Fetch the set anew unless it was fetched just now; tell whether it was fetched."""
        ...


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
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_s = float("-inf")
        self._loading: asyncio.Task[None] | None = None

    def find(self, header: str) -> jwt.PyJWK | None:
        """Return the key whose tokens start with exactly this header segment."""
        return self._keys.get(header)

    def replace(self, jwks: Sequence[PublicJwk]) -> None:
        """Take *jwks* as the whole truth; tokens of keys that are gone are forgotten."""
        fresh = {
            header_segment(jwk.kid): jwt.PyJWK(msgspec.to_builtins(jwk), ALGORITHM)
            for jwk in jwks[:KEYS_MAX]
        }
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
        self._reader = ClaimsReader(lambda: clock.now_ms() / 1000)

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
        header = header_of(token)
        if header is None:
            raise InvalidTokenError
        key = self._keys.find(header)
        if key is None and names_a_key(token):
            await self._keys.refresh()
            key = self._keys.find(header)
        if key is None:
            raise InvalidTokenError
        try:
            return self._reader.read(token, key)
        except jwt.InvalidTokenError as error:
            raise InvalidTokenError from error

    def _remember(self, token: str, claims: Claims) -> None:
        """Keep the token, and drop the oldest one when the limit is reached."""
        if claims.type == "refresh" or not self._verified_max:
            return  # a refresh token is used once: it would only push out the others
        if len(self._verified) >= self._verified_max:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = _Verified(claims)
