"""What may start, and what may not."""

import msgspec
import pytest

from caas.runtime.settings import (
    DEVELOPMENT_SERVICE_SECRET,
    RuntimeSettings,
    SettingsError,
    read_section,
)

GOOD = {"CAAS_ENVIRONMENT": "production", "CAAS_SERVICE_SECRET": "x" * 32}


def test_development_starts_with_nothing_set() -> None:
    """`granian caas.auth.app:create_app` works as it is on a laptop."""
    settings = RuntimeSettings.from_env({})

    assert settings.service_secret == DEVELOPMENT_SERVICE_SECRET
    assert settings.trusted_proxies == ()


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("", id="missing"),
        pytest.param("hunter2", id="short"),
        pytest.param("dev-service-secret-change-in-production", id="the seed's"),
        pytest.param(DEVELOPMENT_SERVICE_SECRET, id="ours"),
    ],
)
def test_production_refuses_a_weak_secret(secret: str) -> None:
    """And never shows it."""
    with pytest.raises(SettingsError) as refused:
        RuntimeSettings.from_env(GOOD | {"CAAS_SERVICE_SECRET": secret})

    assert "CAAS_SERVICE_SECRET" in str(refused.value)
    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAAS_ENVIRONMENT", "staging"),
        ("CAAS_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("CAAS_ACCESS_LOG", "some"),
        ("CAAS_TOKEN_CACHE_MAX", "-1"),
    ],
)
def test_a_bad_value_is_one_clear_error(name: str, value: str) -> None:
    """Not a stack trace from a library."""
    with pytest.raises(SettingsError):
        RuntimeSettings.from_env(GOOD | {name: value})


def test_everything_is_read() -> None:
    """Lists are comma separated."""
    settings = RuntimeSettings.from_env(
        GOOD
        | {
            "MONGODB_URI": "mongodb://m/",
            "REDIS_URL": "redis://r/",
            "CAAS_MONGODB_DATABASE": "other",
            "CAAS_TRUSTED_PROXIES": "10.1.2.3/8, ::1",
            "CAAS_CORS_ORIGINS": "https://a.example,https://b.example",
            "CAAS_ACCESS_LOG": "all",
            "CAAS_TOKEN_CACHE_MAX": "0",
        }
    )

    assert settings.mongodb_uri == "mongodb://m/"
    assert settings.redis_url == "redis://r/"
    assert settings.mongodb_database == "other"
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert settings.cors_origins == {"https://a.example", "https://b.example"}
    assert settings.access_log == "all"
    assert settings.token_cache_max == 0


def test_a_section_reads_its_own_fields() -> None:
    """Other variables with the prefix are somebody else's."""

    class Section(msgspec.Struct, frozen=True):
        grace_s: int = 5
        name: str = "a"

    env = {"CAAS_X_GRACE_S": "7", "CAAS_X_URL": "http://x", "CAAS_X_NAME": ""}

    assert read_section(env, "CAAS_X_", Section) == Section(grace_s=7, name="a")
    with pytest.raises(SettingsError, match="CAAS_X_"):
        read_section({"CAAS_X_GRACE_S": "soon"}, "CAAS_X_", Section)
