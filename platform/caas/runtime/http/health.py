"""Health, readiness and metrics of a service, in the seed's shapes (cases 1 to 10).

`/health` says that the process answers; `/internal/ready` that its dependencies do. What an
outsider could use to plan an attack (`detailed`, `metrics`) is for this machine and for callers
that show the service secret.
"""

import asyncio
import gc
import os
import resource
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ControllerRouterHandler

from caas.kernel import wire
from caas.kernel.clock import Clock, rfc3339
from caas.runtime.http.fast import FastRequest
from caas.runtime.http.operations import SERVICE_SECRET, Requirement, operation
from caas.runtime.http.problems import Style
from caas.runtime.identity.peers import PeerTrust, is_loopback, names_loopback
from caas.runtime.identity.service_secret import ServiceAuthenticationError
from caas.runtime.time_limit import TimeLimit
from caas_observability.setup import metrics

READY_PATH = "/internal/ready"
PROBE_MAX_S = 1.5
READY_CACHED_S = 0.5
_FORWARDING = (b"x-forwarded-for", b"forwarded", b"x-real-ip")

# An empty alternative: callers on this machine need no credential.
_INSIDERS: tuple[Requirement, ...] = (SERVICE_SECRET, {})
_FOR_INSIDERS = operation(ServiceAuthenticationError, security=_INSIDERS)
_READY_AGAIN_S = 1

Probe = Callable[[], Awaitable[None]]
Probes = Callable[[], Mapping[str, Probe]]
State = Literal["up", "down"]


class GatewayAlive(wire.Response, frozen=True, kw_only=True):
    """The gateway answers (seed case 1)."""

    status: Literal["ok"] = "ok"
    timestamp: wire.Timestamp


class Alive(wire.Response, frozen=True, kw_only=True):
    """The process answers (seed cases 2 and 4)."""

    status: Literal["ok", "healthy"]
    service: str
    timestamp: wire.Timestamp
    uptime: Annotated[float, msgspec.Meta(ge=0, description="Seconds since the start.")]


class Ready(wire.Response, frozen=True, kw_only=True):
    """Whether every dependency answers (seed case 3)."""

    status: Literal["healthy", "unhealthy"]
    service: str
    timestamp: wire.Timestamp
    dependencies: dict[str, State]


_UNREADY = ResponseSpec(Ready, description="A dependency is down.", generate_examples=False)


class DependencyCheck(wire.Response, frozen=True, kw_only=True):
    """One dependency, with how long its probe took."""

    status: State
    latency_ms: float


class Detailed(wire.Response, frozen=True, kw_only=True):
    """What operators look at first."""

    status: Literal["healthy", "unhealthy"]
    service: str
    version: str
    timestamp: wire.Timestamp
    uptime: float
    pid: int
    memory_peak_mb: float
    event_loop_lag_ms: float
    active_requests: int
    objects: int
    checks: dict[str, DependencyCheck]


class Health:
    """Knows how the service is; probes run side by side and are shared for a moment.

    Args:
        service: `service.name`.
        version: Of the service.
        probes: Called when first asked; name of a dependency -> probe that raises when down.
        clock: For timestamps.
    """

    def __init__(self, service: str, version: str, probes: Probes, clock: Clock) -> None:
        self.service = service
        self.version = version
        self._probes = probes
        self._clock = clock
        self._started_s = time.monotonic()
        self._checks: dict[str, DependencyCheck] = {}
        self._checked_s = float("-inf")
        self._running: asyncio.Task[dict[str, DependencyCheck]] | None = None

    def now(self) -> str:
        """Return the time as answers show it."""
        return rfc3339(self._clock.now_ms())

    def uptime_s(self) -> float:
        """Return how long the process runs, in seconds."""
        return round(time.monotonic() - self._started_s, 3)

    async def checks(self) -> dict[str, DependencyCheck]:
        """Return the state of each dependency, at most `READY_CACHED_S` old."""
        if time.monotonic() - self._checked_s < READY_CACHED_S:
            return self._checks
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._probe_all())
        # A caller that leaves must not take the others' answer with it.
        return await asyncio.shield(self._running)

    async def ready(self) -> Ready:
        """Say whether every dependency is up."""
        checks = await self.checks()
        states: dict[str, State] = {name: check.status for name, check in checks.items()}
        return Ready(
            status="healthy" if all(s == "up" for s in states.values()) else "unhealthy",
            service=self.service,
            timestamp=self.now(),
            dependencies=states,
        )

    async def detailed(self) -> Detailed:
        """Say all there is to say."""
        checks = await self.checks()
        before = time.perf_counter()
        await asyncio.sleep(0)
        return Detailed(
            status="healthy" if all(c.status == "up" for c in checks.values()) else "unhealthy",
            service=self.service,
            version=self.version,
            timestamp=self.now(),
            uptime=self.uptime_s(),
            pid=os.getpid(),
            memory_peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            event_loop_lag_ms=round((time.perf_counter() - before) * 1000, 3),
            active_requests=metrics.http_server.active,
            objects=sum(gc.get_count()),
            checks=checks,
        )

    async def _probe_all(self) -> dict[str, DependencyCheck]:
        try:
            probes = self._probes()
            found = await asyncio.gather(*(_probe(probe) for probe in probes.values()))
            self._checks = dict(zip(probes, found, strict=True))
            self._checked_s = time.monotonic()
            return self._checks
        finally:
            self._running = None


