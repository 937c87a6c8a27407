"""Member types that several bodies share. Sizes are checked again, in words, by the domain."""

from typing import Annotated

from msgspec import Meta

from caas.auth.domain.keys import SECRET_HEX_CHARS
from caas.auth.domain.users import EXTERNAL_ID_MAX_CHARS
from caas.runtime.tokens import TOKEN_MAX_BYTES

TEXT_MAX_CHARS = 1000
CREDENTIAL_MAX_CHARS = SECRET_HEX_CHARS * 4
USER_AGENT_MAX_CHARS = 2000
ADDRESS_MAX_CHARS = 100

Text = Annotated[str, Meta(max_length=TEXT_MAX_CHARS)]
ShortText = Annotated[str, Meta(max_length=200)]
Password = Annotated[str, Meta(max_length=TEXT_MAX_CHARS, description="Never returned or logged.")]
Credential = Annotated[str, Meta(max_length=CREDENTIAL_MAX_CHARS)]
Token = Annotated[str, Meta(max_length=TOKEN_MAX_BYTES * 2)]
AddressText = Annotated[
    str, Meta(max_length=ADDRESS_MAX_CHARS, description="An IPv4 or IPv6 address.")
]
OriginText = Annotated[str, Meta(max_length=TEXT_MAX_CHARS)]
UserAgentText = Annotated[str, Meta(max_length=USER_AGENT_MAX_CHARS)]
ExternalId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=EXTERNAL_ID_MAX_CHARS,
        description="The tenant's own name for the user.",
    ),
]
ClientIdText = Annotated[str, Meta(max_length=100, description="The account's id.")]
