"""Local verification: memory, keys that come and go, revocations, and being deaf."""

import asyncio

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from caas.contracts.auth.identity import Claims, PublicJwk
from caas.kernel.errors import UnavailableError
from caas.runtime.identity.jwt_policy import CLOCK_LEEWAY_S, header_segment
from caas.runtime.identity.revocation import (
    DEAF_AFTER_S,
    RETAINED_S,
    RevocationLog,
    RevocationsUnknownError,
)
from caas.runtime.identity.service_secret import ServiceAuthenticationError, ServiceSecret
from caas.runtime.identity.tokens import (
    REFETCH_INTERVAL_S,
    InvalidTokenError,
    KeySet,
    SessionInvalidError,
    TokenVerifier,
)
from caas.testing.auth.issuer import GOOD_HEADER, Issuer

pytestmark = pytest.mark.anyio


async def test_genuine_token_is_accepted(issuer: Issuer) -> None:
    """The second time from memory."""
    token = issuer.token()
    assert issuer.verifier.verify_cached(token) is None

    claims = await issuer.verifier.verify(token)

    assert (claims.user_id, claims.session_id) == ("u", "s")
    assert issuer.verifier.verify_cached(token) is claims


def test_the_one_accepted_header_is_the_one_that_is_written(issuer: Issuer) -> None:
    """A library that orders its header anew would make every token a stranger's."""
    written = jwt.encode({}, issuer.private, algorithm="EdDSA", headers={"kid": "key \u00e9"})

    assert written.partition(".")[0] == header_segment("key \u00e9")


async def test_leeway_is_for_the_issuers_clock_not_for_the_expiry(issuer: Issuer) -> None:
    """Issued a little in the future is accepted; expired is not, from memory neither."""
    now_s = issuer.clock.now_ms() // 1000
    early = issuer.token(claims=issuer.claims(iat=now_s + CLOCK_LEEWAY_S, nbf=now_s + 1))
    await issuer.verifier.verify(early)

    issuer.clock.advance(899.999)
    await issuer.verifier.verify(early)
    issuer.clock.advance(0.001)
    with pytest.raises(InvalidTokenError):
        issuer.verifier.verify_cached(early)


async def test_memory_of_tokens_is_bounded_and_forgets_the_oldest(issuer: Issuer) -> None:
    """An attacker with many good tokens does not fill the memory."""
    tokens = [issuer.token(claims=issuer.claims(jti=str(n))) for n in range(5)]
    for token in tokens:
        await issuer.verifier.verify(token)

    remembered = [issuer.verifier.verify_cached(token) is not None for token in tokens]
    assert remembered == [False, False, True, True, True]


async def test_without_memory_each_token_is_verified_anew(issuer: Issuer) -> None:
    """Size 0 turns the memory off, for measurements and for who wants none."""
    verifier = TokenVerifier(issuer.keys, issuer.log, issuer.clock, verified_max=0)
    token = issuer.token()

    first = await verifier.verify(token)

    assert verifier.verify_cached(token) is None
    assert await verifier.verify(token) is not first


async def test_token_of_a_removed_key_is_forgotten(issuer: Issuer) -> None:
    """Removing a key from the set ends its tokens, remembered or not."""
    token = issuer.token()
    await issuer.verifier.verify(token)

    issuer.jwks = [Issuer.jwk("key-2", Ed25519PrivateKey.generate())]
    issuer.keys.replace(issuer.jwks)

    with pytest.raises(InvalidTokenError):
        await issuer.verifier.verify(token)


async def test_unknown_key_is_fetched_but_not_for_every_stranger(issuer: Issuer) -> None:
    """One fetch an interval, however many invented key ids come."""
    fresh = Ed25519PrivateKey.generate()
    issuer.jwks = [*issuer.jwks, Issuer.jwk("key-2", fresh)]
    issuer.seconds = 100.0
    issuer.log.heard()

    await issuer.verifier.verify(issuer.token(GOOD_HEADER | {"kid": "key-2"}, private=fresh))
    for number in range(50):
        with pytest.raises(InvalidTokenError):
            await issuer.verifier.verify(issuer.token(GOOD_HEADER | {"kid": f"key-{number + 3}"}))
    assert issuer.fetches == 1

    issuer.seconds += REFETCH_INTERVAL_S
    with pytest.raises(InvalidTokenError):
        await issuer.verifier.verify(issuer.token(GOOD_HEADER | {"kid": "key-99"}))
    assert issuer.fetches == 2


