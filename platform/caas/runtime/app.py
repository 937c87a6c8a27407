"""The one way to build a service: routes in, a complete ASGI application out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from caas.contracts.services import ServiceSpec
from caas.runtime.cors import CorsPolicy
from caas.runtime.edge import Edge, EdgeOptions
from caas.runtime.fast import FastHandler, RawHandler
from caas.runtime.peers import PeerTrust
from caas.runtime.problems import Style, problem_handler
from caas.runtime.routing import AllowedMethods
from caas.runtime.settings import RuntimeSettings
from caas_observability.setup import configure

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]
Probe = Callable[[], Awaitable[None]]
FastRoutes = Callable[[], Mapping[tuple[str, str], FastHandler]]


def create_service_app(
    spec: ServiceSpec,
    routers: Sequence[ControllerRouterHandler],
    *,
    version: str,
    environ: Mapping[str, str],
    lifespan: Lifespan,
    dependencies: Mapping[str, Provide],
    readiness: Callable[[], Mapping[str, Probe]],
    fast_routes: FastRoutes = dict,
    proxy: Mapping[str, RawHandler] | None = None,
    style: Style = "service",
    openapi_extra: Mapping[str, Any] | None = None,
) -> Edge:
    """Build a service's ASGI application; opens nothing before the lifespan starts.

    Args:
        spec: What the service is called.
        routers: Its routes, documented at `/documentation`.
        version: Shown in the document and in telemetry.
        environ: The environment; see `RuntimeSettings` and `caas_observability.setup`.
        lifespan: Opens the service's clients and puts them where its routes find them.
        dependencies: Litestar dependencies of every route.
        readiness: Called once the lifespan runs; name of a dependency -> probe that raises
            when it is down.
        fast_routes: Called once the lifespan runs; hot paths that skip Litestar and behave as
            the documented route does.
        proxy: Path prefix -> handler of everything below it.
        style: `gateway` adds the seed gateway's members to problem documents.
        openapi_extra: Merged into the OpenAPI document.

    Raises:
        SettingsError: The environment does not describe a service that may start.
    """
    settings = RuntimeSettings.from_env(environ)
    trust = PeerTrust(settings.trusted_proxies, settings.service_secret)

    @asynccontextmanager
    async def run(app: Litestar) -> AsyncIterator[None]:
        telemetry = configure(spec.name, version, environ)
        telemetry.start()
        try:
            async with lifespan(app):
                routes = fast_routes()
                edge.install_fast_routes(routes)
                edge.allowed.add_fast(routes)
                yield
        finally:
            await telemetry.shutdown()

    litestar = Litestar(
        list(routers),
        dependencies=dict(dependencies),
        exception_handlers={Exception: problem_handler(style, lambda path: edge.allow(path))},
        lifespan=[run],
        logging_config=None,
        openapi_config=None,
        request_max_body_size=None,  # the edge has read and limited the body
    )
    edge = Edge(
        litestar,
        EdgeOptions(
            trust=trust,
            cors=CorsPolicy(settings.cors_origins),
            style=style,
            log_all=settings.access_log == "all",
        ),
        allowed=AllowedMethods(litestar),
        proxy=proxy or {},
    )
    return edge
