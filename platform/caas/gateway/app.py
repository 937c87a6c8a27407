"""Composition root of the gateway: the only module that knows every part."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from litestar.di import Provide

from caas.contracts.auth.identity import RevocationEvent, TenantChanged
from caas.gateway.clients import AuthClient, open_upstream
from caas.gateway.operations.auth import AUTH
from caas.gateway.operations.table import OperationTable
from caas.gateway.routes.admission import Admission, provide_principal
from caas.gateway.routes.openapi import passed_on
from caas.gateway.routes.own import keys_router, open_app_session, ping, tenant_router
from caas.gateway.routes.proxy import Proxy
from caas.gateway.service.credentials import Credentials
from caas.gateway.service.plans import Plans
from caas.gateway.service.tenants import TenantService
from caas.gateway.settings import SERVICE, GatewaySettings
from caas.gateway.store import MongoSettingsStore
from caas.kernel.ids import new_id
from caas.runtime.identity.key_source import fetch_key_set
from caas.runtime.identity.tokens import KeySet
from caas.runtime.ratelimit import RateLimiter
from caas.runtime.service import Runtime, Service
from caas_observability.setup.logs import get_logger

SHUTDOWN_GRACE_S = 2.0

_log = get_logger("caas.gateway")


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """What the gateway's edges need."""

    admission: Admission
    tenants: TenantService
    proxy: Proxy


async def compose(runtime: Runtime, settings: GatewaySettings) -> GatewayParts:
    """Make the parts; the services behind may come later.

    Readiness does not depend on them: a gateway that answers 503 for one is of more use than
    one that nobody can reach.
    """
    knobs, secret = settings.knobs, runtime.settings.service_secret
    upstream = open_upstream(AUTH.service, settings.auth_url, knobs)
    runtime.closing.push_async_callback(upstream.client.aclose, grace_s=SHUTDOWN_GRACE_S)
    auth = AuthClient(upstream, secret)
    plans = Plans(auth, knobs.plan_cached_s)
    keys = KeySet(partial(fetch_key_set, upstream.client))
    limiter = RateLimiter(
        runtime.redis,
        instance=new_id(),
        local_share=1 / max(1, knobs.instances),
        answer_max_s=knobs.redis_answer_s,
        on_change=_limiter_changed,
    )
    admission = Admission(
        Credentials(runtime.verifier(keys), auth, plans),
        limiter,
        knobs.limits_by_plan,
        knobs.limit_anonymous,
    )
    await runtime.follow_revocations(keys, on_event=_forgets_changed(plans))
    return GatewayParts(
        admission,
        TenantService(auth, MongoSettingsStore.of(runtime.database), runtime.clock),
        Proxy(
            OperationTable(),
            admission,
            {AUTH.service: upstream},
            service_secret=secret,
            total_s=knobs.upstream_total_s,
        ),
    )


def _forgets_changed(plans: Plans) -> Callable[[RevocationEvent], None]:
    def on_event(event: RevocationEvent) -> None:
        if isinstance(event, TenantChanged):
            plans.forget(event.tenant_id)

    return on_event


def _limiter_changed(degraded: bool) -> None:  # noqa: FBT001 - the limiter's own signature
    if degraded:
        _log.warning("rate limits are counted by this instance alone: Redis is away")
    else:
        _log.info("rate limits are shared again")


GATEWAY = Service(
    spec=SERVICE,
    settings=GatewaySettings.from_env,
    compose=compose,
    routers=[ping, tenant_router, keys_router, open_app_session],
    provides={"admission": lambda parts: parts.admission, "tenants": lambda parts: parts.tenants},
    dependencies={"principal": Provide(provide_principal)},
    proxy=lambda parts: dict.fromkeys(OperationTable().prefixes, parts.proxy),
    methods_of=OperationTable().methods,
    principal=lambda parts: parts.admission.identify,
    style="gateway",
    openapi_extra=passed_on,
)
create_app = GATEWAY.create_app
