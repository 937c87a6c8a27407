"""Composition root of the auth service: the only module that knows every part."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide

from caas.auth.ports import LoginLimiter
from caas.auth.routes import clients, internal, jwks, sdk, users
from caas.auth.routes.introspection import INTROSPECTION, introspection
from caas.auth.service.accounts import Accounts
from caas.auth.service.keys.account import AccountKeys
from caas.auth.service.keys.check import KeyCheck
from caas.auth.service.keys.named import NamedKeys
from caas.auth.service.keys.uses import FLUSH_INTERVAL_S, KeyUses
from caas.auth.service.passwords import ArgonHasher
from caas.auth.service.profiles import Profiles
from caas.auth.service.services import AuthServices
from caas.auth.service.sessions.checks import Checks
from caas.auth.service.sessions.endings import RELAY_INTERVAL_S, Endings
from caas.auth.service.sessions.sdk import SdkSessions
from caas.auth.service.sessions.signing import RELOAD_INTERVAL_S, SigningKeys
from caas.auth.service.tenants import Tenants
from caas.auth.service.whitelists import Whitelists
from caas.auth.settings import SERVICE, AuthSettings
from caas.auth.store.clients import MongoClientStore
from caas.auth.store.documents import open_collections
from caas.auth.store.keys import MongoKeyUseStore, MongoNamedKeyStore
from caas.auth.store.login_limits import LoginLimits, RedisLoginLimiter
from caas.auth.store.sessions import MongoSessionStore
from caas.auth.store.signing_keys import MongoSigningKeyStore
from caas.auth.store.users import MongoUserStore
from caas.contracts.auth.identity import RevocationEvent, SigningKeysChanged
from caas.kernel.clock import Clock, SystemClock
from caas.kernel.errors import UnavailableError
from caas.runtime.data.mongo import open_mongo, ping_mongo
from caas.runtime.data.redis import open_redis, ping_redis
from caas.runtime.http.app import create_service_app
from caas.runtime.http.edge.layer import Edge
from caas.runtime.http.fast import FastHandler
from caas.runtime.http.idempotency import Idempotency
from caas.runtime.identity.revocation import RevocationFeed, RevocationLog, RevocationPublisher
from caas.runtime.identity.service_secret import ServiceSecret
from caas.runtime.identity.tokens import KeySet, TokenVerifier
from caas.runtime.settings import RuntimeSettings
from caas.runtime.tasks import end_tasks
from caas_observability.setup.logs import get_logger

FEED_AWAITED_S = 1.0  # so that the first look finds it ready: "not yet" is kept for 0.5 s

_log = get_logger("caas.auth")

Probe = Callable[[], Awaitable[None]]


class _Running:
    """The parts of one running service; opened in the lifespan, so after the fork."""

    def __init__(self, runtime: RuntimeSettings, settings: AuthSettings, clock: Clock) -> None:
        self.mongo = open_mongo(runtime.mongodb_uri, app_name=SERVICE.name)
        self.redis = open_redis(runtime.redis_url, client_name=SERVICE.name)
        self.database = self.mongo[runtime.mongodb_database]
        self.idempotency = Idempotency(self.redis, secret=runtime.service_secret)
        self.log = RevocationLog()
        self.publisher = RevocationPublisher(self.redis)
        self.sessions = MongoSessionStore()
        self.endings = Endings(self.sessions, self.publisher, clock)
        self.feed = RevocationFeed(self.redis, self.log, on_resume=self.announce_again)
        knobs = settings.knobs
        self.signing = SigningKeys(
            MongoSigningKeyStore(),
            self.publisher,
            clock,
            pepper=settings.key_pepper,
            activation_delay_ms=knobs.key_activation_delay_ms,
        )
        self.keys = KeySet(self.signing.public_keys)
        self.uses = KeyUses(MongoKeyUseStore(), clock)
        self.hasher = ArgonHasher(
            threads=knobs.hashing_threads,
            memory_kib=knobs.argon2_memory_kib,
            passes=knobs.argon2_passes,
        )
        self.services = self._wire(runtime, settings, clock)
        self._tasks: set[asyncio.Task[None]] = set()

    def _wire(self, runtime: RuntimeSettings, settings: AuthSettings, clock: Clock) -> AuthServices:
        pepper, signing, publisher = settings.key_pepper, self.signing, self.publisher
        testing = runtime.environment == "development"
        client_store, user_store = MongoClientStore(), MongoUserStore()
        named_store, use_store = MongoNamedKeyStore(), MongoKeyUseStore()
        verifier = TokenVerifier(self.keys, self.log, clock, verified_max=runtime.token_cache_max)
        key_check = KeyCheck(client_store, named_store, self.uses, pepper)
        limiter: LoginLimiter = RedisLoginLimiter(
            self.redis, clock, _limits(settings), prefix=settings.knobs.redis_prefix
        )
        return AuthServices(
            accounts=Accounts(
                client_store, self.sessions, self.hasher, limiter, signing, clock, pepper, testing
            ),
            account_keys=AccountKeys(client_store, publisher, clock, pepper),
            key_check=key_check,
            named_keys=NamedKeys(client_store, named_store, use_store, publisher, clock, pepper),
            whitelists=Whitelists(client_store, publisher),
            tenants=Tenants(client_store, user_store, self.sessions, named_store, publisher, clock),
            sdk_sessions=SdkSessions(
                user_store,
                self.sessions,
                key_check,
                signing,
                verifier,
                self.endings,
                clock,
                testing,
            ),
            endings=self.endings,
            checks=Checks(self.sessions, verifier, clock),
            profiles=Profiles(user_store, clock),
            signing_keys=signing,
            secret=ServiceSecret(runtime.service_secret),
            verifier=verifier,
            clock=clock,
            socket_urls=settings.socket_urls,
        )

    async def start(self) -> None:
        """Open what must be there before the first request; what can't be is retried later."""
        try:
            await open_collections(self.database)
            await self.keys.load()
        except Exception:
            await self.stop()
            raise
        self.feed.subscribe(self._on_event)
        await self.feed.start()
        await self.feed.wait_live(FEED_AWAITED_S)
        self._run_every(FLUSH_INTERVAL_S, self.uses.flush)
        self._run_every(RELOAD_INTERVAL_S, self.keys.load)
        self._run_every(RELAY_INTERVAL_S, self._relay)

    async def stop(self) -> None:
        """Write what is pending and close everything."""
        await self.feed.stop()
        if not await end_tasks(self._tasks):
            _log.warning("background work does not end; going on without it")
        with contextlib.suppress(UnavailableError):
            await self.uses.flush()
        self.hasher.close()
        await self.redis.aclose()
        await self.mongo.close()

    def probes(self) -> Mapping[str, Probe]:
        """Return what readiness depends on."""
        return {
            "mongodb": lambda: ping_mongo(self.mongo),
            "redis": lambda: ping_redis(self.redis),
            "revocations": self.feed.probe,
        }

    async def announce_again(self) -> None:
        """Publish every end that still matters: Redis may have lost its data."""
        with contextlib.suppress(UnavailableError):
            await self.endings.relay(everything=True)

    async def _relay(self) -> None:
        await self.endings.relay()

    def _on_event(self, event: RevocationEvent) -> None:
        if isinstance(event, SigningKeysChanged):
            self._spawn(self.keys.load())

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except UnavailableError as error:
                _log.warning("background work postponed", cause=str(error))

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _run_every(self, interval_s: float, work: Callable[[], Awaitable[None]]) -> None:
        async def forever() -> None:
            while True:
                await asyncio.sleep(interval_s)
                try:
                    await work()
                except UnavailableError as error:
                    _log.warning("background work postponed", cause=str(error))

        self._spawn(forever())


