"""What only the owner of a platform can see of it: its files, its stores, its signing key.

For cases tagged `greybox`, which run when the runner has started the platform itself. How the
platform keeps these is told here and nowhere else in the suite.
"""

import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from caas_conformance.authoring import encode_part, to_base64url
from caas_conformance.errors import EnvironmentBrokenError

DATABASE = "caas"
SEALING_INFO = b"caas signing key at rest"
NONCE_BYTES = 12
FILE_BYTES_MAX = 64 * 1024 * 1024
KEYS_MAX = 100_000


class Insides:
    """The state directory of a platform that the runner has started.

    Args:
        state_dir: As given to its command.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir

    def stack(self) -> dict[str, Any]:
        """Return the stack file as it is now."""
        found: dict[str, Any] = msgspec.json.decode((self.state_dir / "stack.json").read_bytes())
        return found

    def kept_secrets(self) -> dict[str, str]:
        """Return the secrets that the platform was given."""
        path = Path(self.stack()["secrets_file"])
        found: dict[str, str] = msgspec.json.decode(path.read_bytes())
        return found

    def files(self) -> Iterator[Path]:
        """Yield every file that it keeps."""
        for folder, _, names in os.walk(self.state_dir):
            for name in names:
                path = Path(folder) / name
                if path.is_file() and path.stat().st_size <= FILE_BYTES_MAX:
                    yield path

    def holding(self, texts: Mapping[str, str]) -> dict[str, list[str]]:
        """Return which of *texts* stands in clear in which file, by the file's path."""
        found: dict[str, list[str]] = {}
        for path in self.files():
            content = path.read_bytes()
            names = [name for name, text in texts.items() if text.encode() in content]
            if names:
                found[str(path.relative_to(self.state_dir))] = names
        return found

    async def signer(self, kid: str) -> "Signer":
        """Return the platform's own key *kid*.

        Raises:
            EnvironmentBrokenError: There is none, or it is kept otherwise than this knows.
        """
        from pymongo import AsyncMongoClient  # noqa: PLC0415 - slow, and only here

        pepper = bytes.fromhex(self.kept_secrets()["key_pepper"])
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            self.stack()["servers"]["mongodb"]["url"]
        )
        async with client:
            kept = await client[DATABASE]["signing_keys"].find_one({"_id": kid})
        if kept is None:
            raise EnvironmentBrokenError(f"the platform keeps no signing key {kid}")
        sealed = bytes(kept["private_sealed"])
        derived = HKDF(hashes.SHA256(), 32, salt=None, info=SEALING_INFO).derive(pepper)
        raw = AESGCM(derived).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], kid.encode())
        return Signer(Ed25519PrivateKey.from_private_bytes(raw))

    async def stored(self) -> AsyncIterator[tuple[str, bytes, int]]:
        """Yield key, value as text and seconds to live of everything that Valkey holds."""
        import redis.asyncio as redis  # noqa: PLC0415 - slow, and only here

        client = redis.Redis.from_url(self.stack()["servers"]["redis"]["url"])
        async with client:
            count = 0
            async for key in client.scan_iter(count=1000):
                count += 1
                if count > KEYS_MAX:
                    raise EnvironmentBrokenError(f"over {KEYS_MAX} keys in Valkey")
                told = await client.type(key)
                kind = told if isinstance(told, str) else told.decode()
                yield key.decode("latin-1"), await _value(client, key, kind), await client.ttl(key)


class Signer:
    """Signs whatever it is told to with the platform's own key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, head: Mapping[str, Any], body: Mapping[str, Any] | str) -> str:
        """Return a token of *head* and *body*, which may be JSON text."""
        encoded = to_base64url(body.encode()) if isinstance(body, str) else encode_part(dict(body))
        unsigned = f"{encode_part(dict(head))}.{encoded}"
        return f"{unsigned}.{to_base64url(self._key.sign(unsigned.encode()))}"


def fresh_id() -> str:
    """Return an id as the platform makes them."""
    return secrets.token_hex(16)


async def _value(client: Any, key: bytes, kind: str) -> bytes:
    readers: dict[str, Any] = {
        "string": lambda: client.get(key),
        "hash": lambda: client.hgetall(key),
        "set": lambda: client.smembers(key),
        "zset": lambda: client.zrange(key, 0, -1),
        "list": lambda: client.lrange(key, 0, -1),
        "stream": lambda: client.xrange(key, count=10_000),
    }
    found = await readers[kind]() if kind in readers else None
    return found if isinstance(found, bytes) else repr(found).encode()
