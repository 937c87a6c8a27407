"""The gateway's own bodies, in the seed report's names."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, structs

from caas.contracts.auth.api import CompanyName, ExternalId, Metadata, Plan
from caas.contracts.auth.internal import (
    SCOPES_MAX,
    Credential,
    KeyName,
    KeyPage,
    KeyRecord,
    NewKey,
    TenantUsage,
)
from caas.gateway.domain import (
    LOCALE_MAX_CHARS,
    LOCALE_PATTERN,
    SettingsChange,
)
from caas.gateway.service.tenants import Company
from caas.kernel import wire

Locale = Annotated[
    str,
    Meta(
        max_length=LOCALE_MAX_CHARS,
        pattern=LOCALE_PATTERN,
        description="A BCP 47 language tag.",
        examples=["en", "de-CH", "zh-Hant-TW"],
    ),
]
Timezone = Annotated[str, Meta(description="An IANA time zone.", examples=["UTC", "Europe/Vienna"])]


class Pong(wire.Response, frozen=True, kw_only=True):
    """The gateway answers (seed case 11)."""

    message: Literal["pong from v1"] = "pong from v1"


class SettingsView(wire.Response, frozen=True, kw_only=True):
    """What a tenant chose for itself."""

    locale: str
    timezone: str
    members_can_administer: Annotated[
        bool, Meta(description="Whether end users may change settings and manage keys.")
    ]


class CompanyView(wire.Response, frozen=True, kw_only=True):
    """A tenant with its account and its settings."""

    tenant_id: wire.Uuid
    client_id: wire.Uuid
    company_name: str
    email: str
    plan: Plan
    status: str
    settings: SettingsView
    created_at: wire.Timestamp
    updated_at: wire.Timestamp

    @classmethod
    def of(cls, company: Company) -> "CompanyView":
        """Show the company."""
        record, settings = company.record, company.settings
        return cls(
            tenant_id=record.tenant_id,
            client_id=record.client_id,
            company_name=record.company_name,
            email=record.email,
            plan=record.plan,
            status=record.status,
            settings=SettingsView(
                locale=settings.locale,
                timezone=settings.timezone,
                members_can_administer=settings.members_can_administer,
            ),
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


class SettingsBody(wire.Change, frozen=True, kw_only=True):
    """New settings; what is left out stays as it is."""

    locale: Locale | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET
    members_can_administer: bool | UnsetType = UNSET

    def to_domain(self) -> SettingsChange:
        """Return it as the use case takes it."""
        given = structs.asdict(self).items()
        return SettingsChange(**{name: value for name, value in given if value is not UNSET})


class UpdateTenant(wire.Change, frozen=True, kw_only=True):
    """PUT /v1/tenant/settings."""

    settings: SettingsBody | UnsetType = UNSET
    company_name: CompanyName | UnsetType = UNSET

    def to_domain(self) -> tuple[SettingsChange, str | None]:
        """Return it as the use case takes it."""
        settings, name = self.settings, self.company_name
        return (
            SettingsChange() if isinstance(settings, UnsetType) else settings.to_domain(),
            None if isinstance(name, UnsetType) else name,
        )


class UsageView(wire.Response, frozen=True, kw_only=True):
    """What a tenant uses at the moment `as_of`."""

    tenant_id: wire.Uuid
    users: int
    active_sessions: int
    api_keys: int
    as_of: wire.Timestamp

    @classmethod
    def of(cls, usage: TenantUsage) -> "UsageView":
        """Show the counts."""
        return cls(
            tenant_id=usage.tenant_id,
            users=usage.users,
            active_sessions=usage.active_sessions,
            api_keys=usage.api_keys,
            as_of=usage.as_of,
        )


class CreateKey(wire.Request, frozen=True, kw_only=True):
    """POST /v1/auth/api-keys."""

    name: KeyName
    scopes: Annotated[
        list[str],
        Meta(
            max_length=SCOPES_MAX,
            description="Permission names, or `read` and `write`; no more than the caller holds.",
        ),
    ]


class CreatedKey(wire.Response, frozen=True, kw_only=True):
    """A new API key; `key` is shown this once."""

    id: wire.Uuid
    name: str
    scopes: list[str]
    key: str
    key_prefix: str
    created_at: wire.Timestamp

    @classmethod
    def of(cls, made: NewKey) -> "CreatedKey":
        """Show what was made."""
        return cls(
            id=made.id,
            name=made.name,
            scopes=made.scopes,
            key=made.key,
            key_prefix=made.key_prefix,
            created_at=made.created_at,
        )


class ApiKeyView(wire.Response, frozen=True, kw_only=True):
    """An API key, without the key."""

    id: wire.Uuid
    name: str
    scopes: list[str]
    key_prefix: str
    created_at: wire.Timestamp
    created_by: str
    last_used_at: wire.Timestamp | None

    @classmethod
    def of(cls, key: KeyRecord) -> "ApiKeyView":
        """Show a key."""
        return cls(
            id=key.id,
            name=key.name,
            scopes=key.scopes,
            key_prefix=key.key_prefix,
            created_at=key.created_at,
            created_by=key.created_by,
            last_used_at=key.last_used_at,
        )


class ApiKeyPage(wire.Response, frozen=True, kw_only=True):
    """API keys, oldest first."""

    items: list[ApiKeyView]
    next_cursor: str | None

    @classmethod
    def of(cls, page: KeyPage) -> "ApiKeyPage":
        """Show a page."""
        return cls(items=[ApiKeyView.of(key) for key in page.items], next_cursor=page.next_cursor)


class AppCredentials(wire.Request, frozen=True, kw_only=True):
    """POST /v1/auth/sdk/token."""

    app_id: Annotated[Credential, Meta(description="The registered client's `client_id`.")]
    app_secret: Annotated[Credential, Meta(description="Its `api_secret`.")]
    user_external_id: ExternalId | None = None
    metadata: Metadata | None = None


class Logout(wire.Request, frozen=True, kw_only=True):
    """POST /v1/auth/logout; the token says whose session, so there is nothing to give."""
