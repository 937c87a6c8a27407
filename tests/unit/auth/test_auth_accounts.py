"""Registration and login: who gets in, and what a stranger learns."""

import re

import pytest

from caas.auth.domain.clients import check_password, email_key_of, parse_email
from caas.auth.errors import (
    CredentialsInvalidError,
    EmailTakenError,
    FieldInvalidError,
    TooManyAttemptsError,
)
from caas.auth.service.services import AuthServices
from caas.testing.auth.use_cases import FakeAuth

pytestmark = pytest.mark.anyio

PASSWORD = "Correct-horse-7"


async def _register(auth: AuthServices, email: str = "admin@acme.example.com") -> str:
    made = await auth.accounts.register(
        company_name="Acme", email=email, password=PASSWORD, plan="free"
    )
    return made.client.id


async def _log_in(auth: AuthServices, email: str, password: str) -> str:
    login = await auth.accounts.login(
        email=email, password=password, ip_address="203.0.113.9", user_agent="test"
    )
    return login.access_token


async def test_registration_shows_key_and_secret_and_stores_neither(
    auth: AuthServices, fake: FakeAuth
) -> None:
    """What the caller gets is of the seed's shape; what is kept can't be turned back."""
    made = await auth.accounts.register(
        company_name="  Acme GmbH ", email="Admin@ACME.example.com", password=PASSWORD, plan="free"
    )

    assert re.fullmatch(r"caas_prod_[0-9a-f]{64}", made.api_key)
    assert re.fullmatch(r"caas_prod_[0-9a-f]{64}", made.api_secret)
    assert made.api_key != made.api_secret
    assert made.client.company_name == "Acme GmbH"
    stored = repr(fake.clients.clients)
    assert made.api_key not in stored
    assert made.api_secret not in stored
    assert PASSWORD not in stored


async def test_address_in_another_case_is_the_same_account(auth: AuthServices) -> None:
    """Two accounts that differ by case would be a way to impersonate."""
    await _register(auth, "Admin@acme.example.com")

    with pytest.raises(EmailTakenError, match="Email already registered"):
        await _register(auth, "aDMIN@ACME.example.com")


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("", id="empty"),
        pytest.param("Ab1!", id="short"),
        pytest.param("password", id="common"),
        pytest.param("Password123!", id="common with decoration"),
        pytest.param("12345678901234", id="digits only"),
        pytest.param("lowercaseonlyhere", id="one kind"),
        pytest.param("A1!" * 60, id="too long"),
        pytest.param("Admin.1@acme.example.com", id="the address"),
    ],
)
def test_weak_password_is_refused_by_name(password: str) -> None:
    """The answer says that it is the password, never what it was."""
    with pytest.raises(FieldInvalidError) as refused:
        check_password(password, email="admin.1@acme.example.com")

    [(path, message)] = refused.value.errors
    assert path == "password"
    assert not password or password not in message


def test_the_seeds_password_is_good_enough() -> None:
    """Seed case 12 registers with it."""
    check_password("Test1234!@#$", email="admin-1771964061037@e2etest.com")


@pytest.mark.parametrize(
    "text", ["", "nobody", "admin@", "@example.com", "a b@example.com", "a@b@example.com",
             "a@example..com", "a@-x.com", "x" * 65 + "@example.com", f"a@{'b' * 250}.com"]
)  # fmt: skip
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    """RFC 5322, without asking a name server."""
    with pytest.raises(FieldInvalidError) as refused:
        parse_email(text, testing=True)

    assert refused.value.errors[0][0] == "email"


@pytest.mark.parametrize("text", ["a@acme.test", "A@sub.ACME.TEST"])
def test_addresses_for_tests_are_good_on_a_platform_for_testing(text: str) -> None:
    """RFC 6761 keeps `.test` for that; elsewhere mail would never arrive."""
    assert parse_email(text, testing=True) == text[0] + text[1:].lower()
    with pytest.raises(FieldInvalidError):
        parse_email(text, testing=False)


@pytest.mark.parametrize("testing", [True, False])
def test_other_reserved_names(testing: bool) -> None:  # noqa: FBT001
    """`.example` is good anywhere, for documents use it; what means nobody or here is not."""
    assert parse_email("a@acme.example", testing=testing) == "a@acme.example"
    for text in ("a@acme.invalid", "a@acme.local", "a@acme.localhost", "a@localhost"):
        with pytest.raises(FieldInvalidError):
            parse_email(text, testing=testing)


def test_email_key_folds_width_and_case() -> None:
    """Full-width letters look the same to people."""
    assert email_key_of("\uff21dmin@acme.com") == email_key_of("admin@ACME.com")


async def test_login_buys_an_administrators_token(auth: AuthServices) -> None:
    """The token says role, tenant and client; it lives an hour."""
    client_id = await _register(auth)

    token = await _log_in(auth, "ADMIN@acme.example.com", PASSWORD)

    claims = await auth.verifier.verify(token, types=("client",))
    assert (claims.role, claims.client_id, claims.type) == ("tenant_admin", client_id, "client")
    assert claims.exp - claims.iat == 3600


async def test_unknown_address_and_wrong_password_are_alike(
    auth: AuthServices, fake: FakeAuth
) -> None:
    """Same words, and a hash is computed for both, so that the time tells nothing either."""
    await _register(auth)

    with pytest.raises(CredentialsInvalidError) as wrong:
        await _log_in(auth, "admin@acme.example.com", "wrong")
    with pytest.raises(CredentialsInvalidError) as unknown:
        await _log_in(auth, "nobody@acme.example.com", "wrong")
    with pytest.raises(CredentialsInvalidError) as malformed:
        await _log_in(auth, "not an address", "wrong")

    assert str(wrong.value) == str(unknown.value) == str(malformed.value)
    assert [stored is None for stored in fake.hasher.verified] == [False, True, True]


async def test_attempt_is_counted_before_the_password_is_looked_at(
    auth: AuthServices, fake: FakeAuth
) -> None:
    """Else a thousand parallel guesses would all be looked at before one is counted."""
    await _register(auth)
    fake.limiter.refuse_for_s = 60

    with pytest.raises(TooManyAttemptsError):
        await _log_in(auth, "admin@acme.example.com", PASSWORD)

    assert fake.hasher.verified == []


async def test_right_password_gives_the_attempt_back(auth: AuthServices, fake: FakeAuth) -> None:
    """Only wrong passwords count."""
    await _register(auth)

    await _log_in(auth, "admin@acme.example.com", PASSWORD)

    assert fake.limiter.succeeded_for == [("admin@acme.example.com", "203.0.113.9")]
