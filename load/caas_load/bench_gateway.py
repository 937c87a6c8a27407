"""The gateway with authentication and rate limit: ours against @fastify/http-proxy."""

import urllib.request
from functools import partial
from pathlib import Path

from caas_load.generator import script
from caas_load.peers import peer, token
from caas_load.platform_under_test import platform_up
from caas_load.processes import free_port, running
from caas_load.rounds import Result, interleave
from caas_load.sampling import sample
from caas_load.servers import service_command

TOKENS = 200
PATH = "/v1/sessions"
RATE_LIMIT = 100_000_000  # never reached: both count every request, neither refuses one


def run(directory: Path, *, rounds: int, seconds: float) -> Result:
    """Measure and return every round; the peer is the reference."""
    result = Result("Gateway", "requests", "fastify", {"ours": 1.0})
    with platform_up(directory / "state") as platform:

        def requests(name: str, tokens: list[str]) -> Path:
            where = directory / name
            where.mkdir()
            return script(where, "GET", {}, [{"authorization": f"Bearer {t}"} for t in tokens])

        ours = requests("ours", platform.access_tokens(TOKENS))
        theirs = requests("theirs", [token() for _ in range(TOKENS)])
        auth = platform.service("auth-service").url
        with urllib.request.urlopen(f"{auth}/.well-known/jwks.json", timeout=5) as answer:  # noqa: S310
            jwks = answer.read().decode()
        upstream_port, gateway_port = free_port(), free_port()
        upstream_url = f"http://127.0.0.1:{upstream_port}"
        gateway_env = {
            "MONGODB_URI": platform.mongodb_url,
            "REDIS_URL": platform.redis_url,
            "CAAS_SERVICE_SECRET": platform.service_secret,
            "CAAS_AUTH_URL": upstream_url,
            **{f"CAAS_GATEWAY_RATE_LIMIT_{plan}": str(RATE_LIMIT) for plan in PLANS},
        }
        peer_env = {
            "REDIS_URL": platform.redis_url,
            "UPSTREAM_URL": upstream_url,
            "PEER_RATE_LIMIT": str(RATE_LIMIT),
        }
        with (
            running(
                "upstream",
                service_command("caas_load.upstream:app", upstream_port, interface="rsgi"),
                port=upstream_port,
                log=directory / "upstream.log",
                env={"BENCH_JWKS": jwks},
            ),
            peer("gateway", directory, peer_env) as fastify,
            running(
                "gateway",
                service_command("caas.gateway.app:create_app", gateway_port),
                port=gateway_port,
                log=directory / "gateway.log",
                env=gateway_env,
            ) as gateway,
        ):
            measure = partial(sample, path=PATH, seconds=seconds)
            return interleave(
                result,
                {
                    "fastify": lambda: measure(fastify, requests=theirs),
                    "ours": lambda: measure(gateway, requests=ours),
                },
                rounds=rounds,
            )


PLANS = ("FREE", "BUSINESS", "ENTERPRISE", "ANONYMOUS")
