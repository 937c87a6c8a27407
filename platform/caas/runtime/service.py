"""What every composition root shares: a service is described once, opened after the fork, closed.

    AUDIT = Service(SERVICE, AuditSettings.from_env, open_audit, routers=[...], provides=...)
    create_app = AUDIT.create_app

`open_audit(runtime, settings)` makes the service's own parts out of what a `Runtime` has for
every service: clients of MongoDB and Redis, the revocations, background work, readiness.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from caas.contracts.auth.identity import RevocationEvent, SigningKeysChanged
from caas.contracts.services import ServiceSpec
from caas.kernel.clock import Clock, SystemClock
from caas.runtime.data.mongo import open_mongo, ping_mongo
from caas.runtime.data.redis import open_redis, ping_redis
from caas.runtime.http.app import FastRoutes, Running, create_service_app
from caas.runtime.http.edge.layer import Edge
from caas.runtime.http.fast import RawHandler
from caas.runtime.http.health import Probe
from caas.runtime.http.idempotency import Idempotency, Principal, principal_by_credentials
from caas.runtime.http.openapi import Extra
from caas.runtime.http.problems import Style
from caas.runtime.identity.revocation import RevocationFeed, RevocationLog, Subscriber
from caas.runtime.identity.tokens import KeySet, TokenVerifier
from caas.runtime.settings import RuntimeSettings
from caas.runtime.tasks import BackgroundTasks, Work

FEED_AWAITED_S = 1.0  # so that the first look finds it ready: "not yet" is kept for 0.5 s
KEYS_RELOADED_S = 30.0
RESUMED_WITHIN_S = 600.0  # all that may have to be published again

Settings = TypeVar("Settings")
Parts = TypeVar("Parts")


class Runtime:
    """What a service runs on; made in its lifespan, so after the fork.

    Attributes:
        settings: What the environment says to every service.
        mongo: A client; it connects on first use, as that of Redis does.
        database: The platform's in MongoDB.
        revocations: The sessions that ended lately; unknown until `follow_revocations`.
        tasks: Background work.
        probes: What readiness depends on: what the service needs, and what it adds here.
        closing: What the service opens besides; closed at the stop, last in first out, when
            nothing works in the background any more.
    """

    def __init__(self, spec: ServiceSpec, settings: RuntimeSettings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.mongo = open_mongo(settings.mongodb_uri, app_name=spec.name)
        self.database = self.mongo[settings.mongodb_database]
        self.redis = open_redis(settings.redis_url, client_name=spec.name)
        servers: dict[str, Probe] = {
            "mongodb": partial(ping_mongo, self.mongo),
            "redis": partial(ping_redis, self.redis),
        }
        self.probes: dict[str, Probe] = {name: servers[name] for name in spec.needs}
        self.revocations = RevocationLog()
        self.tasks = BackgroundTasks()
        self.closing = AsyncExitStack()
        self.closing.push_async_callback(self.mongo.close)
        self.closing.push_async_callback(self.redis.aclose)
        self._feed: RevocationFeed | None = None

    def verifier(self, keys: KeySet) -> TokenVerifier:
        """Return what recognises bearers of tokens that one of *keys* signed."""
        remembered_max = self.settings.token_cache_max
        return TokenVerifier(keys, self.revocations, self.clock, verified_max=remembered_max)

    async def follow_revocations(
        self, keys: KeySet, *, on_event: Subscriber | None = None, on_resume: Work | None = None
    ) -> None:
        """Keep `revocations` and *keys* up to date from now on; readiness then depends on it.

        Returns when the history has been read, or without it after `FEED_AWAITED_S`: whoever
        is not up yet is awaited later.

        Args:
            keys: Loaded now, when new ones are announced, and every `KEYS_RELOADED_S`.
            on_event: Called with every event; must not block or raise.
            on_resume: As of `RevocationFeed`; its failures are background work's.
        """

        def heard(event: RevocationEvent) -> None:
            if isinstance(event, SigningKeysChanged):
                self.tasks.spawn("load changed keys", keys.load)
            if on_event is not None:
                on_event(event)

        resume = on_resume and partial(
            self.tasks.attempt, "resume revocations", on_resume, within_s=RESUMED_WITHIN_S
        )
        self._feed = RevocationFeed(self.redis, self.revocations, on_resume=resume)
        self._feed.subscribe(heard)
        self.probes["revocations"] = self._feed.probe
        await self._feed.start()
        await self._feed.wait_live(FEED_AWAITED_S)
        self.tasks.spawn("load keys", keys.load)
        self.tasks.every(KEYS_RELOADED_S, "reload keys", keys.load)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what is under way, then close everything."""
        async with self.closing:
            if self._feed is not None:
                await self._feed.stop()
            await self.tasks.end()


