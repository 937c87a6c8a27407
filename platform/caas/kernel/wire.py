"""Base structs for everything that is encoded.

CAAS bodies are snake_case, as the seed report shows them; the Chat Service and what socket
clients send are camelCase. A struct says which by its base.
"""

from typing import Annotated, ClassVar

import msgspec

# For the OpenAPI document: what we send needs no check of ours.
Uuid = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]
Timestamp = Annotated[
    str, msgspec.Meta(description="RFC 3339, in UTC.", extra_json_schema={"format": "date-time"})
]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body we decode from outside: strict, unknown fields are an error.

    Attributes:
        MEMBERS_MIN: How many members a body must have, for the OpenAPI document.
    """

    MEMBERS_MIN: ClassVar[int] = 0


class Change(Request, frozen=True, kw_only=True):
    """A body of which every member may be left `UNSET`, but not all: that can't mean anything.

    Raises:
        ValueError: Nothing is given; a `msgspec.ValidationError` when it was decoded.
    """

    MEMBERS_MIN: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if all(getattr(self, name) is msgspec.UNSET for name in self.__struct_fields__):
            raise ValueError(f"Give at least one of {', '.join(self.__struct_fields__)}")


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A body we send: new fields may be added, always with a default."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A message between services: a tagged union member; readers ignore unknown fields."""
