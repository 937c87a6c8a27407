"""Signing keys in MongoDB; private halves arrive sealed and stay sealed."""

from dataclasses import dataclass

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DuplicateKeyError

from caas.auth.domain.signing import SigningKey
from caas.auth.store.documents import Raw, SigningKeyDocument
from caas.auth.store.mapping import of_raw, to_raw
from caas.runtime.data.outages import translate_errors

KEYS_READ_MAX = 100


@dataclass(frozen=True, slots=True)
class MongoSigningKeyStore:
    """A `SigningKeyStore`; `open_collections` must have run."""

    @property
    def _raw(self) -> AsyncCollection[Raw]:
        return SigningKeyDocument.get_pymongo_collection()

    async def all(self) -> list[SigningKey]:
        """Return every stored key."""
        with translate_errors():
            raws = await self._raw.find({}).sort("sequence", -1).limit(KEYS_READ_MAX).to_list()
        return [of_raw(raw, SigningKey, id_field="kid") for raw in raws]

    async def add(self, key: SigningKey) -> bool:
        """Store *key*; tell whether its sequence number was free."""
        with translate_errors():
            try:
                await SigningKeyDocument.model_validate(to_raw(key)).insert()
            except DuplicateKeyError:
                return False
        return True

    async def remove(self, kid: str) -> None:
        """Forget the key."""
        with translate_errors():
            await self._raw.delete_one({"_id": kid})
