"""Decode bodies as they are documented: a number is no boolean, and text is no number.

Litestar decodes JSON to plain values first and then converts those leniently, as it has to for
query parameters: `0` passes for `false`, `"5"` and `5.0` for `5`. Here the body is decoded
straight into the route's struct, strictly; the conversion that follows finds nothing to do.
"""

import re
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, SerializationException, ValidationException

_WHOLE_BODY = "data"  # Litestar's word for it
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body is exactly what its route declares, or is refused."""

    async def json(self) -> Any:
        """Return the body as the route's data type.

        Raises:
            ValidationException: It is JSON of another shape.
            ClientException: It is not JSON.
        """
        handler = self.scope["route_handler"]
        field = getattr(handler, "parsed_data_field", None)
        if field is None:
            return await super().json()
        try:
            return msgspec.json.decode(await self.body(), type=field.annotation)
        except msgspec.ValidationError as error:
            raise ValidationException(extra=[_broken_rule(str(error))]) from error
        except msgspec.DecodeError as error:
            raise ClientException from SerializationException(str(error))


def _broken_rule(text: str) -> dict[str, str]:
    """Return msgspec's message and path in the form of Litestar's own list."""
    found = _PATH.search(text)
    message = text if found is None else text[: found.start()]
    key = _WHOLE_BODY if found is None else found[1] or _WHOLE_BODY
    return {"message": message, "key": key, "source": "body"}
