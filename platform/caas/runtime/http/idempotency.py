"""`Idempotency-Key`: however often a creating POST is repeated, it has one effect and one answer.

After draft-ietf-httpapi-idempotency-key-header-07: another body under a used key is 422, a
repeat that outlives its patience while the first still runs is 409. A record belongs to one
principal, route and key. Successful answers are kept; a refusal had no effect and is tried anew.

Answers hold secrets that are shown once, so a dump of the store must not: the key itself is not
stored, and each answer is sealed with AES-256-GCM under a key derived (HKDF) from it and from
the platform's own secret.
"""

import asyncio
import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, cast

import msgspec
import redis.exceptions
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from litestar.types import Send

from caas.runtime.data.redis import Redis
from caas.runtime.http.fast import FastRequest
from caas.runtime.http.problems import RefusalError
from caas_observability.setup.logs import get_logger

KEY_MAX_CHARS = 255
ANSWER_KEPT_S = 24 * 3600
ANSWER_MAX_BYTES = 262_144
LEASE_MS = 10_000  # how long a key stays taken when its holder dies
LEASE_RENEW_EVERY_S = 3.0
WAIT_MAX_S = 15.0
POLL_MIN_S = 0.01
POLL_MAX_S = 0.2
NONCE_BYTES = 12

_VISIBLE = bytes(range(0x21, 0x7F))
_PREFIX = "caas:idempotency:"
_KEPT_HEADERS = frozenset({b"content-type", b"location"})
_log = get_logger("caas.runtime.http.idempotency")

# Both act only while the caller still holds the key, so that a holder that was away longer than
# its lease can't overwrite its successor's answer.
_STORE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

Principal = Callable[[FastRequest], Awaitable[str]]
Serve = Callable[[Send], Awaitable[None]]
Authorize = Callable[[], Awaitable[None]]


class _Record(msgspec.Struct, frozen=True, array_like=True):
    """What the store holds under one key."""

    state: Literal["running", "done"]
    fingerprint: bytes
    sealed: bytes = b""  # of an `_Answer`, once done
    owner: bytes = b""  # while running


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


_encode = msgspec.msgpack.encode
_read_record = msgspec.msgpack.Decoder(_Record).decode
_read_answer = msgspec.msgpack.Decoder(_Answer).decode


async def principal_by_credentials(request: FastRequest) -> str:
    """Name the caller by the credentials it shows, unverified; a stranger shows others."""
    shown = [
        request.fields.get(name, b"")
        for name in (b"authorization", b"x-api-key", b"x-service-secret")
    ]
    return hashlib.sha256(msgspec.msgpack.encode(shown)).hexdigest()


