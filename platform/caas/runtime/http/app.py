"""Routes in, a complete ASGI application out; what a service opens first is `runtime.service`."""

import gc
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from caas.contracts.services import ServiceSpec
from caas.kernel.clock import Clock, SystemClock
from caas.runtime.http.documentation import render_page
from caas.runtime.http.edge.cors import CorsPolicy
from caas.runtime.http.edge.layer import Edge, EdgeOptions
from caas.runtime.http.edge.routing import RouteTable
from caas.runtime.http.fast import FastHandler, FastRequest, FastResponse, RawHandler
from caas.runtime.http.health import Health, Probe, health_routes
from caas.runtime.http.idempotency import Idempotency
from caas.runtime.http.openapi import JSON_PATH, PAGE_PATH, Extra, build_document, encode_document
from caas.runtime.http.problems import Style, problem_handler
from caas.runtime.http.server import freeze_heap
from caas.runtime.http.strict_body import StrictRequest
from caas.runtime.identity.peers import PeerTrust
from caas.runtime.settings import RuntimeSettings
from caas_observability.setup.process import configure, preload

# Litestar imports its plug-ins with the first application that is made. Now is before `caas up`
# forks: once for all services, in pages that they share.
Litestar(openapi_config=None, logging_config=None)
preload(os.environ)

FastRoutes = Mapping[tuple[str, str], FastHandler]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What exists of a service only while it runs.

    Attributes:
        probes: Name of a dependency -> probe that raises when it is down.
        fast_routes: Hot paths that skip Litestar and behave as the documented route does.
        proxy: Path prefix -> handler of everything below it.
        idempotency: Serves the routes declared idempotent; None leaves the header alone.
    """

    probes: Mapping[str, Probe] = field(default_factory=dict)
    fast_routes: FastRoutes = field(default_factory=dict)
    proxy: Mapping[str, RawHandler] = field(default_factory=dict)
    idempotency: Idempotency | None = None


Lifespan = Callable[[Litestar], AbstractAsyncContextManager[Running]]
LitestarLifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]
MethodsOf = Callable[[str], Iterable[str]]


def create_service_app(  # noqa: PLR0913 - the whole of a service, by keyword
    spec: ServiceSpec,
    routers: Sequence[ControllerRouterHandler],
    *,
    version: str,
    environ: Mapping[str, str],
    lifespan: Lifespan,
    dependencies: Mapping[str, Provide],
    methods_of: MethodsOf | None = None,
    style: Style = "service",
    openapi_extra: Extra | None = None,
    repeatable_query: frozenset[str] = frozenset(),
    clock: Clock | None = None,
) -> Edge:
    """Build a service's ASGI application; opens nothing before the lifespan starts.

    Args:
        spec: What the service is called.
        routers: Its routes, documented at `/documentation`.
        version: Shown in the document and in telemetry.
        environ: The environment; see `RuntimeSettings` and `caas_observability.setup.process`.
        lifespan: Opens the service's clients, puts them where its routes find them, closes them.
        dependencies: Litestar dependencies of every route.
        methods_of: Lists the methods of a path that raw handlers serve.
        style: `gateway` adds the seed gateway's members to problem documents.
        openapi_extra: Returns parts to merge into the OpenAPI document.
        repeatable_query: Query parameters that are lists; any other may occur once.
        clock: Of the timestamps in health answers.

    Raises:
        SettingsError: The environment does not describe a service that may start.
    """
    settings = RuntimeSettings.from_env(environ)
    trust = PeerTrust(settings.trusted_proxies, settings.service_secret)

    name = environ.get("OTEL_SERVICE_NAME") or spec.name
    now = Running()
    health = Health(name, version, lambda: now.probes, clock or SystemClock())
    routes = [*routers, *health_routes(health, trust, style)]

    def allow(path: str) -> bytes:
        return edge.allow(path)

    def install(running: Running) -> None:
        nonlocal now
        now = running
        edge.install(running.fast_routes, running.proxy, running.idempotency)

    litestar = Litestar(
        routes,
        dependencies=dict(dependencies),
        exception_handlers={Exception: problem_handler(style, allow)},
        lifespan=[_running(spec, version, environ, lifespan, install)],
        logging_config=None,
        openapi_config=None,
        request_class=StrictRequest,
        request_max_body_size=None,  # the edge has read and limited the body
    )
    edge = Edge(
        litestar,
        EdgeOptions(
            trust=trust,
            cors=CorsPolicy(settings.cors_origins),
            style=style,
            log_all=settings.access_log == "all",
            repeatable_query=repeatable_query,
        ),
        routes=RouteTable(litestar),
        own_routes=documentation_routes(
            lambda: build_document(
                routes,
                title=spec.name,
                version=version,
                style=style,
                dependencies=dependencies,
                extra=openapi_extra,
                repeatable=repeatable_query,
            )
        ),
    )
    if methods_of is not None:
        edge.routes.add_lookup(methods_of)
    return edge


def _running(
    spec: ServiceSpec,
    version: str,
    environ: Mapping[str, str],
    lifespan: Lifespan,
    install: Callable[[Running], None],
) -> LitestarLifespan:
    """Run the service's own lifespan between the start and the last export of its telemetry."""

    @asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        telemetry = configure(spec.name, version, environ)
        try:
            async with lifespan(app) as running:
                install(running)
                if not gc.get_freeze_count():  # else `caas up` does it, for each process
                    freeze_heap()
                yield
        finally:
            await telemetry.shutdown()

    return run


def documentation_routes(build: Callable[[], dict[str, Any]]) -> dict[tuple[str, str], FastHandler]:
    """Serve the document that *build* returns, as JSON and as a page; it is built once."""

    @cache
    def texts() -> tuple[bytes, bytes]:
        document = build()
        return encode_document(document), render_page(document)

    async def serve_json(_: FastRequest) -> FastResponse:
        return FastResponse(200, ((b"content-type", b"application/json"),), texts()[0])

    async def serve_page(_: FastRequest) -> FastResponse:
        return FastResponse(200, ((b"content-type", b"text/html; charset=utf-8"),), texts()[1])

    return {("GET", JSON_PATH): serve_json, ("GET", PAGE_PATH): serve_page}
