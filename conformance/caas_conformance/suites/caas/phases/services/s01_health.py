"""S01: every service says, truthfully, whether it can work."""

import re
import time
from datetime import datetime
from functools import partial

from caas_conformance.authoring import (
    SHOULD,
    TIMESTAMP,
    Answer,
    Check,
    Phase,
    derived,
    one_of,
    pattern,
)
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "S01",
    "Health",
    "Probes that an operator or an orchestrator reads before anything else is tried.",
    tags=("health",),
)

CLOCK_SKEW_MAX_S = 60
READY_WITHIN_S = 5.0
OK = 200
PROBED_AGAIN = "a probe that ran into its time limit on a busy machine is asked again"
REQUEST_COUNT = re.compile(
    r"^http_server_request_duration_seconds_count(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE
)
CREDENTIALS = {
    "garbage-bearer": "Bearer garbage",
    "empty-bearer": "Bearer ",
    "jwt-like": "Bearer eyJhbGciOiJIUzI1NiJ9.invalid.payload",
    "basic": "Basic dXNlcjpwYXNz",
    "no-scheme": "just some words, = and ;",
    "long": "Bearer " + "a" * 3000,
}


def _says_now(check: Check, answer: Answer) -> None:
    """Assert that the body's time is the present, so that no canned answer will do."""
    check.matches(answer.at("timestamp"), TIMESTAMP)
    age = answer.at("timestamp").derive(
        "age_s", lambda text: abs(time.time() - datetime.fromisoformat(text).timestamp())
    )
    check.between(age, 0, CLOCK_SKEW_MAX_S)


@PHASE.case(
    "S01.01",
    "The gateway is alive",
    proves="The front door answers its liveness probe without any credential.",
    requirements=["HLT-01"],
    baseline=[1],
    tags=["gateway"],
)
async def gateway_alive(t: CaasContext) -> None:
    """Red when the probe needs a tenant, or answers from a cache."""
    answer = await t.gateway.get("/health")
    with t.check("alive", "the gateway says that it is healthy, now") as check:
        check.status(answer, 200)
        check.matches(answer.body, {"status": "ok"})
        _says_now(check, answer)


@PHASE.case(
    "S01.02",
    "Readiness names every dependency",
    proves="The gateway is ready only when the servers that it needs are up, and says which.",
    requirements=["HLT-03"],
    baseline=[3],
    tags=["gateway"],
    errors_logged_because=PROBED_AGAIN,
)
async def gateway_ready(t: CaasContext) -> None:
    """Red when readiness is a constant that knows no dependency."""
    answer = await t.until(
        lambda: t.gateway.get("/internal/ready"),
        lambda answer: answer.status == OK,
        within_s=READY_WITHIN_S,
    )
    with t.check("ready", "it is ready") as check:
        check.status(answer, 200)
        check.equal(answer.at("status"), "healthy")
        _says_now(check, answer)
    with t.check("dependencies-up", "every dependency it names is up") as check:
        dependencies = answer.at("dependencies")
        check.contains(dependencies, "redis")
        check.each(dependencies.derive("states", lambda d: list(d.values())), "up")
    with t.check("not-cached", "no cache may answer for it", level=SHOULD) as check:
        check.header(answer, "cache-control", "no-store")


@PHASE.case(
    "S01.03",
    "The auth service is alive and names itself",
    proves="The auth service answers its own liveness probe under its own name.",
    requirements=["HLT-01"],
    baseline=[4],
    tags=["auth"],
)
async def auth_alive(t: CaasContext) -> None:
    """Red when the name or the time is missing, as for most services in the seed report."""
    answer = await t.auth.get("/health")
    with t.check("alive", "it is healthy, says who it is and since when") as check:
        check.status(answer, 200)
        check.matches(answer.body, {"status": "healthy", "service": "auth-service"})
        check.between(answer.at("uptime"), 0, 366 * 86400)
        _says_now(check, answer)


@PHASE.case(
    "S01.04",
    "Internal health counts the seconds",
    proves="The gateway's internal health names the service, and its uptime grows.",
    requirements=["HLT-02"],
    baseline=[2],
    tags=["gateway"],
)
async def internal_health(t: CaasContext) -> None:
    """Red when uptime is a constant."""
    first = await t.gateway.get("/internal/health")
    with t.check("named", "it names the service") as check:
        check.status(first, 200)
        check.matches(first.body, {"status": "ok", "service": "gateway", "uptime": float})
        _says_now(check, first)
    start = first.at("uptime").value
    second = await t.until(
        lambda: t.gateway.get("/internal/health"),
        lambda answer: answer.at("uptime").value != start,
        within_s=1.0,
    )
    with t.check("grows", "a later uptime is above the first") as check:
        check.between(first.at("uptime"), 0.000_001, 366 * 86400)
        grown = second.at("uptime").derive("growth_s", lambda seconds: seconds - start)
        check.between(grown, 0.000_001, 3600)