async def test_keys_that_cannot_be_fetched_are_an_outage_not_a_forgery(issuer: Issuer) -> None:
    """A verifier without keys does not say that a token is bad."""

    async def fails() -> list[PublicJwk]:
        raise UnavailableError("auth is away")

    keys = KeySet(fails, monotonic=lambda: issuer.seconds)
    verifier = TokenVerifier(keys, issuer.log, issuer.clock)

    with pytest.raises(UnavailableError):
        await verifier.verify(issuer.token())


async def test_ended_session_is_refused_from_memory_too(issuer: Issuer) -> None:
    """Revocation is looked at on each use."""
    token = issuer.token()
    await issuer.verifier.verify(token)

    issuer.log.revoke(["s"])

    with pytest.raises(SessionInvalidError, match=r"^Session invalid$"):
        await issuer.verifier.verify(token)
    with pytest.raises(SessionInvalidError):
        await issuer.verifier.verify(issuer.token(claims=issuer.claims(jti="j2")))


async def test_deaf_verifier_says_so_instead_of_yes(issuer: Issuer) -> None:
    """More than a second without a heartbeat is too long to vouch for anyone."""
    token = issuer.token()
    await issuer.verifier.verify(token)
    issuer.seconds += DEAF_AFTER_S
    await issuer.verifier.verify(token)
    issuer.seconds += 0.001
    issuer.log.lost()

    assert issuer.verifier.verify_cached(token) is None
    with pytest.raises(RevocationsUnknownError):
        await issuer.verifier.verify(token)
    with pytest.raises(RevocationsUnknownError):
        await issuer.verifier.verify(issuer.token(claims=issuer.claims(jti="j2")))

    issuer.log.heard()
    await issuer.verifier.verify(token)


async def test_verifier_awaits_the_next_word_after_a_pause(issuer: Issuer) -> None:
    """Of a remembered token and of a new one; what the word says counts."""
    known, ended = issuer.token(), issuer.token(claims=issuer.claims(session_id="ended"))
    fresh = issuer.token(claims=issuer.claims(jti="j2"))
    for token in (known, ended):
        await issuer.verifier.verify(token)
    issuer.seconds += 10 * DEAF_AFTER_S
    asked = [asyncio.create_task(issuer.verifier.verify(t)) for t in (known, fresh, ended)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in asked)

    issuer.log.revoke(["ended"])
    issuer.log.heard()

    first, second, third = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(first, Claims)
    assert isinstance(second, Claims)
    assert isinstance(third, SessionInvalidError)


def test_log_forgets_an_end_when_its_last_token_has_expired() -> None:
    """Not before, and then for good: memory does not grow for ever."""
    seconds = 0.0
    log = RevocationLog(monotonic=lambda: seconds)
    log.heard()
    log.revoke(["s"])

    seconds = RETAINED_S - 1.0
    log.heard()
    assert log.is_revoked("s")

    seconds = RETAINED_S + 1.0
    log.heard()
    assert not log.is_revoked("s")


@given(st.text(max_size=40))
def test_only_the_secret_is_the_secret(text: str) -> None:
    """Text, bytes or nothing; the object never shows what it holds."""
    secret = ServiceSecret("a-service-secret")

    assert secret.matches(text) is (text == "a-service-secret")
    assert secret.matches(b"a-service-secret")
    assert "a-service" not in repr(secret)
    for missing in (None, "", b"", "a-service-secre", "a-service-secret "):
        with pytest.raises(ServiceAuthenticationError, match="Invalid or missing service secret"):
            secret.require(missing)
