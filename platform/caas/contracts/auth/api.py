"""Bodies of the auth service's public routes that the gateway passes on, and documents.

What the schema language can say is said here, so that the documents are true; what it can't (a
guessable password, a CIDR block with host bits) the domain refuses with a 400 that names it.
"""

from itertools import permutations
from typing import Annotated, Literal

from msgspec import Meta

from caas.contracts.auth.identity import REFRESH_TTL_S
from caas.kernel import wire

TEXT_MAX_CHARS = 1000
SHORT_TEXT_MAX_CHARS = 200
COMPANY_NAME_MAX_CHARS = 120
PERSON_NAME_MAX_CHARS = 100
EMAIL_MAX_CHARS = 254
PASSWORD_MIN_CHARS = 10
PASSWORD_MAX_CHARS = 128
EXTERNAL_ID_MAX_CHARS = 256
TOKEN_TEXT_MAX_CHARS = 8192
METADATA_MAX = 50
METADATA_KEY_MAX_CHARS = 64

# Begins with something that can be seen, and holds no control character or line separator.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
NAME_PATTERN = rf"^ *[^\s{_CONTROLS}][^{_CONTROLS}]*$"

PASSWORD_KINDS_MIN = 3
# As JSON Schema can say it: three of the four kinds of characters, in any order.
PASSWORD_PATTERN = "|".join(
    r"[\s\S]*".join(order)
    for order in permutations(("[a-z]", "[A-Z]", "[0-9]", "[^a-zA-Z0-9]"), PASSWORD_KINDS_MIN)
)

Plan = Literal["free", "business", "enterprise"]
Preference = str | int | float | bool | None

Text = Annotated[str, Meta(max_length=TEXT_MAX_CHARS)]
ShortText = Annotated[str, Meta(max_length=SHORT_TEXT_MAX_CHARS)]
CompanyName = Annotated[
    str, Meta(min_length=1, max_length=COMPANY_NAME_MAX_CHARS, pattern=NAME_PATTERN)
]
PersonName = Annotated[
    str, Meta(min_length=1, max_length=PERSON_NAME_MAX_CHARS, pattern=NAME_PATTERN)
]
Email = Annotated[str, Meta(max_length=EMAIL_MAX_CHARS, extra_json_schema={"format": "email"})]
NewPassword = Annotated[
    str,
    Meta(
        min_length=PASSWORD_MIN_CHARS,
        max_length=PASSWORD_MAX_CHARS,
        description="Three of: small letters, capitals, digits, others. Never returned.",
        extra_json_schema={"format": "password", "pattern": PASSWORD_PATTERN},
    ),
]
Password = Annotated[str, Meta(max_length=TEXT_MAX_CHARS, description="Never returned or logged.")]
Token = Annotated[str, Meta(max_length=TOKEN_TEXT_MAX_CHARS)]
Seconds = Annotated[int, Meta(description="Seconds the access token lives.")]
ShorterTtl = Annotated[
    int,
    Meta(
        ge=1,
        le=REFRESH_TTL_S,
        description="Seconds its tokens live at the most; by default as long as they may.",
    ),
]
ExternalId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=EXTERNAL_ID_MAX_CHARS,
        description="The tenant's own name for the user.",
    ),
]
Metadata = Annotated[
    dict[str, Preference],
    Meta(
        max_length=METADATA_MAX,
        extra_json_schema={
            "propertyNames": {
                "minLength": 1,
                "maxLength": METADATA_KEY_MAX_CHARS,
                "pattern": "^[A-Za-z0-9_-]+$",
            }
        },
    ),
]


class Register(wire.Request, frozen=True, kw_only=True):
    """A company's registration."""

    company_name: CompanyName
    email: Email
    password: NewPassword
    plan: Plan = "free"


class Registration(wire.Response, frozen=True, kw_only=True):
    """A new account; the key and the secret are shown this once."""

    client_id: wire.Uuid
    tenant_id: wire.Uuid
    api_key: str
    api_secret: str
    message: str


class Login(wire.Request, frozen=True, kw_only=True):
    """A company's administrator signs in."""

    email: Text
    password: Password


class AccountView(wire.Response, frozen=True, kw_only=True):
    """The account that signed in."""

    client_id: wire.Uuid
    tenant_id: wire.Uuid
    company_name: str
    email: str
    plan: Plan


class ClientLogin(wire.Response, frozen=True, kw_only=True):
    """A token with the role `tenant_admin`."""

    access_token: str
    token_type: str
    expires_in: Annotated[int, Meta(description="Seconds.")]
    role: str
    session_id: wire.Uuid
    client: AccountView


class UserDataBody(wire.Request, frozen=True, kw_only=True):
    """What the tenant says about the user; what is left out stays as it is."""

    name: PersonName | None = None
    email: Email | None = None
    metadata: Metadata | None = None


class DeviceBody(wire.Request, frozen=True, kw_only=True):
    """What the client says about its device."""

    device_type: ShortText | None = None
    device_name: ShortText | None = None
    device_fingerprint: ShortText | None = None
    platform: ShortText | None = None
    app_version: ShortText | None = None


class OpenSession(wire.Request, frozen=True, kw_only=True):
    """A session for one of the tenant's users, made on first sight."""

    user_external_id: ExternalId
    ttl_s: ShorterTtl | None = None
    user_data: UserDataBody = UserDataBody()
    device_info: DeviceBody = DeviceBody()


class RefreshSession(wire.Request, frozen=True, kw_only=True):
    """A refresh token to exchange for its successor."""

    refresh_token: Token


class SessionUser(wire.Response, frozen=True, kw_only=True):
    """The user of a new session."""

    user_id: wire.Uuid
    external_id: str
    tenant_id: wire.Uuid


class SdkSession(wire.Response, frozen=True, kw_only=True):
    """A new session (seed case 19)."""

    access_token: str
    refresh_token: str
    expires_in: Seconds
    token_type: str
    user: SessionUser
    session_id: wire.Uuid
    socket_urls: list[str]


class Tokens(wire.Response, frozen=True, kw_only=True):
    """A refreshed pair (seed case 25)."""

    access_token: str
    refresh_token: str
    expires_in: Seconds
    token_type: str


class SessionState(wire.Response, frozen=True, kw_only=True):
    """A session as its holder may see it."""

    session_id: wire.Uuid
    user_id: wire.Uuid
    tenant_id: wire.Uuid
    device_type: str | None
    device_name: str | None
    device_fingerprint: str | None
    platform: str | None
    app_version: str | None
    ip_address: str
    user_agent: str
    is_active: bool
    created_at: wire.Timestamp
    last_activity_at: wire.Timestamp
    expires_at: wire.Timestamp
    is_current: bool


class SessionPage(wire.Response, frozen=True, kw_only=True):
    """Open sessions, newest first."""

    sessions: list[SessionState]
    next_cursor: str | None


class SessionsEnded(wire.Response, frozen=True, kw_only=True):
    """How many sessions were ended."""

    message: str
    revoked: int


class Message(wire.Response, frozen=True, kw_only=True):
    """What was done."""

    message: str
