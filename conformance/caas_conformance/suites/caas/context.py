"""What a case of this suite holds in its hands: the two services, tenants, the service secret."""

from functools import cached_property
from typing import ClassVar

from caas_conformance.authoring import CaseContext, Problems, ServiceClient
from caas_conformance.suites.caas import fixtures, greybox

SECRET_VARIABLE = "CAAS_SERVICE_SECRET"  # noqa: S105 - the variable's name
ALLOWED_ORIGIN = "https://app.conformance.example"
"""What a run's own platform lets browsers call from."""
SECRET_HEADER = "x-service-secret"  # noqa: S105 - the header's name


class CaasContext(CaseContext):
    """One attempt of one case against the platform."""

    PROBLEMS: ClassVar[Problems] = Problems("urn:caas:error:", {"error": str}, "path", "message")

    @property
    def auth(self) -> ServiceClient:
        """The auth service."""
        return self.service(fixtures.AUTH_SERVICE)

    @property
    def gateway(self) -> ServiceClient:
        """The gateway."""
        return self.service(fixtures.GATEWAY)

    @cached_property
    def tenants(self) -> fixtures.Tenants:
        """Registers tenants that no other attempt knows."""
        return fixtures.Tenants(self)

    @cached_property
    def insides(self) -> greybox.Insides:
        """What only the owner of the platform can see; skips the case elsewhere."""
        return greybox.Insides(self.own_state)

    def service_secret(self) -> dict[str, str]:
        """Return the header by which services trust each other.

        Raises:
            EnvironmentBrokenError: the target's secret is not known to the runner.
        """
        return {SECRET_HEADER: self.target_secret(SECRET_VARIABLE)}

    def email(self, name: str) -> str:
        """Return an e-mail address that nobody has registered yet."""
        return fixtures.fresh_email(self, name)

    def password(self) -> str:
        """Return a fresh strong password, known to the redaction."""
        return fixtures.fresh_password(self)