def _limits(settings: AuthSettings) -> LoginLimits:
    knobs = settings.knobs
    return LoginLimits(
        window_s=knobs.login_window_s,
        pair_failures_max=knobs.login_pair_failures_max,
        address_failures_max=knobs.login_address_failures_max,
        account_failures_max=knobs.login_account_failures_max,
    )


async def _provide_auth(state: State) -> AuthServices:
    services: AuthServices = state.auth
    return services


def create_app(
    settings: AuthSettings | None = None,
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
    own = settings or AuthSettings.from_env(env)
    running: list[_Running] = []

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        parts = _Running(runtime, own, clock or SystemClock())
        async with AsyncExitStack() as stack:
            await parts.start()
            stack.push_async_callback(parts.stop)
            running[:] = [parts]
            app.state.auth = parts.services
            yield

    def probes() -> Mapping[str, Probe]:
        return running[0].probes()

    def idempotency() -> Idempotency:
        return running[0].idempotency

    def fast_routes() -> Mapping[tuple[str, str], FastHandler]:
        return {INTROSPECTION: introspection(running[0].services)}

    return create_service_app(
        SERVICE,
        [
            clients.router,
            sdk.router,
            users.profile_router,
            users.sessions_router,
            internal.router,
            jwks.get_key_set,
        ],
        version=version("caas"),
        environ=env,
        lifespan=lifespan,
        dependencies={"auth": Provide(_provide_auth)},
        readiness=probes,
        fast_routes=fast_routes,
        idempotency=idempotency,
        clock=clock,
    )
