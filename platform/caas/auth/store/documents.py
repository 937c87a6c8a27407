"""The collections and their indexes, as Beanie documents.

Beanie validates what is inserted and builds the indexes; reads go from the raw document to a
domain value with msgspec, which costs a quarter of building a document first.
"""

from datetime import datetime
from typing import Any, ClassVar

from beanie import Document, init_beanie
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

from caas.auth.domain.sessions import SessionKind
from caas.auth.domain.users import UserStatus
from caas.contracts.auth.api import Plan, Preference
from caas.contracts.auth.internal import Status

SESSION_KEPT_AFTER_EXPIRY_S = 24 * 60 * 60

Raw = dict[str, Any]


class ClientDocument(Document):
    """A client account; `email_key` decides who registered first."""

    id: str  # type: ignore[assignment]  # Beanie allows any id type, its annotation does not
    tenant_id: str
    company_name: str
    email: str
    email_key: str
    password_hash: str
    plan: Plan
    status: Status
    secret_digest: str
    primary: Raw | None
    secondary: Raw | None
    ip_whitelist: list[str]
    origin_whitelist: list[str]
    created_at_ms: int
    updated_at_ms: int

    class Settings:
        """Where and how it is kept."""

        name = "clients"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel("email_key", unique=True),
            IndexModel("tenant_id", unique=True),
            *(
                IndexModel(
                    f"{place}.digest",
                    unique=True,
                    partialFilterExpression={f"{place}.digest": {"$type": "string"}},
                )
                for place in ("primary", "secondary")
            ),
        ]


class NamedKeyDocument(Document):
    """A key that a user of the tenant made."""

    id: str  # type: ignore[assignment]  # as above
    tenant_id: str
    client_id: str
    name: str
    scopes: list[str]
    created_by: str
    by_member: bool
    digest: str
    shown: str
    created_at_ms: int

    class Settings:
        """Where and how it is kept."""

        name = "api_keys"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel("digest", unique=True),
            IndexModel(
                [("tenant_id", ASCENDING), ("created_at_ms", ASCENDING), ("_id", ASCENDING)]
            ),
        ]


class KeyUseDocument(Document):
    """When a key was last used."""

    id: str  # type: ignore[assignment]  # as above
    last_used_at_ms: int

    class Settings:
        """Where and how it is kept."""

        name = "api_key_uses"


class UserDocument(Document):
    """An end user; the pair of tenant and external id is one user."""

    id: str  # type: ignore[assignment]  # as above
    tenant_id: str
    external_id: str
    email: str | None
    username: str | None
    name: str | None
    preferences: dict[str, Preference]
    metadata: dict[str, Preference]
    mfa_enabled: bool
    status: UserStatus
    created_at_ms: int
    updated_at_ms: int

    class Settings:
        """Where and how it is kept."""

        name = "users"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel([("tenant_id", ASCENDING), ("external_id", ASCENDING)], unique=True),
        ]


class SessionDocument(Document):
    """A session with its refresh family; `purge_at` lets MongoDB forget it by itself."""

    id: str  # type: ignore[assignment]  # as above
    kind: SessionKind
    tenant_id: str
    client_id: str
    holder_id: str
    external_id: str | None
    email: str | None
    permissions: list[str] | None
    ip_address: str
    user_agent: str
    device: Raw
    family: Raw | None
    created_at_ms: int
    last_activity_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None
    revoked_reason: str | None
    ttl_s: int | None = None
    unannounced: bool = False
    purge_at: datetime

    class Settings:
        """Where and how it is kept."""

        name = "sessions"
        indexes: ClassVar[list[IndexModel]] = [
            IndexModel(
                [
                    ("tenant_id", ASCENDING),
                    ("holder_id", ASCENDING),
                    ("created_at_ms", DESCENDING),
                    ("_id", DESCENDING),
                ]
            ),
            IndexModel(
                [("tenant_id", ASCENDING), ("kind", ASCENDING), ("expires_at_ms", ASCENDING)],
                name="open_sessions",
                partialFilterExpression={"revoked_at_ms": {"$eq": None}},
            ),
            IndexModel(
                [("unannounced", ASCENDING), ("_id", ASCENDING)],
                partialFilterExpression={"unannounced": True},
            ),
            IndexModel(
                [("revoked_at_ms", ASCENDING), ("_id", ASCENDING)],
                partialFilterExpression={"revoked_at_ms": {"$gt": 0}},
            ),
            IndexModel("purge_at", expireAfterSeconds=0),
        ]


class SigningKeyDocument(Document):
    """A signing key; its sequence number lets exactly one instance rotate."""

    id: str  # type: ignore[assignment]  # as above
    sequence: int
    public_x: str
    private_sealed: bytes
    created_at_ms: int
    activates_at_ms: int

    class Settings:
        """Where and how it is kept."""

        name = "signing_keys"
        indexes: ClassVar[list[IndexModel]] = [IndexModel("sequence", unique=True)]


DOCUMENTS: tuple[type[Document], ...] = (
    ClientDocument,
    NamedKeyDocument,
    KeyUseDocument,
    UserDocument,
    SessionDocument,
    SigningKeyDocument,
)


async def open_collections(database: AsyncDatabase[Raw]) -> None:
    """Bind the documents to *database* and build what indexes are missing.

    Documents are bound for the whole process; a process serves one database at a time.
    """
    await init_beanie(database=database, document_models=list(DOCUMENTS))
