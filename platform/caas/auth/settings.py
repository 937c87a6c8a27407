"""Settings of the auth service, read once from the environment."""

from collections.abc import Mapping

import msgspec

from caas.contracts.services import ServiceSpec
from caas.runtime.settings import SettingsError, read_secret, read_section

SERVICE = ServiceSpec(
    name="auth-service",
    app="caas.auth.app:create_app",
    seed_port=3007,
    profiles=("caas", "assistant", "all"),
    url_env="CAAS_AUTH_URL",
    assistant_port=3000,
)

PREFIX = "CAAS_AUTH_"
PEPPER_MIN_BYTES = 32
DEVELOPMENT_PEPPER = "00" * PEPPER_MIN_BYTES


class AuthKnobs(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may tune, each with its unit in its name.

    Attributes:
        hashing_threads: How many passwords are hashed at once; each takes `argon2_memory_kib`.
        argon2_memory_kib: With `argon2_passes`, the pair OWASP recommends first.
        login_window_s: How long wrong passwords count.
        login_pair_failures_max: Wrong passwords for one account from one address.
        login_address_failures_max: Wrong passwords from one address, whatever the account.
        login_account_failures_max: Wrong passwords for one account, whatever the address.
        key_activation_delay_ms: Between publishing a signing key and its first use; longer
            than a verifier may be deaf, so that every one that answers knows the key.
        redis_prefix: Starts every key of the login limits.
    """

    hashing_threads: int = 2
    argon2_memory_kib: int = 19 * 1024
    argon2_passes: int = 2
    login_window_s: int = 15 * 60
    login_pair_failures_max: int = 5
    login_address_failures_max: int = 100
    login_account_failures_max: int = 50
    key_activation_delay_ms: int = 2000
    redis_prefix: str = "caas:auth"


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of the service.

    Attributes:
        key_pepper: What API keys are hashed with and signing keys sealed with; not stored.
        socket_urls: Where SDK clients connect, as the session answer tells them.
    """

    key_pepper: bytes
    socket_urls: tuple[str, ...] = ("ws://localhost:3002", "ws://localhost:3003")
    knobs: AuthKnobs = AuthKnobs()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "AuthSettings":
        """Read `CAAS_KEY_PEPPER`, `CAAS_SOCKET_URLS` (comma-separated) and `CAAS_AUTH_*`.

        Raises:
            SettingsError: A value does not fit, or the pepper is missing outside development.
        """
        pepper = read_secret(env, "CAAS_KEY_PEPPER", development=DEVELOPMENT_PEPPER)
        try:
            raw = bytes.fromhex(pepper)
        except ValueError:
            raise SettingsError("CAAS_KEY_PEPPER must be hexadecimal") from None
        if len(raw) < PEPPER_MIN_BYTES:
            raise SettingsError(f"CAAS_KEY_PEPPER must be {PEPPER_MIN_BYTES} bytes or more")
        given = {}
        if listed := env.get("CAAS_SOCKET_URLS"):
            given["socket_urls"] = tuple(url.strip() for url in listed.split(",") if url.strip())
        return cls(key_pepper=raw, knobs=read_section(env, PREFIX, AuthKnobs), **given)

    def __repr__(self) -> str:
        return "AuthSettings(***)"
