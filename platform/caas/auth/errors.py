"""What can go wrong with accounts, keys, sessions and tokens."""

from typing import ClassVar

from caas.kernel.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
)


class EmailTakenError(ConflictError):
    """The address has an account already (seed case 14)."""

    code = "auth.email_taken"

    def __init__(self) -> None:
        super().__init__("Email already registered")


class FieldInvalidError(InvalidInputError):
    """One member of the request breaks a rule that its type can't express."""

    code = "auth.field_invalid"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}", errors=((path, message),))


class CredentialsInvalidError(UnauthenticatedError):
    """Unknown address or wrong password; which of them is not told."""

    code = "auth.credentials_invalid"

    def __init__(self) -> None:
        super().__init__("Invalid email or password")


class TooManyAttemptsError(RateLimitedError):
    """Too many wrong passwords lately."""

    code = "auth.too_many_attempts"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("Too many failed attempts", retry_after_s=retry_after_s)


class ApiKeyMissingError(UnauthenticatedError):
    """The request has no `x-api-key` (seed case 21)."""

    code = "auth.api_key_missing"

    def __init__(self) -> None:
        super().__init__("API key is required in x-api-key header")


class ApiKeyInvalidError(UnauthenticatedError):
    """No live key is spelt like this (seed case 18)."""

    code = "auth.api_key_invalid"
    members: ClassVar[dict[str, object]] = {"valid": False}

    def __init__(self) -> None:
        super().__init__("Invalid API key")


class AppCredentialsInvalidError(UnauthenticatedError):
    """Unknown app id or wrong secret; which of them is not told."""

    code = "auth.app_credentials_invalid"

    def __init__(self) -> None:
        super().__init__("Invalid app credentials")


class AddressNotAllowedError(ForbiddenError):
    """The key is good and may not be used from this address."""

    code = "auth.address_not_allowed"
    members: ClassVar[dict[str, object]] = {"valid": False}

    def __init__(self) -> None:
        super().__init__("IP address not allowed")


class OriginNotAllowedError(ForbiddenError):
    """The key is good and may not be used from this web origin."""

    code = "auth.origin_not_allowed"
    members: ClassVar[dict[str, object]] = {"valid": False}

    def __init__(self) -> None:
        super().__init__("Origin not allowed")


class PermissionMissingError(ForbiddenError):
    """The credential is good and does not hold what this takes."""

    code = "auth.permission_missing"

    def __init__(self, permission: str) -> None:
        super().__init__(f"Missing permission: {permission}")


class ScopesExceededError(ForbiddenError):
    """A key would hold more than its maker does."""

    code = "auth.scopes_exceeded"

    def __init__(self, scopes: tuple[str, ...]) -> None:
        super().__init__(f"You do not hold: {', '.join(scopes)}")


class TokenRefusedError(UnauthenticatedError):
    """A token check failed (seed cases 24 and 121)."""

    code = "auth.token_refused"
    members: ClassVar[dict[str, object]] = {"valid": False}


class RefreshTokenInvalidError(UnauthenticatedError):
    """The refresh token buys nothing: forged, expired, ended, or used before."""

    code = "auth.refresh_token_invalid"

    def __init__(self) -> None:
        super().__init__("Invalid refresh token")


class ClientNotFoundError(NotFoundError):
    """No account by that id for this caller."""

    code = "auth.client_not_found"

    def __init__(self) -> None:
        super().__init__("Client not found")


class TenantNotFoundError(NotFoundError):
    """No tenant by that id."""

    code = "auth.tenant_not_found"

    def __init__(self) -> None:
        super().__init__("Tenant not found")


class SessionNotFoundError(NotFoundError):
    """The caller has no open session by that id."""

    code = "auth.session_not_found"

    def __init__(self) -> None:
        super().__init__("Session not found")


class ApiKeyNotFoundError(NotFoundError):
    """The tenant has no such key."""

    code = "auth.api_key_not_found"

    def __init__(self) -> None:
        super().__init__("API key not found")


class EntryNotFoundError(NotFoundError):
    """The whitelist has no such entry."""

    code = "auth.whitelist_entry_not_found"

    def __init__(self) -> None:
        super().__init__("Whitelist entry not found")


class NoSecondaryKeyError(ConflictError):
    """There is nothing to promote."""

    code = "auth.no_secondary_key"

    def __init__(self) -> None:
        super().__init__("No secondary key to promote; rotate first")


class NoSuchKeyError(ConflictError):
    """The account holds no key in that place at present."""

    code = "auth.no_such_key"

    def __init__(self, place: str) -> None:
        super().__init__(f"No {place} key to revoke")


class ListFullError(ConflictError):
    """A bounded list has no room for one more entry."""

    code = "auth.list_full"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"At most {limit} {what}")


class RotationTooSoonError(ConflictError):
    """A signing key that was just published is not in use yet."""

    code = "auth.rotation_too_soon"

    def __init__(self) -> None:
        super().__init__("The last rotation has not taken effect yet")
