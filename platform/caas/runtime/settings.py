"""Settings every service shares, read once from the environment.

Each service keeps its own frozen struct beside these and fills it with `read_section`. A bad
value stops the start with one line that names the variable, and never shows a secret.
"""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import msgspec

SECRET_MIN_CHARS = 16
DEVELOPMENT_SERVICE_SECRET = "development-only-service-secret"  # noqa: S105 - refused elsewhere
# What people copy from examples; the first is the seed report's, which its log excerpts print.
WELL_KNOWN_SECRETS = frozenset(
    {"dev-service-secret-change-in-production", DEVELOPMENT_SERVICE_SECRET, "changeme", "secret"}
)

Settings = TypeVar("Settings", bound=msgspec.Struct)


class SettingsError(Exception):
    """The environment does not describe a service that may start; operators fix it."""


class RuntimeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the runtime itself needs.

    Attributes:
        environment: Outside `development` no default or well-known secret is accepted.
        service_secret: What services show each other in `x-service-secret`.
        trusted_proxies: Networks (CIDR) whose `x-forwarded-for` is believed; none by default.
        cors_origins: Exact origins that browsers may call from; none by default.
        access_log: `sampled` logs requests whose trace is sampled and every failed one.
        token_cache_max: Verified tokens that a process remembers; 0 verifies each time.
    """

    service_secret: str
    environment: Literal["development", "production"] = "development"
    mongodb_uri: str = "mongodb://127.0.0.1:27017/?directConnection=true"
    mongodb_database: str = "caas"
    redis_url: str = "redis://127.0.0.1:6379/0"
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: frozenset[str] = frozenset()
    access_log: Literal["sampled", "all"] = "sampled"
    token_cache_max: Annotated[int, msgspec.Meta(ge=0)] = 20_000

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "RuntimeSettings":
        """Read the shared variables.

        Raises:
            SettingsError: A value is malformed, or a secret is missing, short or well known
                outside development.
        """
        plain = {
            field: env[name]
            for field, name in (
                ("environment", "CAAS_ENVIRONMENT"),
                ("mongodb_uri", "MONGODB_URI"),
                ("mongodb_database", "CAAS_MONGODB_DATABASE"),
                ("redis_url", "REDIS_URL"),
                ("access_log", "CAAS_ACCESS_LOG"),
                ("token_cache_max", "CAAS_TOKEN_CACHE_MAX"),
            )
            if env.get(name)
        }
        return _convert(
            {
                **plain,
                "service_secret": read_secret(
                    env, "CAAS_SERVICE_SECRET", development=DEVELOPMENT_SERVICE_SECRET
                ),
                "trusted_proxies": trusted_proxies(env),
                "cors_origins": _listed(env.get("CAAS_CORS_ORIGINS", "")),
            },
            cls,
            "CAAS settings",
        )


def read_secret(env: Mapping[str, str], name: str, *, development: str) -> str:
    """Return the secret called *name*; *development* stands in for it in development only.

    Raises:
        SettingsError: Outside development it is missing, well known, or under
            `SECRET_MIN_CHARS` characters.
    """
    value = env.get(name, "")
    if env.get("CAAS_ENVIRONMENT", "development") == "development":
        return value or development
    if not value:
        raise SettingsError(f"{name} is missing; every environment but development needs it")
    if value in WELL_KNOWN_SECRETS or value == development:
        raise SettingsError(f"{name} has a well-known value; generate one")
    if len(value) < SECRET_MIN_CHARS:
        raise SettingsError(f"{name} is shorter than {SECRET_MIN_CHARS} characters")
    return value


def read_section(env: Mapping[str, str], prefix: str, kind: type[Settings]) -> Settings:
    """Fill *kind* from the variables named *prefix* + field, upper case.

    Variables with the prefix that are no field are left alone: `CAAS_AUTH_URL` is for callers.

    Raises:
        SettingsError: A value does not fit its field.
    """
    found = {
        field: env[prefix + field.upper()]
        for field in kind.__struct_fields__
        if env.get(prefix + field.upper())
    }
    return _convert(found, kind, prefix + "*")


def trusted_proxies(env: Mapping[str, str]) -> list[str]:
    """Return the networks of `CAAS_TRUSTED_PROXIES`; raise `SettingsError` when one is none."""
    listed = _listed(env.get("CAAS_TRUSTED_PROXIES", ""))
    try:
        return [str(ipaddress.ip_network(part, strict=False)) for part in listed]
    except ValueError as error:
        raise SettingsError(f"CAAS_TRUSTED_PROXIES: {error}") from error


def _convert(found: Mapping[str, object], kind: type[Settings], where: str) -> Settings:
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}") from error


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
