"""The service's own signing keys: loaded, rotated, and used.

Private keys are at rest only under AES-256-GCM, with a key made of the pepper, which is not in
the database. A rotation publishes first and signs later: see `caas.auth.domain.signing`.
"""

import secrets
from collections.abc import Sequence

import jwt
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import OKPAlgorithm

from caas.auth.domain.signing import SigningKey, published, signer, thumbprint
from caas.auth.errors import RotationTooSoonError
from caas.auth.ports import Announcer, SigningKeyStore
from caas.contracts.auth.identity import Claims, PublicJwk, SigningKeysChanged
from caas.kernel.clock import Clock
from caas.kernel.errors import UnavailableError
from caas.runtime.identity.jwt_policy import ALGORITHM

NONCE_BYTES = 12
SEALING_KEY_BYTES = 32


class KeySealer:
    """Seals private keys under the pepper; the key's name is bound in."""

    def __init__(self, pepper: bytes) -> None:
        derived = HKDF(
            algorithm=hashes.SHA256(),
            length=SEALING_KEY_BYTES,
            salt=None,
            info=b"caas signing key at rest",
        ).derive(pepper)
        self._aead = AESGCM(derived)

    def seal(self, private: Ed25519PrivateKey, kid: str) -> bytes:
        """Return the nonce and the sealed 32 bytes of *private*."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, private.private_bytes_raw(), kid.encode())

    def open(self, sealed: bytes, kid: str) -> Ed25519PrivateKey | None:
        """Return the key, or None when the pepper is not the one it was sealed under."""
        nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            raw = self._aead.decrypt(nonce, body, kid.encode())
        except InvalidTag:
            return None
        return Ed25519PrivateKey.from_private_bytes(raw)


class SigningKeys:
    """The keys of this instance, as of the last load.

    Args:
        activation_delay_ms: Between publishing a key and its first use.
    """

    def __init__(
        self,
        store: SigningKeyStore,
        announcer: Announcer,
        clock: Clock,
        *,
        pepper: bytes,
        activation_delay_ms: int,
    ) -> None:
        self._store = store
        self._announcer = announcer
        self._clock = clock
        self._sealer = KeySealer(pepper)
        self._activation_delay_ms = activation_delay_ms
        self._keys: list[SigningKey] = []
        self._private: dict[str, Ed25519PrivateKey] = {}

    async def load(self) -> None:
        """Read the stored keys, make the first one if there is none, drop the dead ones.

        Raises:
            UnavailableError: The store can't be reached, or a key was sealed under another
                pepper, so that this instance could not vouch for what it signs.
        """
        keys = await self._store.all()
        if not keys:
            await self._store.add(self._generate(1, self._clock.now_ms()))
            keys = await self._store.all()
        kept = published(keys, now_ms=self._clock.now_ms())
        for key in kept:
            if key.kid in self._private:
                continue
            private = self._sealer.open(key.private_sealed, key.kid)
            if private is None:
                raise UnavailableError("A signing key was sealed under another pepper")
            self._private[key.kid] = private
        for key in keys:
            if key not in kept:
                self._private.pop(key.kid, None)
                await self._store.remove(key.kid)
        self._keys = list(kept)

    async def public_keys(self) -> Sequence[PublicJwk]:
        """Return the key set as stored now; while the store is away, as last loaded.

        Raises:
            UnavailableError: Nothing was ever loaded.
        """
        try:
            await self.load()
        except UnavailableError:
            if not self._keys:
                raise
        return self.jwks

    @property
    def jwks(self) -> tuple[PublicJwk, ...]:
        """The key set as of the last load, latest key first."""
        return tuple(key.jwk for key in self._keys)

    async def rotate(self) -> SigningKey:
        """Publish a new key that will sign from `activates_at_ms`, and return it.

        Raises:
            RotationTooSoonError: The last one has not taken effect, or another instance
                rotates at this moment.
            UnavailableError: It could not be announced. It takes effect all the same, later
                than every verifier's next fetch.
        """
        await self.load()
        now_ms = self._clock.now_ms()
        latest = max(self._keys, key=lambda key: key.sequence)
        if latest.activates_at_ms > now_ms:
            raise RotationTooSoonError
        fresh = self._generate(latest.sequence + 1, now_ms + self._activation_delay_ms)
        if not await self._store.add(fresh):
            raise RotationTooSoonError
        await self._announcer.publish(
            SigningKeysChanged(kid=fresh.kid, activates_at_ms=fresh.activates_at_ms)
        )
        await self.load()
        return fresh

    async def current_kid(self) -> str:
        """Return the name of the key that signs now."""
        key = signer(self._keys, now_ms=self._clock.now_ms())
        if key is None:
            raise UnavailableError("No signing key is active")
        return key.kid

    async def sign(self, claims: Claims, *, kid: str) -> str:
        """Return the token; the same claims under the same key are the same bytes (RFC 8032).

        Raises:
            UnavailableError: That key is not here.
        """
        if kid not in self._private:
            await self.load()
        private = self._private.get(kid)
        if private is None:
            raise UnavailableError("The signing key is gone")
        payload = msgspec.to_builtins(claims)
        return jwt.encode(payload, private, algorithm=ALGORITHM, headers={"kid": kid})

    def _generate(self, sequence: int, activates_at_ms: int) -> SigningKey:
        private = Ed25519PrivateKey.generate()
        public_x = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)["x"]
        kid = thumbprint(public_x)
        return SigningKey(
            kid=kid,
            sequence=sequence,
            public_x=public_x,
            private_sealed=self._sealer.seal(private, kid),
            created_at_ms=self._clock.now_ms(),
            activates_at_ms=activates_at_ms,
        )
