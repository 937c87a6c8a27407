"""Another language verifies our tokens from what we publish, and nothing else."""

import subprocess
from pathlib import Path

import anyio.to_thread
import msgspec
import pytest

from caas.testing.auth.instance import start_instance

pytestmark = [pytest.mark.node, pytest.mark.e2e]
VERIFIER = Path(__file__).with_name("verify_token.mjs")


def run_node(url: str, token: str) -> subprocess.CompletedProcess[str]:
    """Let Node verify *token* against the key set at *url*."""
    return subprocess.run(
        ["node", str(VERIFIER), f"{url}/.well-known/jwks.json", token],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.anyio
async def test_node_verifies_what_we_sign(
    mongodb_url: str, redis_url: str, database: str, tmp_path: Path
) -> None:
    """The key set is all that a client in another language needs; a changed token fails."""
    auth = await start_instance(mongodb_url, redis_url, database, tmp_path)
    try:
        tenant = await auth.register()
        opened = await auth.post(
            "/sdk/session",
            {"user_external_id": "alice"},
            headers={"x-api-key": tenant["api_key"]},
        )
        token = opened.body["access_token"]
        good = await anyio.to_thread.run_sync(run_node, auth.url, token)
        header, payload, signature = token.split(".")
        flipped = ("B" if payload[0] == "A" else "A") + payload[1:]
        forged = f"{header}.{flipped}.{signature}"
        bad = await anyio.to_thread.run_sync(run_node, auth.url, forged)
    finally:
        await auth.stop()

    assert good.returncode == 0, good.stderr
    assert msgspec.json.decode(good.stdout)["external_id"] == "alice"
    assert bad.returncode == 1
