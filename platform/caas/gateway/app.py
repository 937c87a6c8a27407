"""Composition root of the gateway: the only module that knows every part."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

import msgspec
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from caas.contracts.auth.api import Plan
from caas.contracts.auth.identity import (
    JWKS_PATH,
    Jwks,
    PublicJwk,
    RevocationEvent,
    SigningKeysChanged,
    TenantChanged,
)
from caas.gateway.clients import AuthClient, Upstream
from caas.gateway.operations.auth import AUTH
from caas.gateway.operations.table import OperationTable
from caas.gateway.ports import AuthService
from caas.gateway.routes.admission import Admission, provide_principal
from caas.gateway.routes.openapi import passed_on
from caas.gateway.routes.own import keys_router, open_app_session, ping, tenant_router
from caas.gateway.routes.proxy import Proxy
from caas.gateway.service.credentials import Credentials
from caas.gateway.service.plans import Plans
from caas.gateway.service.tenants import TenantService
from caas.gateway.settings import SERVICE, GatewayKnobs, GatewaySettings
from caas.gateway.store import MongoSettingsStore
from caas.kernel.clock import Clock, SystemClock
from caas.kernel.errors import UnavailableError
from caas.kernel.ids import new_id
from caas.runtime.calls.breaker import BreakerPolicy, CircuitBreaker
from caas.runtime.calls.breaker import State as BreakerState
from caas.runtime.calls.client import ClientLimits, HttpClient
from caas.runtime.data.mongo import open_mongo, ping_mongo
from caas.runtime.data.redis import open_redis, ping_redis
from caas.runtime.http.app import create_service_app
from caas.runtime.http.edge.layer import Edge
from caas.runtime.http.fast import FastRequest, FastResponse
from caas.runtime.http.idempotency import Idempotency
from caas.runtime.identity.revocation import RevocationFeed, RevocationLog
from caas.runtime.identity.tokens import KeySet, TokenVerifier
from caas.runtime.ratelimit import Limit, RateLimiter
from caas.runtime.settings import RuntimeSettings
from caas.runtime.tasks import end_tasks
from caas_observability.setup.logs import get_logger

KEYS_RELOADED_S = 60.0
FEED_AWAITED_S = 1.0  # at the start, so that the first request finds an answer
SHUTDOWN_GRACE_S = 2.0

_log = get_logger("caas.gateway")

Probe = Callable[[], Awaitable[None]]


class _Running:
    """The parts of one running gateway; opened in the lifespan, so after the fork."""

    def __init__(self, runtime: RuntimeSettings, settings: GatewaySettings, clock: Clock) -> None:
        knobs = settings.knobs
        secret = runtime.service_secret
        self.mongo = open_mongo(runtime.mongodb_uri, app_name=SERVICE.name)
        self.redis = open_redis(runtime.redis_url, client_name=SERVICE.name)
        self.client = HttpClient(settings.auth_url, limits=_client_limits(knobs))
        upstream = Upstream(self.client, _breaker("auth-service", knobs))
        self.auth: AuthService = AuthClient(upstream, secret)
        self.log = RevocationLog()
        self.feed = RevocationFeed(self.redis, self.log)
        self.keys = KeySet(self._fetch_keys)
        self.plans = Plans(self.auth, knobs.plan_cached_s)
        self.limiter = RateLimiter(
            self.redis,
            instance=new_id(),
            local_share=1 / max(1, knobs.instances),
            answer_max_s=knobs.redis_answer_s,
            on_change=_limiter_changed,
        )
        verifier = TokenVerifier(self.keys, self.log, clock, verified_max=runtime.token_cache_max)
        self.admission = Admission(
            Credentials(verifier, self.auth, self.plans),
            self.limiter,
            _limits(knobs),
            Limit(knobs.limit_anonymous_requests, knobs.rate_window_s),
        )
        store = MongoSettingsStore.of(self.mongo[runtime.mongodb_database])
        self.tenants = TenantService(self.auth, store, clock)
        self.idempotency = Idempotency(self.redis, secret=secret, principal=self.admission.identify)
        self.proxy = Proxy(
            OperationTable(),
            self.admission,
            {AUTH.service: upstream},
            service_secret=secret,
            total_s=knobs.upstream_total_s,
        )
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to follow what the others announce; whoever is not up yet is awaited later."""
        self.feed.subscribe(self._on_event)
        await self.feed.start()
        await self.feed.wait_live(FEED_AWAITED_S)
        self._spawn(self._reload_keys_for_ever())

    async def stop(self) -> None:
        """Let what is under way end, and close everything."""
        await self.feed.stop()
        if not await end_tasks(self._tasks):
            _log.warning("background work does not end; going on without it")
        await self.client.aclose(grace_s=SHUTDOWN_GRACE_S)
        await self.redis.aclose()
        await self.mongo.close()

    def probes(self) -> Mapping[str, Probe]:
        """Return what readiness depends on.

        The auth service is not among it: a gateway that answers 503 for it is of more use
        than one that nobody can reach.
        """
        return {
            "mongodb": lambda: ping_mongo(self.mongo),
            "redis": lambda: ping_redis(self.redis),
            "revocations": self.feed.probe,
        }

    async def _fetch_keys(self) -> Sequence[PublicJwk]:
        answer = await self.client.fetch(b"GET", JWKS_PATH.encode(), route=JWKS_PATH)
        try:
            return msgspec.json.decode(answer.body, type=Jwks).keys
        except msgspec.MsgspecError as error:
            raise UnavailableError("The key set can't be read") from error

    async def _reload_keys_for_ever(self) -> None:
        while True:
            await self._load_keys()
            await asyncio.sleep(KEYS_RELOADED_S)

    async def _load_keys(self) -> None:
        try:
            await self.keys.load()
        except UnavailableError as error:
            _log.warning("the key set was not loaded", cause=type(error).__name__)

    def _on_event(self, event: RevocationEvent) -> None:
        if isinstance(event, SigningKeysChanged):
            self._spawn(self._load_keys())
        elif isinstance(event, TenantChanged):
            self.plans.forget(event.tenant_id)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _client_limits(knobs: GatewayKnobs) -> ClientLimits:
    return ClientLimits(
        connections_max=knobs.upstream_connections_max,
        connect_s=knobs.upstream_connect_s,
        first_byte_s=knobs.upstream_total_s,
        total_s=knobs.upstream_total_s,
    )