@dataclass(frozen=True, kw_only=True)
class Service(Generic[Settings, Parts]):
    """One service: what it is called, what it opens, what it answers.

    Attributes:
        settings: Reads its own settings; raises `SettingsError`.
        compose: Makes its parts; what it opens it gives to `Runtime.closing`.
        routers: Its documented routes.
        provides: Name under which routes ask for a part -> that part, also in the app's state.
        dependencies: Litestar dependencies of every route beside those.
        fast_routes: Hot paths that skip Litestar and behave as the documented route does.
        proxy: Path prefix -> handler of everything below it.
        methods_of: Lists the methods of a path below such a prefix.
        principal: Names the caller for its idempotency keys.
        style: `gateway` adds the seed gateway's members to problem documents.
        openapi_extra: Returns parts to merge into the OpenAPI document.
        repeatable_query: Query parameters that are lists; any other may occur once.
    """

    spec: ServiceSpec
    settings: Callable[[Mapping[str, str]], Settings]
    compose: Callable[[Runtime, Settings], Awaitable[Parts]]
    routers: Sequence[ControllerRouterHandler]
    provides: Mapping[str, Callable[[Parts], object]] = field(default_factory=dict)
    dependencies: Mapping[str, Provide] = field(default_factory=dict)
    fast_routes: Callable[[Parts], FastRoutes] = lambda _: {}
    proxy: Callable[[Parts], Mapping[str, RawHandler]] = lambda _: {}
    methods_of: Callable[[str], Iterable[str]] | None = None
    principal: Callable[[Parts], Principal] = lambda _: principal_by_credentials
    style: Style = "service"
    openapi_extra: Extra | None = None
    repeatable_query: frozenset[str] = frozenset()

    def create_app(
        self,
        settings: Settings | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> Edge:
        """Build the ASGI application; it connects to nothing before its lifespan starts.

        Args:
            settings: By default read from *environ*.
            environ: By default the process's.
            clock: By default the machine's.

        Raises:
            SettingsError: The environment does not describe a service that may start.
        """
        env = os.environ if environ is None else environ
        shared = RuntimeSettings.from_env(env)
        own = self.settings(env) if settings is None else settings

        @asynccontextmanager
        async def lifespan(app: Litestar) -> AsyncIterator[Running]:
            async with Runtime(self.spec, shared, clock or SystemClock()) as runtime:
                parts = await self.compose(runtime, own)
                for name, part in self.provides.items():
                    app.state[name] = part(parts)
                yield self._running(runtime, parts)

        provided = {name: Provide(_from_state(name)) for name in self.provides}
        return create_service_app(
            self.spec,
            self.routers,
            version=version("caas"),
            environ=env,
            lifespan=lifespan,
            dependencies={**self.dependencies, **provided},
            methods_of=self.methods_of,
            style=self.style,
            openapi_extra=self.openapi_extra,
            repeatable_query=self.repeatable_query,
            clock=clock,
        )

    def _running(self, runtime: Runtime, parts: Parts) -> Running:
        secret, principal = runtime.settings.service_secret, self.principal(parts)
        return Running(
            probes=runtime.probes,
            fast_routes=self.fast_routes(parts),
            proxy=self.proxy(parts),
            idempotency=Idempotency(runtime.redis, secret=secret, principal=principal),
        )


def _from_state(name: str) -> Callable[[State], Awaitable[Any]]:
    async def provide(state: State) -> Any:
        return state[name]

    return provide
