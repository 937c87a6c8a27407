"""Bodies of client accounts: registration, login, keys, whitelists."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from caas.auth.domain.clients import Plan
from caas.auth.domain.keys import KeyPlace
from caas.auth.schemas.fields import (
    ClientIdText,
    CompanyName,
    Email,
    NewPassword,
    Password,
    Text,
)
from caas.auth.service.accounts import LoggedIn, Registered
from caas.contracts.auth import CLIENT_TTL_S
from caas.kernel import wire


class Register(wire.Request, frozen=True, kw_only=True):
    """POST /client/register."""

    company_name: CompanyName
    email: Email
    password: NewPassword
    plan: Plan = "free"


class Registration(wire.Response, frozen=True, kw_only=True):
    """A new account; the key and the secret are shown this once."""

    client_id: str
    tenant_id: str
    api_key: str
    api_secret: str
    message: str

    @classmethod
    def of(cls, made: Registered) -> "Registration":
        """Show what was made."""
        return cls(
            client_id=made.client.id,
            tenant_id=made.client.tenant_id,
            api_key=made.api_key,
            api_secret=made.api_secret,
            message="Registered. Keep the key and the secret: neither can be shown again.",
        )


class Login(wire.Request, frozen=True, kw_only=True):
    """POST /client/login."""

    email: Text
    password: Password


class AccountView(wire.Response, frozen=True, kw_only=True):
    """The account that signed in."""

    client_id: str
    tenant_id: str
    company_name: str
    email: str
    plan: Plan


class ClientLogin(wire.Response, frozen=True, kw_only=True):
    """A token with the role `tenant_admin`."""

    access_token: str
    token_type: str
    expires_in: Annotated[int, Meta(description="Seconds.")]
    role: str
    session_id: str
    client: AccountView

    @classmethod
    def of(cls, login: LoggedIn) -> "ClientLogin":
        """Show a login."""
        client = login.client
        return cls(
            access_token=login.access_token,
            token_type="Bearer",  # noqa: S106 - a scheme's name
            expires_in=CLIENT_TTL_S,
            role="tenant_admin",
            session_id=login.session.id,
            client=AccountView(
                client_id=client.id,
                tenant_id=client.tenant_id,
                company_name=client.company_name,
                email=client.email,
                plan=client.plan,
            ),
        )


class KeyOwner(wire.Request, frozen=True, kw_only=True):
    """Whose keys; a `tenant_admin` token may leave it out, a service may not."""

    client_id: ClientIdText | UnsetType = UNSET


class RevokeKey(wire.Request, frozen=True, kw_only=True):
    """POST /client/api-keys/revoke."""

    key: KeyPlace
    client_id: ClientIdText | UnsetType = UNSET


class SecondaryKey(wire.Response, frozen=True, kw_only=True):
    """A new secondary key, shown this once."""

    secondary_key: str
    message: str


class Message(wire.Response, frozen=True, kw_only=True):
    """What was done."""

    message: str


class AddIp(wire.Request, frozen=True, kw_only=True):
    """POST /client/ip-whitelist."""

    ip: Annotated[Text, Meta(description="An address or a CIDR block, IPv4 or IPv6.")]
    client_id: ClientIdText | UnsetType = UNSET


class AddOrigin(wire.Request, frozen=True, kw_only=True):
    """POST /client/origin-whitelist."""

    origin: Annotated[Text, Meta(description="An exact web origin: https://host[:port].")]
    client_id: ClientIdText | UnsetType = UNSET


class IpEntry(wire.Response, frozen=True, kw_only=True):
    """An entry in its canonical form."""

    client_id: str
    ip: str


class OriginEntry(wire.Response, frozen=True, kw_only=True):
    """An entry in its canonical form."""

    client_id: str
    origin: str


class WhitelistView(wire.Response, frozen=True, kw_only=True):
    """A whitelist; it has 100 entries at most, so there is one page. Empty allows everyone."""

    client_id: str
    items: list[str]
    next_cursor: None = None