def _breaker(name: str, knobs: GatewayKnobs) -> CircuitBreaker:
    policy = BreakerPolicy(
        failures_max=knobs.breaker_failures_max,
        open_s=knobs.breaker_open_s,
        open_max_s=knobs.breaker_open_max_s,
    )
    return CircuitBreaker(name, policy, on_change=_circuit_changed)


def _circuit_changed(name: str, state: BreakerState) -> None:
    _log.warning("circuit changed", upstream=name, state=state)


def _limiter_changed(degraded: bool) -> None:  # noqa: FBT001 - the limiter's own signature
    if degraded:
        _log.warning("rate limits are counted by this instance alone: Redis is away")
    else:
        _log.info("rate limits are shared again")


def _limits(knobs: GatewayKnobs) -> dict[Plan, Limit]:
    window_s = knobs.rate_window_s
    return {
        "free": Limit(knobs.limit_free_requests, window_s),
        "business": Limit(knobs.limit_business_requests, window_s),
        "enterprise": Limit(knobs.limit_enterprise_requests, window_s),
    }


async def _provide_tenants(state: State) -> TenantService:
    tenants: TenantService = state.tenants
    return tenants


def create_app(
    settings: GatewaySettings | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Edge:
    """Build the ASGI app; connects to nothing before its lifespan starts.

    Args:
        settings: By default read from *environ*.
        environ: By default the process's.
        clock: By default the machine's.

    Raises:
        SettingsError: The environment does not describe a service that may start.
    """
    env = os.environ if environ is None else environ
    runtime = RuntimeSettings.from_env(env)
    own = settings or GatewaySettings.from_env(env)
    running: list[_Running] = []

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        parts = _Running(runtime, own, clock or SystemClock())
        running[:] = [parts]
        app.state.admission = parts.admission
        app.state.tenants = parts.tenants
        try:
            await parts.start()
            yield
        finally:
            await parts.stop()

    def probes() -> Mapping[str, Probe]:
        return running[0].probes()

    async def pass_on(request: FastRequest) -> FastResponse:
        return await running[0].proxy(request)

    edge = create_service_app(
        SERVICE,
        [ping, tenant_router, keys_router, open_app_session],
        version=version("caas"),
        environ=env,
        lifespan=lifespan,
        dependencies={
            "principal": Provide(provide_principal),
            "tenants": Provide(_provide_tenants),
        },
        readiness=probes,
        proxy=dict.fromkeys(OperationTable().prefixes, pass_on),
        idempotency=lambda: running[0].idempotency,
        style="gateway",
        openapi_extra=passed_on,
    )
    edge.routes.add_lookup(OperationTable().methods)
    return edge
