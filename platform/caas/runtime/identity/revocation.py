"""Revocations, pushed: every instance follows one Redis stream and answers from memory.

An ended session is refused everywhere as soon as its entry is read, which takes the time of
a network hop. An instance that can't hear the stream does not guess: `DEAF_AFTER_S` after the
last question that was answered it says 503 instead of accepting a token that may have been
revoked. After a pause of the process itself the next answer is a moment away, and awaited.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from caas.contracts.auth.identity import (
    CLIENT_TTL_S,
    REVOCATION_STREAM,
    RevocationEvent,
    SessionsRevoked,
)
from caas.kernel.errors import UnavailableError
from caas.runtime.repeating import repeating
from caas.runtime.tasks import end_tasks
from caas.runtime.time_limit import TimeLimit
from caas_observability.setup.logs import get_logger

HEARTBEAT_MS = 250
READ_TIMEOUT_S = 0.75
DEAF_AFTER_S = 1.0
WORD_AWAITED_S = 1.0
FAILURES_HEARD = 2
"""Failed reads in a row that say that the stream is lost; one may be a pause's doing."""
RECONNECT_DELAY_S = 0.1
READ_BATCH_ENTRIES = 1000
RETAINED_S = CLIENT_TTL_S + 300
"""How long an entry matters: the longest life of a token that is checked here, and slack."""
REVOKED_SESSIONS_MAX = 1_000_000
PUBLISH_TIMEOUT_S = 0.4
PUBLISH_ATTEMPTS = 2
PRUNED_PER_HEARTBEAT_MAX = 10_000
FIELD = b"e"
_UNHEARD = (RedisError, OSError, TimeoutError)

Subscriber = Callable[[RevocationEvent], None]

_decoder = msgspec.json.Decoder(RevocationEvent)
_log = get_logger("caas.runtime.identity.revocation")


class RevocationsUnknownError(UnavailableError):
    """The stream can't be heard, so no token can be vouched for."""

    code = "revocations_unknown"

    def __init__(self) -> None:
        super().__init__("Authentication is temporarily unavailable")


class RevocationLog:
    """The sessions that ended lately, in memory.

    Args:
        monotonic: Seconds that never run backwards.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._heard_s = float("-inf")
        self._word = asyncio.Event()
        self._awaiting: asyncio.Task[None] | None = None
        self._lost = True
        self._revoked: set[str] = set()
        self._expiries: deque[tuple[float, str]] = deque()

    def is_revoked(self, session_id: str) -> bool:
        """Tell whether the session ended.

        Raises:
            RevocationsUnknownError: What was heard last is over `DEAF_AFTER_S` old.
        """
        if self._monotonic() - self._heard_s > DEAF_AFTER_S:
            raise RevocationsUnknownError
        return session_id in self._revoked

    async def known(self) -> None:
        """Return when answers can be given, which may be after the stream's next word.

        May be begun outside of a task, as fast routes are.

        Raises:
            RevocationsUnknownError: The stream is lost, or silent for `WORD_AWAITED_S`.
        """
        if self.live:
            return
        if not self._lost:
            if self._awaiting is None:
                self._awaiting = asyncio.create_task(self._next_word())
            await asyncio.shield(self._awaiting)
        if not self.live:
            raise RevocationsUnknownError

    async def _next_word(self) -> None:
        """Wait for it on behalf of everyone who asks meanwhile."""
        self._word.clear()
        try:
            async with TimeLimit(WORD_AWAITED_S):
                await self._word.wait()
        except TimeoutError:
            pass
        finally:
            self._awaiting = None

    @property
    def live(self) -> bool:
        """Whether answers can be given at present."""
        return self._monotonic() - self._heard_s <= DEAF_AFTER_S

    def now_s(self) -> float:
        """Return the time that `heard` takes."""
        return self._monotonic()

    def heard(self, as_of_s: float | None = None) -> None:
        """Note that all that was published before *as_of_s* is applied; forget what is too old.

        Args:
            as_of_s: A time of `now_s`; None is now.
        """
        now_s = self._monotonic()
        self._heard_s = now_s if as_of_s is None else as_of_s
        self._lost = False
        if self.live:
            self._word.set()
        for _ in range(PRUNED_PER_HEARTBEAT_MAX):
            if not self._expiries or self._expiries[0][0] > now_s:
                break
            self._revoked.discard(self._expiries.popleft()[1])

    def lost(self) -> None:
        """Note that the stream can't be read at present: nobody need wait for its next word."""
        self._lost = True
        self._word.set()

    def revoke(self, session_ids: Sequence[str]) -> None:
        """Refuse these sessions until their last token has expired.

        Raises:
            RevocationsUnknownError: `REVOKED_SESSIONS_MAX` are kept already; the feed then
                stays deaf until some expire, for forgetting one would accept its tokens.
        """
        until_s = self._monotonic() + RETAINED_S
        for session_id in session_ids:
            if session_id in self._revoked:
                continue
            if len(self._revoked) >= REVOKED_SESSIONS_MAX:
                raise RevocationsUnknownError
            self._revoked.add(session_id)
            self._expiries.append((until_s, session_id))


