"""The peers: Node.js programs in `load/peers`, and tokens that they accept."""

import secrets
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import jwt

from caas_load.measuring.generator import GeneratorError
from caas_load.measuring.processes import Server, free_port, running

PEERS = Path(__file__).parents[2] / "peers"
JWT_SECRET = secrets.token_bytes(32)
REVOKED_SESSION = str(uuid.uuid4())  # noqa: TID251 - the kernel is out of reach here


def token(tenant_id: str, session_id: str | None = None) -> str:
    """Return a token with the claims ours has, signed as the seed signs: HS256."""
    now = int(time.time())
    claims = {
        "jti": str(uuid.uuid4()),  # noqa: TID251 - the kernel is out of reach here
        "user_id": str(uuid.uuid4()),  # noqa: TID251
        "tenant_id": tenant_id,
        "email": "bench@example.com",
        "external_id": "bench",
        "session_id": session_id or str(uuid.uuid4()),  # noqa: TID251
        "type": "access",
        "iat": now,
        "exp": now + 3600,
        "iss": "caas-auth-service",
    }
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256")


def peer_tokens(count: int) -> tuple[list[str], str]:
    """Return *count* tokens of one tenant, as ours are, and one of `REVOKED_SESSION`."""
    tenant_id = str(uuid.uuid4())  # noqa: TID251
    good = [token(tenant_id) for _ in range(count)]
    return good, token(tenant_id, REVOKED_SESSION)


@contextmanager
def peer(name: str, directory: Path, env: Mapping[str, str]) -> Iterator[Server]:
    """Run the peer program *name* until the block ends.

    Raises:
        GeneratorError: Node.js or the peer's packages are missing.
    """
    node = shutil.which("node")
    if node is None or not (PEERS / "node_modules").is_dir():
        raise GeneratorError("the peers need Node.js and `npm ci` in load/peers (`make bench`)")
    port = free_port()
    with running(
        f"peer {name}",
        [node, str(PEERS / f"{name}.mjs")],
        port=port,
        log=directory / f"peer-{name}.log",
        env={
            "PORT": str(port),
            "NODE_ENV": "production",
            "PEER_JWT_SECRET": JWT_SECRET.hex(),
            **env,
        },
        cwd=PEERS,
    ) as server:
        yield server
