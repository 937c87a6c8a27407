"""Where every service but the auth service gets the keys of tokens: from its published set."""

from collections.abc import Sequence

import msgspec

from caas.contracts.auth.identity import JWKS_PATH, Jwks, PublicJwk
from caas.kernel.errors import UnavailableError
from caas.runtime.calls.client import HttpClient


async def fetch_key_set(auth: HttpClient) -> Sequence[PublicJwk]:
    """Return the keys that *auth*, a client of the auth service, publishes.

    Raises:
        UnavailableError: It can't be reached, or says nothing that can be read.
    """
    answer = await auth.fetch(b"GET", JWKS_PATH.encode(), route=JWKS_PATH)
    try:
        return msgspec.json.decode(answer.body, type=Jwks).keys
    except msgspec.MsgspecError as error:
        raise UnavailableError("The key set can't be read") from error
