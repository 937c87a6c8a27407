"""The gateway with authentication and rate limit: ours against @fastify/http-proxy."""

from functools import partial
from pathlib import Path

from caas_load.contestants.peers import REVOKED_SESSION, peer, peer_tokens
from caas_load.contestants.platform_under_test import Platform, platform_up
from caas_load.contestants.servers import plain_command, service_command
from caas_load.contestants.upstream import BODY, TENANTS
from caas_load.measuring.equivalence import ask, check_gateway, revoke_at_peer
from caas_load.measuring.generator import script
from caas_load.measuring.processes import Server, free_port, running
from caas_load.measuring.rounds import Result, interleave
from caas_load.measuring.sampling import sample

TOKENS = 200
PATH = "/v1/sessions"
RATE_LIMIT = 100_000_000  # never reached: both count every request, neither refuses one
PLANS = ("FREE", "BUSINESS", "ENTERPRISE", "ANONYMOUS")


def run(directory: Path, *, rounds: int, seconds: float) -> Result:
    """Measure and return every round; the peer is the reference."""
    result = Result("Gateway", "requests", "fastify", {"ours": 1.0})
    with platform_up(directory / "state") as platform:
        ours, ours_revoked = platform.access_tokens(TOKENS), platform.revoked_token()
        theirs, theirs_revoked = peer_tokens(TOKENS)
        revoke_at_peer(platform.redis_url, REVOKED_SESSION)
        upstream_port, gateway_port = free_port(), free_port()
        upstream_url = f"http://127.0.0.1:{upstream_port}"
        gateway_env = {
            "MONGODB_URI": platform.mongodb_url,
            "REDIS_URL": platform.redis_url,
            "CAAS_SERVICE_SECRET": platform.service_secret,
            "CAAS_AUTH_URL": upstream_url,
            **{f"CAAS_GATEWAY_LIMIT_{plan}_REQUESTS": str(RATE_LIMIT) for plan in PLANS},
        }
        peer_env = {
            "REDIS_URL": platform.redis_url,
            "UPSTREAM_URL": upstream_url,
            "PEER_RATE_LIMIT": str(RATE_LIMIT),
        }
        with (
            running(
                "upstream",
                plain_command("caas_load.contestants.upstream:app", upstream_port),
                port=upstream_port,
                log=directory / "upstream.log",
                env=_upstream_env(platform),
            ),
            peer("gateway", directory, peer_env) as fastify,
            running(
                "gateway",
                service_command("caas.gateway.app:create_app", gateway_port),
                port=gateway_port,
                log=directory / "gateway.log",
                env=gateway_env,
                health="/internal/ready",
            ) as gateway,
        ):
            contestants: dict[str, tuple[Server, list[str], str]] = {
                "fastify": (fastify, theirs, theirs_revoked),
                "ours": (gateway, ours, ours_revoked),
            }
            sent = {}
            for name, (server, tokens, revoked) in contestants.items():
                url = server.url + PATH
                check_gateway(name, url, good=tokens[0], revoked=revoked, body=BODY)
                (directory / name).mkdir()
                each = [{"authorization": f"Bearer {token}"} for token in tokens]
                sent[name] = script(directory / name, "GET", {}, each)
            return interleave(
                result,
                {
                    name: partial(sample, server, PATH, sent[name], seconds=seconds)
                    for name, (server, _, _) in contestants.items()
                },
                rounds=rounds,
            )


def _upstream_env(platform: Platform) -> dict[str, str]:
    """Let the upstream say what the auth service says of keys and of the tenant."""
    auth = platform.service("auth-service").url
    shown = {"x-service-secret": platform.service_secret}
    tenant = ask(f"{auth}{TENANTS}{platform.tenant_id}", shown)
    return {
        "BENCH_JWKS": ask(f"{auth}/.well-known/jwks.json").body.decode(),
        "BENCH_TENANT": tenant.body.decode(),
    }
