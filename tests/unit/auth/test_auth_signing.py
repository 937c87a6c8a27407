"""Signing keys: published before used, kept until the last token has died, sealed at rest."""

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters

from caas.auth.domain.signing import forgotten_at_ms
from caas.auth.errors import RotationTooSoonError
from caas.auth.service.passwords import WAITING_MAX, ArgonHasher, OverloadedError
from caas.auth.service.services import AuthServices
from caas.auth.service.sessions.signing import SigningKeys
from caas.auth.settings import AuthSettings
from caas.contracts.auth.identity import SigningKeysChanged
from caas.kernel.errors import UnavailableError
from caas.runtime.settings import SettingsError
from caas.testing.auth.use_cases import PEPPER, FakeAuth

pytestmark = pytest.mark.anyio


async def test_new_key_is_published_and_announced_before_it_signs(
    auth: AuthServices, fake: FakeAuth
) -> None:
    """By the time a token carries it, every verifier that may answer has heard of it."""
    old = await auth.signing_keys.current_kid()

    fresh = await auth.signing_keys.rotate()

    assert [jwk.kid for jwk in auth.signing_keys.jwks] == [fresh.kid, old]
    assert await auth.signing_keys.current_kid() == old
    assert fake.announcer.events == [
        SigningKeysChanged(kid=fresh.kid, activates_at_ms=fresh.activates_at_ms)
    ]
    fake.clock.advance(2)
    assert await auth.signing_keys.current_kid() == fresh.kid


async def test_old_key_stays_until_its_last_token_has_died(
    auth: AuthServices, fake: FakeAuth
) -> None:
    """Then it leaves the set and the store."""
    old = await auth.signing_keys.current_kid()
    fresh = await auth.signing_keys.rotate()

    fake.clock.ms = forgotten_at_ms(fresh) - 1
    await auth.signing_keys.load()
    assert [jwk.kid for jwk in auth.signing_keys.jwks] == [fresh.kid, old]
    fake.clock.advance(0.001)
    await auth.signing_keys.load()

    assert [jwk.kid for jwk in auth.signing_keys.jwks] == [fresh.kid]
    assert list(fake.signing_keys.keys) == [fresh.kid]


async def test_rotation_waits_for_the_one_before(auth: AuthServices, fake: FakeAuth) -> None:
    """Two clicks make one key."""
    await auth.signing_keys.rotate()

    with pytest.raises(RotationTooSoonError):
        await auth.signing_keys.rotate()

    fake.clock.advance(2)
    await auth.signing_keys.rotate()
    assert len(auth.signing_keys.jwks) == 3


async def test_instances_that_start_together_agree_on_the_first_key(fake: FakeAuth) -> None:
    """The sequence number decides; the loser takes the winner's key."""
    first, second = fake.build(), fake.build()

    await asyncio.gather(first.signing_keys.load(), second.signing_keys.load())

    assert await first.signing_keys.current_kid() == await second.signing_keys.current_kid()
    assert len(fake.signing_keys.keys) == 1


async def test_private_key_is_sealed_under_the_pepper(auth: AuthServices, fake: FakeAuth) -> None:
    """Another pepper can't sign with it and says so, and does not quietly make a new one."""
    assert auth.signing_keys.jwks
    stranger = SigningKeys(
        fake.signing_keys, fake.announcer, fake.clock, pepper=b"x" * 32, activation_delay_ms=1
    )

    with pytest.raises(UnavailableError, match="another pepper"):
        await stranger.load()

    assert len(fake.signing_keys.keys) == 1
    [key] = fake.signing_keys.keys.values()
    assert PEPPER not in key.private_sealed
    assert len(key.private_sealed) == 12 + 32 + 16


async def test_argon_hashes_off_the_loop_with_the_configured_cost() -> None:
    """The loop runs on while a password is hashed."""
    hasher = ArgonHasher(threads=1, memory_kib=64, passes=1)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    stored = await hasher.hash("Correct-horse-7")
    ticking.cancel()

    parameters = extract_parameters(stored)
    assert (parameters.memory_cost, parameters.time_cost) == (64, 1)
    assert stored.startswith("$argon2id$")
    assert ticks > 0
    assert await hasher.verify(stored, "Correct-horse-7")
    assert not await hasher.verify(stored, "Correct-horse-8")
    assert not await hasher.verify("not a hash", "Correct-horse-7")
    assert PasswordHasher().verify(stored, "Correct-horse-7")
    hasher.close()


async def test_unknown_account_costs_a_hash_and_is_no() -> None:
    """Even for the dummy's own password."""
    hasher = ArgonHasher(threads=1, memory_kib=64, passes=1)

    assert not await hasher.verify(None, "Correct-horse-7")
    assert not await hasher.verify(None, "an account that does not exist")
    hasher.close()


async def test_hashing_has_a_bounded_queue() -> None:
    """One caller too many is turned away at once, and the others are served."""
    hasher = ArgonHasher(threads=1, memory_kib=64, passes=1)
    waiting = [asyncio.create_task(hasher.hash("x")) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)

    with pytest.raises(OverloadedError):
        await hasher.hash("one too many")

    assert len(set(await asyncio.gather(*waiting))) == WAITING_MAX
    hasher.close()


def test_settings_never_show_the_pepper_and_production_needs_one() -> None:
    """The development default is refused elsewhere."""
    settings = AuthSettings.from_env(
        {"CAAS_KEY_PEPPER": "ab" * 32, "CAAS_SOCKET_URLS": "ws://a:1, ws://b:2"}
    )

    assert settings.key_pepper == b"\xab" * 32
    assert settings.socket_urls == ("ws://a:1", "ws://b:2")
    assert "abab" not in repr(settings)
    for broken in (
        {"CAAS_ENVIRONMENT": "production"},
        {"CAAS_ENVIRONMENT": "production", "CAAS_KEY_PEPPER": "00" * 32},
        {"CAAS_KEY_PEPPER": "zz" * 32},
        {"CAAS_KEY_PEPPER": "ab" * 31},
        {"CAAS_AUTH_HASHING_THREADS": "many"},
    ):
        with pytest.raises(SettingsError) as refused:
            AuthSettings.from_env(broken)
        assert "abab" not in str(refused.value)