class _Stream(msgspec.Struct, frozen=True):
    """How far the stream has come, which only a loss of data takes back.

    Attributes:
        newest: The latest id, as `_order` has it.
        added: Entries ever added; 0 where the server doesn't count.
    """

    newest: tuple[int, int] = (0, 0)
    added: int = 0


def _order(entry_id: bytes | str) -> tuple[int, int]:
    """Return what ids of entries are compared by: milliseconds and a number."""
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number or 0)


class RevocationFeed:
    """Follows the stream into a `RevocationLog`.

    Args:
        redis: A client of its own pool or a shared one; one connection is held for good.
        log: What is kept up to date.
        on_resume: Called after each (re)connection, once everything missed has been read; the
            owner of the sessions uses it to publish again what Redis may have lost.
    """

    def __init__(
        self,
        redis: Redis,
        log: RevocationLog,
        *,
        on_resume: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._redis = redis
        self._log = log
        self._on_resume = on_resume
        self._subscribers: list[Subscriber] = []
        self._task: asyncio.Task[None] | None = None
        self._resuming: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self._last_id: bytes | str | None = None
        self._connected = False
        self._stopping = False
        self._known = _Stream()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call *subscriber* with every event, in order; it must not block or raise."""
        self._subscribers.append(subscriber)

    async def start(self) -> None:
        """Begin to follow; returns at once, see `wait_live`."""
        self._task = asyncio.create_task(self._follow(), name="revocation-feed")
        self._task.add_done_callback(_say_why_it_ended)

    async def wait_live(self, timeout_s: float) -> bool:
        """Wait until the history has been read; tell whether that happened in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._first.wait()
        return self._first.is_set()

    async def stop(self) -> None:
        """Stop following."""
        self._stopping = True
        if self._task is not None:
            await end_tasks([self._task])
        if self._resuming is not None:
            await end_tasks([self._resuming])

    async def probe(self) -> None:
        """Raise `RevocationsUnknownError` when the stream is not heard: a readiness check."""
        await self._log.known()

    async def _follow(self) -> None:
        failures = 0
        # Python 3.11's `wait_for`, in the driver, may lose a cancellation (gh-86296).
        while not self._stopping:
            try:
                async with TimeLimit(READ_TIMEOUT_S):
                    await self._read(await self._read_up_to())
                failures = 0
            except (*_UNHEARD, UnavailableError):
                self._connected = False
                failures += 1
                if failures >= FAILURES_HEARD:
                    self._log.lost()
                await asyncio.sleep(RECONNECT_DELAY_S)

    async def _read_up_to(self) -> bytes | str:
        """Return the id of the last entry read, or where to begin.

        Asked each time, for the driver connects anew by itself, and a stream that has lost its
        entries may go on with lower ids than the last one read, if the new server's clock is
        behind: they would all seem to be old.
        """
        known = self._known
        self._known = await self._described()
        if self._known.newest < known.newest or self._known.added < known.added:
            self._connected = False
            self._last_id = None
        return self._last_id or await self._oldest_that_matters()

    async def _described(self) -> "_Stream":
        """Return how far the stream has come; zeros when there is none."""
        try:
            found = await self._redis.xinfo_stream(REVOCATION_STREAM)
        except ResponseError:
            return _Stream()
        return _Stream(_order(found["last-generated-id"]), int(found.get("entries-added", 0)))

    async def _oldest_that_matters(self) -> str:
        """Return the stream id to start from, by the server's clock: ids are made of it."""
        seconds, _ = await self._redis.time()
        return f"{(seconds - RETAINED_S) * 1000}-0"

    async def _read(self, after: bytes | str) -> None:
        """Apply what is new after that entry; an empty reply is a heartbeat.

        It proves nothing about the time after it was written, and may have lain in the socket
        while this process stood still: what counts is when it was asked for.
        """
        self._last_id = after
        block_ms = HEARTBEAT_MS if self._connected and self._log.live else None
        asked_s = self._log.now_s()
        replies = await self._redis.xread(
            {REVOCATION_STREAM: after}, count=READ_BATCH_ENTRIES, block=block_ms
        )
        entries = _entries(replies)
        for entry_id, fields in entries:
            self._apply(fields)
            self._last_id = entry_id
        if len(entries) < READ_BATCH_ENTRIES:
            self._log.heard(asked_s)
            self._first.set()
            if not self._connected:
                self._connected = True
                self._resume()

    def _apply(self, fields: dict[bytes, bytes]) -> None:
        try:
            event = _decoder.decode(fields[FIELD])
        except (KeyError, msgspec.MsgspecError):
            return  # written by a newer version; its kind can't concern this one
        if isinstance(event, SessionsRevoked):
            self._log.revoke(event.session_ids)
        for subscriber in self._subscribers:
            subscriber(event)

    def _resume(self) -> None:
        if self._on_resume is not None and (self._resuming is None or self._resuming.done()):
            self._resuming = asyncio.ensure_future(self._on_resume())


def _say_why_it_ended(task: asyncio.Task[None]) -> None:
    """Log the bug that ended the feed; without it the instance answers 503 from now on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the revocation feed broke", exc_info=error)


def _entries(replies: object) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return the entries of the one stream read, whichever protocol version answered."""
    if not replies:
        return []
    if isinstance(replies, dict):  # RESP3
        found = next(iter(replies.values()))
        return list(found[0] if found and isinstance(found[0], list) else found)
    assert isinstance(replies, list)  # noqa: S101
    return list(replies[0][1])


class RevocationPublisher:
    """Puts events on the stream; only the auth service does.

    Args:
        redis: Any client; must not decode responses.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, event: RevocationEvent) -> None:
        """Append *event*; on return every instance that can hear will have it in a moment.

        Publishing the same event twice is harmless.

        Raises:
            UnavailableError: Redis did not confirm within `PUBLISH_ATTEMPTS` attempts of
                `PUBLISH_TIMEOUT_S` each.
        """
        payload = msgspec.json.encode(event)
        within_s = PUBLISH_ATTEMPTS * PUBLISH_TIMEOUT_S
        publish = repeating(_UNHEARD, attempts=PUBLISH_ATTEMPTS, within_s=within_s)
        try:
            await publish(self._append, payload)
        except _UNHEARD as error:
            raise UnavailableError("The change could not be announced; try again") from error

    async def _append(self, payload: bytes) -> None:
        async with TimeLimit(PUBLISH_TIMEOUT_S):
            seconds, _ = await self._redis.time()
            await self._redis.xadd(
                REVOCATION_STREAM,
                {FIELD: payload},
                minid=f"{(seconds - RETAINED_S) * 1000}-0",
                approximate=True,
            )
