"""Base structs for everything that is encoded.

CAAS bodies are snake_case, as the seed report shows them; the Chat Service and what socket
clients send are camelCase. A struct says which by its base.
"""

from typing import ClassVar

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body we decode from outside: strict, unknown fields are an error.

    Attributes:
        MEMBERS_MIN: How many members a body must have; where it is over 0 the use case refuses
            an emptier one, and the OpenAPI document says so.
    """

    MEMBERS_MIN: ClassVar[int] = 0


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A body we send: new fields may be added, always with a default."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message between services: a tagged union member; readers ignore unknown fields."""
