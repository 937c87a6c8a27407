"""Member types that several bodies share.

What the schema language can say is said here, so that the document is true; what it can't (a
guessable password, a CIDR block with host bits) the domain refuses with a 400 that names it.
"""

from typing import Annotated, Any

from msgspec import Meta

from caas.auth.domain.clients import (
    COMPANY_NAME_MAX_CHARS,
    EMAIL_MAX_CHARS,
    PASSWORD_MAX_CHARS,
    PASSWORD_MIN_CHARS,
)
from caas.auth.domain.keys import SECRET_HEX_CHARS
from caas.auth.domain.users import (
    EXTERNAL_ID_MAX_CHARS,
    NAME_MAX_CHARS,
    PREFERENCE_KEY_MAX_CHARS,
    PREFERENCES_MAX,
    Preference,
)
from caas.auth.service.named_keys import KEY_NAME_MAX_CHARS
from caas.contracts.auth_api import PASSWORD_PATTERN
from caas.runtime.tokens import TOKEN_MAX_BYTES

TEXT_MAX_CHARS = 1000
CREDENTIAL_MAX_CHARS = SECRET_HEX_CHARS * 4
USER_AGENT_MAX_CHARS = 2000
ADDRESS_MAX_CHARS = 100

_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_NAME_PATTERN = rf"^ *[^\s{_CONTROLS}][^{_CONTROLS}]*$"


def _says(**schema: Any) -> dict[str, Any]:
    """Return what the document says beyond what msgspec checks itself."""
    return {"extra": schema}


ShortText = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=TEXT_MAX_CHARS)]
CompanyName = Annotated[
    str, Meta(min_length=1, max_length=COMPANY_NAME_MAX_CHARS, pattern=_NAME_PATTERN)
]
PersonName = Annotated[str, Meta(min_length=1, max_length=NAME_MAX_CHARS, pattern=_NAME_PATTERN)]
KeyName = Annotated[str, Meta(min_length=1, max_length=KEY_NAME_MAX_CHARS, pattern=_NAME_PATTERN)]
Email = Annotated[str, Meta(max_length=EMAIL_MAX_CHARS, extra_json_schema=_says(format="email"))]
NewPassword = Annotated[
    str,
    Meta(
        min_length=PASSWORD_MIN_CHARS,
        max_length=PASSWORD_MAX_CHARS,
        extra_json_schema=_says(format="password", pattern=PASSWORD_PATTERN),
    ),
]
"""Three of: small letters, capitals, digits, others; not common; not the address."""
Password = Annotated[str, Meta(max_length=TEXT_MAX_CHARS)]
Credential = Annotated[str, Meta(max_length=CREDENTIAL_MAX_CHARS)]
Token = Annotated[str, Meta(max_length=TOKEN_MAX_BYTES * 2)]
AddressText = Annotated[
    str,
    Meta(
        max_length=ADDRESS_MAX_CHARS,
        extra_json_schema=_says(any_of=[{"format": "ipv4"}, {"format": "ipv6"}]),
    ),
]
OriginText = Annotated[str, Meta(max_length=TEXT_MAX_CHARS)]
UserAgentText = Annotated[str, Meta(max_length=USER_AGENT_MAX_CHARS)]
ExternalId = Annotated[str, Meta(min_length=1, max_length=EXTERNAL_ID_MAX_CHARS)]
"""The tenant's own name for the user."""
ClientIdText = Annotated[str, Meta(max_length=100)]
Settings = Annotated[
    dict[str, Preference],
    Meta(
        max_length=PREFERENCES_MAX,
        extra_json_schema=_says(
            max_properties=PREFERENCES_MAX,
            property_names={
                "minLength": 1,
                "maxLength": PREFERENCE_KEY_MAX_CHARS,
                "pattern": r"^[A-Za-z0-9_-]+$",
            },
        ),
    ),
]
"""Names are letters, digits, `_` and `-`; values are plain."""
