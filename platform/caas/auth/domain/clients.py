"""Client accounts: who may register, and with what."""

import re
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from caas.auth.domain.keys import KeyPlace, StoredKey, same_digest
from caas.auth.errors import FieldInvalidError
from caas.contracts.auth.api import (
    EMAIL_MAX_CHARS,
    PASSWORD_MAX_CHARS,
    PASSWORD_MIN_CHARS,
    PASSWORD_PATTERN,
    Plan,
)
from caas.contracts.auth.internal import Status
from caas.kernel.ids import ClientId, TenantId

_THREE_KINDS = re.compile(PASSWORD_PATTERN)
_COMMON_PASSWORDS = frozenset(
    {
        "password", "passw0rd", "p@ssword", "p@ssw0rd", "welcome", "qwerty", "qwertyuiop",
        "letmein", "iloveyou", "administrator", "changeme", "abc123", "abcd1234", "123456",
        "1234567890", "test1234", "secret", "monkey", "dragon", "football", "baseball",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Client:
    """A registered company: its account and its tenant.

    Attributes:
        email_key: The address as the unique index sees it; see `email_key_of`.
        secret_digest: What is kept of the API secret; see `caas.auth.domain.keys`.
        ip_whitelist: Canonical networks; empty allows every address.
        origin_whitelist: Canonical web origins; empty allows every caller.
    """

    id: ClientId
    tenant_id: TenantId
    company_name: str
    email: str
    email_key: str
    password_hash: str
    plan: Plan
    status: Status
    secret_digest: str
    primary: StoredKey | None
    secondary: StoredKey | None
    ip_whitelist: tuple[str, ...]
    origin_whitelist: tuple[str, ...]
    created_at_ms: int
    updated_at_ms: int

    def key_in(self, place: KeyPlace) -> StoredKey | None:
        """Return the key in that place."""
        return self.primary if place == "primary" else self.secondary

    def key_with(self, digest: str) -> StoredKey | None:
        """Return the live key with that digest, compared in constant time."""
        for key in (self.primary, self.secondary):
            if key is not None and same_digest(key.digest, digest):
                return key
        return None


def parse_email(text: str, *, testing: bool, path: str = "email") -> str:
    """Return the address with its domain in normal form; no name server is asked.

    Args:
        text: As typed.
        testing: Whether addresses below `.test` are good; mail can't reach them (RFC 6761 6.2).
        path: Where it stands in the request.

    Raises:
        FieldInvalidError: It is no address that mail could reach (RFC 5322).
    """
    if len(text) > EMAIL_MAX_CHARS:
        raise FieldInvalidError(path, f"at most {EMAIL_MAX_CHARS} characters")
    try:
        found = validate_email(
            text, check_deliverability=False, strict=True, test_environment=testing
        )
    except EmailNotValidError as error:
        raise FieldInvalidError(path, "not an e-mail address") from error
    return found.normalized


def email_key_of(email: str) -> str:
    """Return what makes two spellings of an address one account.

    RFC 5321 lets the local part be case-sensitive; no provider people use does that, and two
    accounts that differ by case only are a way to impersonate.
    """
    return unicodedata.normalize("NFKC", email).casefold()


def check_password(password: str, *, email: str) -> None:
    """Refuse a password that is easy to guess.

    Raises:
        FieldInvalidError: Too short or long, too uniform, common, or made of the address.
    """
    if len(password) < PASSWORD_MIN_CHARS:
        raise FieldInvalidError("password", f"at least {PASSWORD_MIN_CHARS} characters")
    if len(password) > PASSWORD_MAX_CHARS:
        raise FieldInvalidError("password", f"at most {PASSWORD_MAX_CHARS} characters")
    if not _THREE_KINDS.search(password):
        raise FieldInvalidError(
            "password", "use three of: small letters, capitals, digits, other characters"
        )
    folded = password.casefold()
    if folded.strip("0123456789!@#$%^&*?._- ") in _COMMON_PASSWORDS | {""}:
        raise FieldInvalidError("password", "too common")
    local_part = email.partition("@")[0].casefold()
    if local_part == folded or email.casefold() in folded:
        raise FieldInvalidError("password", "must not be the e-mail address")


def parse_name(text: str, *, path: str, max_chars: int) -> str:
    """Return a display name without surrounding space, in NFC.

    Raises:
        FieldInvalidError: It is empty, too long, or holds control characters.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise FieldInvalidError(path, "must not be empty")
    if len(name) > max_chars:
        raise FieldInvalidError(path, f"at most {max_chars} characters")
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in name):
        raise FieldInvalidError(path, "must not hold control characters")
    return name