class Idempotency:
    """Serves requests that carry an `Idempotency-Key`.

    Args:
        store: Any instance may read what another one stored.
        secret: The platform's; all instances of a service share it.
        principal: Names the caller, and may refuse it by raising `UnauthenticatedError`.
    """

    def __init__(
        self, store: Redis, *, secret: str, principal: Principal = principal_by_credentials
    ) -> None:
        self._store = store
        self._secret = secret.encode()
        self._principal = principal
        self._save = store.register_script(_STORE)
        self._release = store.register_script(_RELEASE)
        self._renew = store.register_script(_RENEW)

    async def serve(
        self, request: FastRequest, run: Serve, send: Send, *, authorize: Authorize | None = None
    ) -> None:
        """Run the request once, or send the answer that it got the first time.

        Args:
            request: Complete with its body.
            run: Runs the route, which answers through the given channel.
            send: Where the answer goes.
            authorize: Runs the route's guards for a repeat, which doesn't reach the route: a key
                that was revoked since, or may not be used from there, gets no answer again.

        Raises:
            RefusalError: 400 malformed key, 409 the first request still runs, 422 the key was
                used with another body.
            UnavailableError: The store is away; nothing was done.
        """
        key = request.fields[b"idempotency-key"]
        if not 0 < len(key) <= KEY_MAX_CHARS or key.translate(None, _VISIBLE):
            raise RefusalError(
                400,
                f"Idempotency-Key must be 1 to {KEY_MAX_CHARS} visible ASCII characters",
                code="bad_idempotency_key",
            )
        seal = _Seal.derive(await self._principal(request), request, key, self._secret)
        mine = _encode(
            _Record("running", seal.fingerprint(request.body), owner=os.urandom(NONCE_BYTES))
        )
        answer = await self._take_or_wait(seal, mine, request.body, authorize)
        if answer is not None:
            request.span.set("caas.idempotency.replayed", True)  # noqa: FBT003 - a span attribute
            await _send_answer(answer, send)
            return
        capture = _Capture()
        async with self._holding(seal.name, mine) as outcome:
            await run(capture)
            outcome.answer = capture.result()
            if outcome.answer is not None:
                await self._keep(seal, mine, outcome.answer)
        # Kept before it is sent: who loses the connection now finds the answer on a repeat.
        for message in capture.messages:
            await send(message)

    async def _take_or_wait(
        self, seal: "_Seal", mine: bytes, body: bytes, authorize: Authorize | None
    ) -> _Answer | None:
        """Return None once the key is ours, or the answer that somebody else produced."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + WAIT_MAX_S
        delay = POLL_MIN_S
        while True:
            found = await self._store.set(seal.name, mine, nx=True, px=LEASE_MS, get=True)
            if found is None:
                return None
            if authorize is not None:
                await authorize()
                authorize = None
            record = _read_record(cast("bytes", found))
            if not hmac.compare_digest(record.fingerprint, seal.fingerprint(body)):
                raise RefusalError(
                    422,
                    "The Idempotency-Key was used with another body",
                    code="idempotency_key_reused",
                )
            if record.state == "done":
                return seal.open(record.sealed)
            if loop.time() >= gives_up_at:
                raise RefusalError(
                    409,
                    "The first request with this Idempotency-Key still runs",
                    code="idempotency_in_progress",
                    headers=((b"retry-after", b"1"),),
                )
            await asyncio.sleep(delay)
            delay = min(delay * 1.5, POLL_MAX_S)

    @asynccontextmanager
    async def _holding(self, name: str, mine: bytes) -> AsyncIterator["_Outcome"]:
        """Keep the lease alive in the block; free the key when no answer was kept."""
        outcome = _Outcome()
        renewing = asyncio.get_running_loop().create_task(self._keep_lease(name, mine, outcome))
        try:
            yield outcome
        finally:
            outcome.held = False  # also for a renewal that misses the cancellation
            renewing.cancel()
            if outcome.answer is None:
                with suppress(redis.exceptions.RedisError):
                    await self._release(keys=[name], args=[mine])

    async def _keep_lease(self, name: str, mine: bytes, outcome: "_Outcome") -> None:
        while outcome.held:
            await asyncio.sleep(LEASE_RENEW_EVERY_S)
            with suppress(redis.exceptions.RedisError):
                await self._renew(keys=[name], args=[mine, LEASE_MS])

    async def _keep(self, seal: "_Seal", mine: bytes, answer: _Answer) -> None:
        """Store the answer; the effect stands and was told, so a failure here is only logged."""
        done = _encode(_Record("done", _read_record(mine).fingerprint, seal.close(answer)))
        try:
            await self._save(keys=[seal.name], args=[mine, done, ANSWER_KEPT_S])
        except redis.exceptions.RedisError as error:
            _log.warning("an idempotent answer was not kept", cause=type(error).__name__)


class _Outcome:
    """Whether a key is held, and whether it ended with an answer."""

    __slots__ = ("answer", "held")

    def __init__(self) -> None:
        self.held = True
        self.answer: _Answer | None = None


class _Seal:
    """Everything derived from one idempotency key."""

    __slots__ = ("_aead", "_mac", "name")

    def __init__(self, name: str, material: bytes) -> None:
        self.name = name
        self._aead = AESGCM(material[:32])
        self._mac = material[32:]

    @classmethod
    def derive(cls, principal: str, request: FastRequest, key: bytes, secret: bytes) -> "_Seal":
        path = request.path.rstrip("/")
        scope = _encode((principal, request.method, path))
        name = _PREFIX + hmac.digest(secret, _encode((scope, key)), "sha256").hex()
        hkdf = HKDF(SHA256(), 64, salt=hashlib.sha256(scope).digest(), info=b"caas idempotency 1")
        return cls(name, hkdf.derive(_encode((key, secret))))

    def fingerprint(self, body: bytes) -> bytes:
        """Identify *body* without letting a reader of the store try passwords against it."""
        return hmac.digest(self._mac, body, "sha256")

    def close(self, answer: _Answer) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, _encode(answer), self.name.encode())

    def open(self, sealed: bytes) -> _Answer:
        nonce, text = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return _read_answer(self._aead.decrypt(nonce, text, self.name.encode()))
        except InvalidTag:
            raise RuntimeError("an idempotency record was altered") from None


class _Capture:
    """A send channel that holds an answer back.

    Attributes:
        messages: What was sent, in order.
    """

    __slots__ = ("messages",)

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def __call__(self, message: Any) -> None:
        self.messages.append(message)

    def result(self) -> _Answer | None:
        """Return the answer when it is a complete success that fits into the store."""
        if not self.messages or self.messages[-1].get("more_body", False):
            return None
        start = self.messages[0]
        body = b"".join(message.get("body", b"") for message in self.messages[1:])
        success = 200 <= start["status"] < 300  # noqa: PLR2004 - the 2xx class
        if not success or len(body) > ANSWER_MAX_BYTES:
            return None
        kept = [(name, value) for name, value in start["headers"] if name in _KEPT_HEADERS]
        return _Answer(start["status"], kept, body)


async def _send_answer(answer: _Answer, send: Send) -> None:
    headers = [
        *answer.headers,
        (b"content-length", b"%d" % len(answer.body)),
        (b"idempotency-replayed", b"true"),
    ]
    start: Any = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
