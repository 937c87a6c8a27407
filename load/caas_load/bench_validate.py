"""Token validation with revocation: ours against Fastify + jsonwebtoken + ioredis.

Ours verifies EdDSA tokens, locally, against revocations that Redis pushes; the peer verifies
HS256 with a KeyObject and asks Redis each time. `ours, no cache` has the cache of verified
tokens off, so that each request pays for its signature.
"""

from functools import partial
from pathlib import Path

import msgspec

from caas_load.generator import script
from caas_load.peers import peer, token
from caas_load.platform_under_test import platform_up
from caas_load.processes import free_port, running
from caas_load.rounds import Result, interleave
from caas_load.sampling import sample
from caas_load.servers import service_command

TOKENS = 200
PATH = "/api/v1/auth/internal/validate"


def run(directory: Path, *, rounds: int, seconds: float) -> Result:
    """Measure and return every round; the peer is the reference."""
    result = Result("Token validation", "requests", "fastify", {"ours": 1.0})
    with platform_up(directory / "state") as platform:
        headers = {
            "content-type": "application/json",
            "x-service-secret": platform.service_secret,
        }

        def requests(name: str, tokens: list[str]) -> Path:
            where = directory / name
            where.mkdir()
            bodies = [{"body": msgspec.json.encode({"token": t}).decode()} for t in tokens]
            return script(where, "POST", headers, bodies)

        ours = requests("ours", platform.access_tokens(TOKENS))
        theirs = requests("theirs", [token() for _ in range(TOKENS)])
        port = free_port()
        uncached_env = {
            "MONGODB_URI": platform.mongodb_url,
            "REDIS_URL": platform.redis_url,
            "CAAS_SERVICE_SECRET": platform.service_secret,
            "CAAS_KEY_PEPPER": platform.secrets["key_pepper"],
            "CAAS_TOKEN_CACHE_MAX": "0",
        }
        peer_env = {
            "REDIS_URL": platform.redis_url,
            "CAAS_SERVICE_SECRET": platform.service_secret,
        }
        with (
            peer("validate", directory, peer_env) as fastify,
            running(
                "auth-service without a token cache",
                service_command("caas.auth.app:create_app", port),
                port=port,
                log=directory / "uncached.log",
                env=uncached_env,
                health="/internal/ready",
            ) as uncached,
        ):
            measure = partial(sample, path=PATH, seconds=seconds)
            return interleave(
                result,
                {
                    "fastify": lambda: measure(fastify, requests=theirs),
                    "ours": lambda: measure(platform.service("auth-service"), requests=ours),
                    "ours, no cache": lambda: measure(uncached, requests=ours),
                },
                rounds=rounds,
            )