async def _probe(probe: Probe) -> DependencyCheck:
    started = time.perf_counter()
    state: State = "up"
    try:
        async with TimeLimit(PROBE_MAX_S):
            await probe()
    except Exception:  # noqa: BLE001 - whatever a driver raises means that it is down
        state = "down"
    return DependencyCheck(
        status=state, latency_ms=round((time.perf_counter() - started) * 1000, 3)
    )


def health_routes(
    health: Health, trust: PeerTrust, style: Style
) -> Sequence[ControllerRouterHandler]:
    """Return the routes; the gateway's `/health` is shorter, as the seed's is."""
    word: Literal["ok", "healthy"] = "ok" if style == "gateway" else "healthy"

    def alive() -> Alive:
        return Alive(
            status=word,
            service=health.service,
            timestamp=health.now(),
            uptime=health.uptime_s(),
        )

    @get("/health", tags=["health"], sync_to_thread=False, **operation())
    def get_health() -> Alive:
        """Say that the process answers."""
        return alive()

    @get("/health", tags=["health"], sync_to_thread=False, **operation())
    def get_gateway_health() -> GatewayAlive:
        """Say that the process answers."""
        return GatewayAlive(timestamp=health.now())

    @get("/internal/health", tags=["health"], sync_to_thread=False, **operation())
    def get_internal_health() -> Alive:
        """Say that the process answers, and since when."""
        return alive()

    @get(READY_PATH, tags=["health"], responses={503: _UNREADY}, **operation())
    async def get_ready() -> Response[Ready]:
        """Say whether every dependency answers."""
        ready = await health.ready()
        if ready.status == "healthy":
            return Response(ready)
        return Response(ready, status_code=503, headers={"retry-after": str(_READY_AGAIN_S)})

    first = get_gateway_health if style == "gateway" else get_health
    return [first, get_internal_health, get_ready, *_insiders_routes(health, trust)]


def _insiders_routes(health: Health, trust: PeerTrust) -> Sequence[ControllerRouterHandler]:
    @get("/internal/health/detailed", tags=["health"], **_FOR_INSIDERS)
    async def get_detailed(request: Request[Any, Any, Any]) -> Detailed:
        """Say all there is to say; for this machine and the platform's own services."""
        require_insider(request.scope["caas_request"], trust)  # type: ignore[typeddict-item]
        return await health.detailed()

    @get(
        "/internal/metrics",
        tags=["health"],
        media_type=MediaType.TEXT,
        sync_to_thread=False,
        **_FOR_INSIDERS,
    )
    def get_metrics(request: Request[Any, Any, Any]) -> Response[str]:
        """Return the metrics of this process in Prometheus' text format."""
        require_insider(request.scope["caas_request"], trust)  # type: ignore[typeddict-item]
        return Response(metrics.render().decode(), media_type=metrics.CONTENT_TYPE)

    return [get_detailed, get_metrics]


def require_insider(request: FastRequest, trust: PeerTrust) -> None:
    """Let only this machine and holders of the service secret pass.

    A proxy on this machine makes everybody's peer a loopback address, so forwarded requests
    don't count as local; nor do a browser's for a page whose name was made to mean this machine.

    Raises:
        ServiceAuthenticationError: Neither is the case.
    """
    fields = request.fields
    local = (
        is_loopback(request.peer)
        and names_loopback(fields.get(b"host", b""))
        and not any(name in fields for name in _FORWARDING)
    )
    if not local and not trust.shows_secret(request.fields):
        raise ServiceAuthenticationError
