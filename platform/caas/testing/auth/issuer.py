"""A token issuer that signs whatever a test asks for, and a verifier that knows its key."""

from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.utils import base64url_encode

from caas.contracts.auth.identity import AUDIENCE, ISSUER, PublicJwk
from caas.runtime.identity.revocation import RevocationLog
from caas.runtime.identity.tokens import KeySet, TokenVerifier
from caas.testing.clock import FakeClock

KID = "key-1"
GOOD_HEADER = {"alg": "EdDSA", "kid": KID, "typ": "JWT"}


def to_json(value: Any) -> bytes:
    """Encode *value*; bytes stay as they are."""
    return value if isinstance(value, bytes) else msgspec.json.encode(value)


class Issuer:
    """Signs whatever it is asked to, as the service's own key would."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self.jwks = [self.jwk(KID, self.private)]
        self.fetches = 0
        self.seconds = 0.0
        self.log = RevocationLog(monotonic=lambda: self.seconds)
        self.log.heard()
        self.keys = KeySet(self.fetch, monotonic=lambda: self.seconds)
        self.keys.replace(self.jwks)
        self.verifier = TokenVerifier(self.keys, self.log, self.clock, verified_max=3)

    @staticmethod
    def jwk(kid: str, private: Ed25519PrivateKey) -> PublicJwk:
        """Return the public half as key sets show it."""
        return PublicJwk(
            kid=kid, x=base64url_encode(private.public_key().public_bytes_raw()).decode()
        )

    async def fetch(self) -> list[PublicJwk]:
        """Return the key set, and count that it was asked for."""
        self.fetches += 1
        return self.jwks

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return good claims with *changes*; `...` leaves one out."""
        now_s = self.clock.now_ms() // 1000
        good = {
            "jti": "j", "user_id": "u", "tenant_id": "t", "email": "a@b.c", "external_id": "x",
            "session_id": "s", "type": "access", "iat": now_s, "exp": now_s + 900, "iss": ISSUER,
            "aud": AUDIENCE,
        }  # fmt: skip
        return {name: value for name, value in (good | changes).items() if value is not ...}

    def token(
        self, header: Any = None, claims: Any = None, private: Ed25519PrivateKey | None = None
    ) -> str:
        """Return a token of any header and claims, values or raw bytes, signed by any key."""
        head = GOOD_HEADER if header is None else header
        body = self.claims() if claims is None else claims
        signed = base64url_encode(to_json(head)) + b"." + base64url_encode(to_json(body))
        return (signed + b"." + base64url_encode((private or self.private).sign(signed))).decode()
