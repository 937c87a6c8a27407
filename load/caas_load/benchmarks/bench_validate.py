"""Token validation with revocation: ours against Fastify + jsonwebtoken + ioredis.

Ours verifies EdDSA tokens, locally, against revocations that Redis pushes; the peer verifies
HS256 with a KeyObject and asks Redis each time. `ours, no cache` has the cache of verified
tokens off, so that each request pays for its signature.
"""

from functools import partial
from pathlib import Path

import msgspec

from caas_load.contestants.peers import REVOKED_SESSION, peer, peer_tokens
from caas_load.contestants.platform_under_test import Platform, platform_up
from caas_load.contestants.servers import service_command
from caas_load.measuring.equivalence import check_validate, revoke_at_peer
from caas_load.measuring.generator import script
from caas_load.measuring.processes import Server, free_port, running
from caas_load.measuring.rounds import Result, interleave
from caas_load.measuring.sampling import sample

TOKENS = 200
PATH = "/api/v1/auth/internal/validate"
MEMBERS = frozenset({"user_id", "tenant_id", "external_id", "session_id", "exp", "email"})


def run(directory: Path, *, rounds: int, seconds: float) -> Result:
    """Measure and return every round; the peer is the reference."""
    result = Result("Token validation", "requests", "fastify", {"ours": 1.0})
    with platform_up(directory / "state") as platform:
        ours, ours_revoked = platform.access_tokens(TOKENS), platform.revoked_token()
        theirs, theirs_revoked = peer_tokens(TOKENS)
        revoke_at_peer(platform.redis_url, REVOKED_SESSION)
        port = free_port()
        secrets = {
            "REDIS_URL": platform.redis_url,
            "CAAS_SERVICE_SECRET": platform.service_secret,
        }
        auth_env = {
            **secrets,
            "MONGODB_URI": platform.mongodb_url,
            "CAAS_KEY_PEPPER": platform.secrets["key_pepper"],
        }
        with (
            peer("validate", directory, secrets) as fastify,
            running(
                "auth-service without a token cache",
                service_command("caas.auth.app:create_app", port),
                port=port,
                log=directory / "uncached.log",
                env={**auth_env, "CAAS_TOKEN_CACHE_MAX": "0"},
                health="/internal/ready",
            ) as uncached,
        ):
            contestants: dict[str, tuple[Server, list[str], str]] = {
                "fastify": (fastify, theirs, theirs_revoked),
                "ours": (platform.service("auth-service"), ours, ours_revoked),
                "ours, no cache": (uncached, ours, ours_revoked),
            }
            sent = {}
            for name, (server, tokens, revoked) in contestants.items():
                check_validate(
                    name,
                    server.url + PATH,
                    platform.service_secret,
                    good=tokens[0],
                    revoked=revoked,
                    members=MEMBERS,
                )
                sent[name] = _requests(directory / name, platform, tokens)
            return interleave(
                result,
                {
                    name: partial(sample, server, PATH, sent[name], seconds=seconds)
                    for name, (server, _, _) in contestants.items()
                },
                rounds=rounds,
            )


def _requests(directory: Path, platform: Platform, tokens: list[str]) -> Path:
    directory.mkdir()
    headers = {"content-type": "application/json", "x-service-secret": platform.service_secret}
    bodies = [{"body": msgspec.json.encode({"token": token}).decode()} for token in tokens]
    return script(directory, "POST", headers, bodies)
