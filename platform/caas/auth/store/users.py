"""End users in MongoDB."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from caas.auth.domain.users import User, UserData
from caas.auth.store.documents import Raw, UserDocument
from caas.auth.store.mapping import of_raw, of_raw_or_none
from caas.contracts.auth.api import Preference
from caas.kernel.errors import ConflictError
from caas.kernel.ids import TenantId, UserId, new_id
from caas.runtime.data.outages import translate_errors
from caas.runtime.repeating import repeating

UPSERT_ATTEMPTS = 3
UPSERT_MAX_S = 1.0


@dataclass(frozen=True, slots=True)
class MongoUserStore:
    """A `UserStore`; `open_collections` must have run."""

    @property
    def _raw(self) -> AsyncCollection[Raw]:
        return UserDocument.get_pymongo_collection()

    async def upsert(
        self, tenant_id: TenantId, external_id: str, data: UserData, now_ms: int
    ) -> User:
        """Return the tenant's user of that external id, made or updated as *data* says."""
        given = {"email": data.email, "username": data.username, "metadata": data.metadata}
        said: Raw = {name: value for name, value in given.items() if value is not None}
        identity = {"tenant_id": tenant_id, "external_id": external_id}
        with translate_errors():
            known = await self._raw.find_one(identity)
            if known is not None and _says_nothing_new(said, known):
                return of_raw(known, User)
            # Another session may make the user between look-up and insert.
            upsert = repeating(DuplicateKeyError, attempts=UPSERT_ATTEMPTS, within_s=UPSERT_MAX_S)
            try:
                raw = await upsert(
                    self._raw.find_one_and_update,
                    identity,
                    {
                        "$set": said | {"updated_at_ms": now_ms},
                        "$setOnInsert": _fresh(said, now_ms),
                    },
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            except DuplicateKeyError as error:
                raise ConflictError("The user is being changed at this moment") from error
        assert raw is not None  # noqa: S101 - an upsert returns what it made
        return of_raw(raw, User)

    async def find(self, tenant_id: TenantId, user_id: UserId) -> User | None:
        """Return the tenant's user, or None."""
        with translate_errors():
            raw = await self._raw.find_one({"_id": user_id, "tenant_id": tenant_id})
        return of_raw_or_none(raw, User)

    async def update_profile(
        self,
        tenant_id: TenantId,
        user_id: UserId,
        *,
        name: str | None,
        preferences: Mapping[str, Preference] | None,
        now_ms: int,
    ) -> User | None:
        """Replace what is not None; return the user as it is now, or None."""
        change: Raw = {"updated_at_ms": now_ms}
        if name is not None:
            change["name"] = name
        if preferences is not None:
            change["preferences"] = dict(preferences)
        with translate_errors():
            raw = await self._raw.find_one_and_update(
                {"_id": user_id, "tenant_id": tenant_id},
                {"$set": change},
                return_document=ReturnDocument.AFTER,
            )
        return of_raw_or_none(raw, User)

    async def count(self, tenant_id: TenantId) -> int:
        """Return how many users the tenant has."""
        with translate_errors():
            return await self._raw.count_documents({"tenant_id": tenant_id})


def _says_nothing_new(said: Raw, known: Raw) -> bool:
    """Compare as JSON does: to Python, True and 1 and 1.0 are equal."""
    encode = msgspec.json.encode
    return all(encode(value) == encode(known.get(name)) for name, value in said.items())


def _fresh(said: Raw, now_ms: int) -> Raw:
    """Return what a new user has beyond its identity and what the tenant said."""
    defaults: Raw = {
        "_id": new_id(),
        "email": None,
        "username": None,
        "name": None,
        "preferences": {},
        "metadata": {},
        "mfa_enabled": False,
        "status": "active",
        "created_at_ms": now_ms,
    }
    return {name: value for name, value in defaults.items() if name not in said}
