"""The one way to build a service: routes in, a complete ASGI application out."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from caas.runtime.http.health import Health, Probes, health_routes
from caas.runtime.http.idempotency import Idempotency
from caas.runtime.http.openapi import JSON_PATH, PAGE_PATH, Extra, build_document, encode_document
from caas.runtime.http.problems import Style, problem_handler
from caas.runtime.http.strict_body import StrictRequest
from caas.runtime.identity.peers import PeerTrust
from caas.runtime.settings import RuntimeSettings
from caas_observability.setup.process import configure

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]
FastRoutes = Callable[[], Mapping[tuple[str, str], FastHandler]]


def create_service_app(  # noqa: PLR0913 - the whole of a service, by keyword
    spec: ServiceSpec,
    routers: Sequence[ControllerRouterHandler],
    *,
    version: str,
    environ: Mapping[str, str],
    lifespan: Lifespan,
    dependencies: Mapping[str, Provide],
    readiness: Probes,
    fast_routes: FastRoutes = dict,
    proxy: Mapping[str, RawHandler] | None = None,
    idempotency: Callable[[], Idempotency | None] = lambda: None,
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
        lifespan: Opens the service's clients and puts them where its routes find them.
        dependencies: Litestar dependencies of every route.
        readiness: Called once the lifespan runs; name of a dependency -> probe that raises
            when it is down.
        fast_routes: Called once the lifespan runs; hot paths that skip Litestar and behave as
            the documented route does.
        proxy: Path prefix -> handler of everything below it.
        idempotency: Called once the lifespan runs; serves the routes declared idempotent.
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
    health = Health(name, version, readiness, clock or SystemClock())
    routes = [*routers, *health_routes(health, trust, style)]

    def allow(path: str) -> bytes:
        return edge.allow(path)

    def install() -> None:
        edge.install(fast_routes(), idempotency())

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
        proxy=proxy or {},
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
    return edge


def _running(
    spec: ServiceSpec,
    version: str,
    environ: Mapping[str, str],
    lifespan: Lifespan,
    install: Callable[[], None],
) -> Lifespan:
    """Run the service's own lifespan between the start and the last export of its telemetry."""

    @asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        telemetry = configure(spec.name, version, environ)
        telemetry.start()
        try:
            async with lifespan(app):
                install()
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
