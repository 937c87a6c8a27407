"""Bodies of client accounts: registration, login, keys, whitelists."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from caas.auth.domain.keys import KeyPlace
from caas.auth.domain.whitelists import ORIGIN_MAX_CHARS
from caas.auth.service.accounts import LoggedIn, Registered
from caas.contracts.auth.api import AccountView, ClientLogin, Registration, Text
from caas.contracts.auth.identity import CLIENT_TTL_S
from caas.kernel import wire

ClientIdText = Annotated[str, Meta(max_length=100)]
# Said, not checked, by the schema: the domain says better what is wrong.
IpText = Annotated[
    Text,
    Meta(
        description="An address or a CIDR block, IPv4 or IPv6.",
        extra_json_schema={
            "anyOf": [
                {"format": "ipv4"},
                {"format": "ipv6"},
                {"pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"},
            ]
        },
    ),
]
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
OriginText = Annotated[
    str,
    Meta(
        max_length=ORIGIN_MAX_CHARS,
        description="An exact web origin: https://host[:port].",
        extra_json_schema={
            "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"
            rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?$"
        },
    ),
]


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


class AddIp(wire.Request, frozen=True, kw_only=True):
    """POST /client/ip-whitelist."""

    ip: IpText
    client_id: ClientIdText | UnsetType = UNSET


class AddOrigin(wire.Request, frozen=True, kw_only=True):
    """POST /client/origin-whitelist."""

    origin: OriginText
    client_id: ClientIdText | UnsetType = UNSET


class IpEntry(wire.Response, frozen=True, kw_only=True):
    """An entry in its canonical form."""

    client_id: wire.Uuid
    ip: str


class OriginEntry(wire.Response, frozen=True, kw_only=True):
    """An entry in its canonical form."""

    client_id: wire.Uuid
    origin: str


class WhitelistView(wire.Response, frozen=True, kw_only=True):
    """A whitelist; it has 100 entries at most, so there is one page. Empty allows everyone."""

    client_id: wire.Uuid
    items: list[str]
    next_cursor: None = None


def registration_of(made: Registered) -> Registration:
    """Show what was made."""
    return Registration(
        client_id=made.client.id,
        tenant_id=made.client.tenant_id,
        api_key=made.api_key,
        api_secret=made.api_secret,
        message="Registered. Keep the key and the secret; neither can be shown again.",
    )


def client_login_of(login: LoggedIn) -> ClientLogin:
    """Show a login."""
    client = login.client
    return ClientLogin(
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
