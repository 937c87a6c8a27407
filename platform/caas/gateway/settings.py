"""Settings of the gateway, read once from the environment."""

from collections.abc import Mapping

import msgspec

from caas.contracts.auth.api import Plan
from caas.contracts.services import ServiceSpec
from caas.runtime.ratelimit import Limit
from caas.runtime.settings import read_section

SERVICE = ServiceSpec(
    name="gateway",
    app="caas.gateway.app:create_app",
    seed_port=3000,
    profiles=("caas", "all"),
    url_env="CAAS_GATEWAY_URL",
    front_door=True,
    secrets=("service_secret",),
)

PREFIX = "CAAS_GATEWAY_"


class GatewayKnobs(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may tune, each with its unit in its name.

    Attributes:
        rate_window_s: How long a rate limit's window is.
        limit_anonymous_requests: In a window, per client address (IPv6: per /64) without a
            credential, and for failed credentials.
        limit_free_requests: In a window, per tenant of that plan; the others likewise.
        instances: How many gateways run; while Redis is away each grants its part of a limit.
        redis_answer_s: How long Redis may take to answer for a rate limit.
        upstream_total_s: From a request to the last byte of a service's answer.
        upstream_connect_s: To an open connection.
        upstream_connections_max: Connections to one service.
        breaker_failures_max: Failures in a row that open a service's circuit.
        breaker_open_s: How long it stays open at first; up to `breaker_open_max_s`.
        plan_cached_s: How long a tenant's plan is believed without a word from the auth
            service, which announces changes at once.
    """

    rate_window_s: int = 60
    limit_anonymous_requests: int = 6_000
    limit_free_requests: int = 300
    limit_business_requests: int = 12_000
    limit_enterprise_requests: int = 120_000
    instances: int = 1
    redis_answer_s: float = 0.25
    upstream_total_s: float = 10.0
    upstream_connect_s: float = 1.0
    upstream_connections_max: int = 256
    breaker_failures_max: int = 5
    breaker_open_s: float = 1.0
    breaker_open_max_s: float = 8.0
    plan_cached_s: float = 60.0

    @property
    def limit_anonymous(self) -> Limit:
        """Return the limit of a client's address."""
        return Limit(self.limit_anonymous_requests, self.rate_window_s)

    @property
    def limits_by_plan(self) -> Mapping[Plan, Limit]:
        """Return the limit of a tenant by its plan."""
        return {
            "free": Limit(self.limit_free_requests, self.rate_window_s),
            "business": Limit(self.limit_business_requests, self.rate_window_s),
            "enterprise": Limit(self.limit_enterprise_requests, self.rate_window_s),
        }


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of the service.

    Attributes:
        auth_url: Where the auth service is, `http://host:port`.
    """

    auth_url: str = "http://127.0.0.1:3007"
    knobs: GatewayKnobs = GatewayKnobs()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "GatewaySettings":
        """Read `CAAS_AUTH_URL` and `CAAS_GATEWAY_*`.

        Raises:
            SettingsError: A value does not fit.
        """
        knobs = read_section(env, PREFIX, GatewayKnobs)
        return cls(auth_url=env.get("CAAS_AUTH_URL") or cls().auth_url, knobs=knobs)
