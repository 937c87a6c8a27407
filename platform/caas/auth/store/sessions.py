"""Sessions in MongoDB. The refresh rotation is one findAndModify, so one caller wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection

from caas.auth.domain.sessions import Issue, Session, expiry_of, rotated
from caas.auth.store.documents import SESSION_KEPT_AFTER_EXPIRY_S, Raw, SessionDocument
from caas.auth.store.mapping import of_raw, of_raw_or_none, to_raw
from caas.kernel.ids import ClientId, SessionId, TenantId, UserId
from caas.runtime.data.outages import translate_errors

REVOKED_AT_ONCE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class MongoSessionStore:
    """A `SessionStore`; `open_collections` must have run."""

    @property
    def _raw(self) -> AsyncCollection[Raw]:
        return SessionDocument.get_pymongo_collection()

    async def add(self, session: Session) -> None:
        """Store a new session."""
        raw = to_raw(session) | {"purge_at": _purge_at(session.expires_at_ms)}
        with translate_errors():
            await SessionDocument.model_validate(raw).insert()

    async def find(self, tenant_id: TenantId, session_id: SessionId) -> Session | None:
        """Return the session, open or ended, or None."""
        with translate_errors():
            raw = await self._raw.find_one({"_id": session_id, "tenant_id": tenant_id})
        return of_raw_or_none(raw, Session)

    async def rotate(
        self, session: Session, presented_jti: str, successor: Issue, now_ms: int
    ) -> Session | None:
        """Make *successor* the head if the head is *presented_jti* and the session is open."""
        if session.family is None:
            return None
        family = rotated(session.family, successor, now_ms=now_ms)
        expires_at_ms = expiry_of(session.created_at_ms, successor, session.ttl_s)
        with translate_errors():
            raw = await self._raw.find_one_and_update(
                {
                    "_id": session.id,
                    "tenant_id": session.tenant_id,
                    "family.head.refresh_jti": presented_jti,
                    "family.generation": session.family.generation,
                    "revoked_at_ms": None,
                    "expires_at_ms": {"$gt": now_ms},
                },
                {
                    "$set": {
                        "family": msgspec.to_builtins(family),
                        "last_activity_at_ms": now_ms,
                        "expires_at_ms": expires_at_ms,
                        "purge_at": _purge_at(expires_at_ms),
                    }
                },
                return_document=ReturnDocument.AFTER,
            )
        return of_raw_or_none(raw, Session)

    async def revoke(
        self, tenant_id: TenantId, session_id: SessionId, reason: str, now_ms: int
    ) -> bool:
        """End the session unless it has ended; tell whether its end is to be announced."""
        one = {"_id": session_id, "tenant_id": tenant_id}
        with translate_errors():
            done = await self._raw.update_one(
                one | {"revoked_at_ms": None, "expires_at_ms": {"$gt": now_ms}},
                _ending(reason, now_ms),
            )
            if done.modified_count == 1:
                return True
            return await self._raw.find_one(one | {"unannounced": True}) is not None

    async def revoke_all(
        self,
        tenant_id: TenantId,
        holder_id: UserId | ClientId,
        *,
        spare: SessionId | None,
        reason: str,
        now_ms: int,
    ) -> tuple[SessionId, ...]:
        """End every open session of the holder but *spare*; return those to be announced."""
        own: Raw = {"tenant_id": tenant_id, "holder_id": holder_id}
        if spare is not None:
            own["_id"] = {"$ne": spare}
        with translate_errors():
            await self._raw.update_many(
                own | {"revoked_at_ms": None, "expires_at_ms": {"$gt": now_ms}},
                _ending(reason, now_ms),
            )
            found = self._raw.find(own | {"unannounced": True}, {"_id": 1})
            raws = await found.limit(REVOKED_AT_ONCE_MAX).to_list()
        return tuple(SessionId(raw["_id"]) for raw in raws)

    async def announced(self, session_ids: Sequence[SessionId]) -> None:
        """Note that the ends of these sessions are on the revocation stream."""
        with translate_errors():
            await self._raw.update_many(
                {"_id": {"$in": list(session_ids)}, "unannounced": True},
                {"$set": {"unannounced": False}},
            )

    async def ended_since(
        self, since_ms: int, *, unannounced_only: bool, after: SessionId | None, limit: int
    ) -> list[Session]:
        """Return up to *limit* sessions that ended since then, by id, after that id."""
        query: Raw = {"revoked_at_ms": {"$gte": since_ms}}
        if unannounced_only:
            query["unannounced"] = True
        if after is not None:
            query["_id"] = {"$gt": after}
        with translate_errors():
            found = self._raw.find(query).sort("_id", ASCENDING).limit(limit)
            return [of_raw(raw, Session) for raw in await found.to_list()]

    async def page(
        self,
        tenant_id: TenantId,
        holder_id: UserId | ClientId,
        *,
        now_ms: int,
        after: SessionId | None,
        limit: int,
    ) -> list[Session]:
        """Return up to *limit* open sessions of the holder, newest first, after that one."""
        own = {"tenant_id": tenant_id, "holder_id": holder_id}
        query: Raw = own | _open(now_ms)
        with translate_errors():
            if after is not None:
                mark = await self._raw.find_one(own | {"_id": after})
                if mark is None:
                    return []
                at_ms = mark["created_at_ms"]
                query["$or"] = [
                    {"created_at_ms": {"$lt": at_ms}},
                    {"created_at_ms": at_ms, "_id": {"$lt": after}},
                ]
            newest = [("created_at_ms", DESCENDING), ("_id", DESCENDING)]
            raws = await self._raw.find(query).sort(newest).limit(limit).to_list()
        return [of_raw(raw, Session) for raw in raws]

    async def count_open(self, tenant_id: TenantId, now_ms: int) -> int:
        """Return how many sessions of the tenant's users are open."""
        query = {"tenant_id": tenant_id, "kind": "user"} | _open(now_ms)
        with translate_errors():
            return await self._raw.count_documents(query)

    async def oldest_beyond(
        self, tenant_id: TenantId, holder_id: UserId | ClientId, *, keep: int, now_ms: int
    ) -> tuple[SessionId, ...]:
        """Return the holder's open sessions but the *keep* most recently active ones."""
        query = {"tenant_id": tenant_id, "holder_id": holder_id} | _open(now_ms)
        active = [("last_activity_at_ms", DESCENDING), ("created_at_ms", DESCENDING)]
        with translate_errors():
            found = self._raw.find(query, {"_id": 1}).sort(active).skip(keep)
            raws = await found.limit(REVOKED_AT_ONCE_MAX).to_list()
        return tuple(SessionId(raw["_id"]) for raw in raws)


def _open(now_ms: int) -> Raw:
    return {"revoked_at_ms": None, "expires_at_ms": {"$gt": now_ms}}


def _ending(reason: str, now_ms: int) -> Raw:
    return {"$set": {"revoked_at_ms": now_ms, "revoked_reason": reason, "unannounced": True}}


def _purge_at(expires_at_ms: int) -> datetime:
    return datetime.fromtimestamp(expires_at_ms / 1000 + SESSION_KEPT_AFTER_EXPIRY_S, UTC)