@PHASE.case(
    "S01.05",
    "The auth service is ready when MongoDB and Redis are",
    proves="The auth service lists both of its servers with their state.",
    requirements=["HLT-03"],
    baseline=[4],
    tags=["auth"],
    errors_logged_because=PROBED_AGAIN,
)
async def auth_ready(t: CaasContext) -> None:
    """Red when a dependency is not probed."""
    answer = await t.until(
        lambda: t.auth.get("/internal/ready"),
        lambda answer: answer.status == OK,
        within_s=READY_WITHIN_S,
    )
    with t.check("ready", "it is ready, and both servers are up") as check:
        check.status(answer, 200)
        check.matches(
            answer.body,
            {
                "status": "healthy",
                "service": "auth-service",
                "dependencies": {"mongodb": "up", "redis": "up"},
            },
        )


@PHASE.case(
    "S01.06",
    "Detailed health shows each dependency's latency",
    proves="An operator sees for every service which dependency answers, and how fast.",
    requirements=["HLT-04"],
    baseline=[2, 3],
    errors_logged_because=PROBED_AGAIN,
)
async def detailed_health(t: CaasContext) -> None:
    """Red when a service leaves a dependency out or reports no latency."""
    secret = t.service_secret()
    for service in t.service_names:
        client = t.service(service)
        answer = await t.until(
            partial(client.get, "/internal/health/detailed", headers=secret),
            lambda answer: answer.at("status").value == "healthy",
            within_s=READY_WITHIN_S,
        )
        with t.check(f"detailed-{service}", f"{service} reports its dependencies") as check:
            check.status(answer, 200)
            check.matches(answer.body, {"status": "healthy", "service": service})
            states = answer.at("checks").derive("states", lambda found: list(found.values()))
            check.each(states, {"status": "up", "latency_ms": float})


@PHASE.case(
    "S01.07",
    "Metrics count requests",
    proves="Each service's Prometheus metrics grow with the requests that it answers.",
    requirements=["HLT-05"],
    tags=["telemetry"],
)
async def metrics_count(t: CaasContext) -> None:
    """Red when the histogram is exposed and never observed."""
    secret = t.service_secret()
    for service in t.service_names:
        client = t.service(service)
        before = await client.get("/internal/metrics", headers=secret)
        t.given(await client.get("/health"), 200, "send a request to count")
        after = await client.get("/internal/metrics", headers=secret)
        with t.check(f"counted-{service}", f"{service} counted the request between") as check:
            check.status(after, 200)
            check.header(after, "content-type", pattern(r"text/plain.*", "the Prometheus format"))
            grown = _requests_counted(after) - _requests_counted(before)
            check.between(derived("requests_counted", grown, of=[before, after]), 1, 1_000_000)


def _requests_counted(answer: Answer) -> float:
    text = answer.text.value
    found = REQUEST_COUNT.findall(text) if isinstance(text, str) else []
    return sum(map(float, found))


@PHASE.case(
    "S01.08",
    "Ping pongs",
    proves="The gateway's ping answers without a credential and names its version.",
    requirements=["HLT-07"],
    baseline=[11],
    tags=["gateway"],
)
async def ping(t: CaasContext) -> None:
    """Red when the body is another one."""
    answer = await t.gateway.get("/v1/ping")
    with t.check("pong", "it answers the pong of version 1") as check:
        check.status(answer, 200)
        check.equal(answer.at("message"), "pong from v1")


async def _ignores_credentials(t: CaasContext, path: str, member: str, expected: str) -> None:
    """Send every kind of Authorization value, a live token among them."""
    session = await (await t.tenants.register()).session()
    for name, value in (CREDENTIALS | {"live": session.bearer["authorization"]}).items():
        answer = await t.gateway.get(path, headers={"authorization": value})
        with t.check(f"ignored-{name}", f"200 with {name.replace('-', ' ')} credentials") as check:
            check.status(answer, 200)
            check.equal(answer.at(member), expected)


@PHASE.case(
    "S01.09",
    "Health ignores credentials",
    proves="A probe with a live, broken or foreign credential is answered like one without.",
    requirements=["HLT-06"],
    baseline=[75],
    tags=["gateway"],
)
async def health_ignores_credentials(t: CaasContext) -> None:
    """Red as the seed's gateway was: 404 for a user of a registered tenant."""
    await _ignores_credentials(t, "/health", "status", "ok")


@PHASE.case(
    "S01.10",
    "Ping ignores credentials",
    proves="A ping with a live, broken or foreign credential is answered like one without.",
    requirements=["HLT-06", "HLT-07"],
    baseline=[119],
    tags=["gateway"],
)
async def ping_ignores_credentials(t: CaasContext) -> None:
    """Red as the seed's gateway was: 404 for a user of a registered tenant."""
    await _ignores_credentials(t, "/v1/ping", "message", "pong from v1")


@PHASE.case(
    "S01.14",
    "Public health shows no insides",
    proves="What anybody may read about a service's health helps nobody to attack it.",
    requirements=["HLT-11"],
    baseline=[1, 4],
    tags=["security"],
)
async def health_shows_no_insides(t: CaasContext) -> None:
    """Red when an address, a credential or a driver's message stands in the answer."""
    for service in t.service_names:
        answer = await t.service(service).get("/health")
        with t.check(f"bare-{service}", f"{service} tells nothing of its servers") as check:
            check.status(answer, 200)
            check.matches(answer.at("status"), one_of("ok", "healthy"))
            for word in ("mongodb://", "redis://", "127.0.0.1", "password", "secret", "python"):
                check.lacks(answer.text, word)
