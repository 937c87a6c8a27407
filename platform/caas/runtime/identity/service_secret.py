"""The shared secret between services (`x-service-secret`), compared in constant time."""

import hmac

from caas.kernel.errors import UnauthenticatedError

SERVICE_SECRET_HEADER = "x-service-secret"  # noqa: S105 - a header's name


class ServiceAuthenticationError(UnauthenticatedError):
    """The caller is not one of our services (seed cases 67 to 70)."""

    code = "service_authentication_failed"

    def __init__(self) -> None:
        super().__init__("Authentication failed: Invalid or missing service secret")


class ServiceSecret:
    """Recognises callers that know the secret; never shows it."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def matches(self, presented: str | bytes | None) -> bool:
        """Tell whether *presented* is the secret, in a time that does not depend on it."""
        if presented is None:
            return False
        given = presented if isinstance(presented, bytes) else presented.encode("utf-8", "replace")
        return hmac.compare_digest(given, self._secret)

    def require(self, presented: str | bytes | None) -> None:
        """Raise `ServiceAuthenticationError` unless *presented* is the secret."""
        if not self.matches(presented):
            raise ServiceAuthenticationError

    def __repr__(self) -> str:
        return "ServiceSecret(***)"
