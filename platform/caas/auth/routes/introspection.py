"""`POST /api/v1/auth/internal/validate` past the framework: every service's hottest call.

It answers as the documented route does; a test compares the two case by case. A token seen
before costs a look-up of its claims, one of its session, and one of the rendered answer.
"""

import re

import msgspec

from caas.auth.schemas.internal import ValidToken
from caas.auth.schemas.sdk import CheckToken
from caas.auth.service.services import AuthServices
from caas.contracts.auth.identity import Claims
from caas.kernel.errors import InvalidInputError
from caas.runtime.http.fast import FastHandler, FastRequest, FastResponse

INTROSPECTION = ("POST", "/api/v1/auth/internal/validate")
RENDERED_MAX = 20_000

_JSON = ((b"content-type", b"application/json"),)
_FIELD = re.compile(r"(?: at `\$\.|(?:unknown|required) field `)(\w+)`")
_WHOLE_BODY = "body"
_decode = msgspec.json.Decoder(CheckToken).decode
_encode = msgspec.json.Encoder().encode


class MalformedJsonError(InvalidInputError):
    """The body is not JSON, in the words of the edge."""

    code = "malformed_json"

    def __init__(self) -> None:
        super().__init__("The body is not valid JSON")


def introspection(auth: AuthServices) -> FastHandler:
    """Return the handler for `INTROSPECTION`."""
    checks, secret = auth.checks, auth.secret
    rendered: dict[int, tuple[Claims, bytes]] = {}

    async def introspect(request: FastRequest) -> FastResponse:
        """Tell whether a token is good, and whose it is.

        Raises:
            ServiceAuthenticationError: Not one of our services.
            MalformedJsonError: The body is not JSON.
            InvalidInputError: The body is not `{"token": "..."}`.
            TokenRefusedError: The token is not good.
        """
        secret.require(request.fields.get(b"x-service-secret"))
        try:
            token = _decode(request.body).token
        except msgspec.ValidationError as error:
            raise _wrong_shape(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedJsonError from error
        claims = checks.remembered(token)
        if claims is None:
            claims = await checks.claims_of(token)
        known = rendered.get(id(claims))
        if known is not None and known[0] is claims:
            return FastResponse(200, _JSON, known[1])
        body = _encode(ValidToken.of(claims))
        if len(rendered) >= RENDERED_MAX:
            del rendered[next(iter(rendered))]
        # Keyed by the claims object that the verifier remembers, and held with it, so that its
        # id can't be another's.
        rendered[id(claims)] = (claims, body)
        return FastResponse(200, _JSON, body)

    return introspect


def _wrong_shape(error: msgspec.ValidationError) -> InvalidInputError:
    """Name the member that is wrong, as the documented route does."""
    text = str(error)
    found = _FIELD.search(text)
    path = found[1] if found else _WHOLE_BODY
    return InvalidInputError(
        "The request does not have the documented shape",
        errors=((path, text.partition(" - ")[0]),),
    )
