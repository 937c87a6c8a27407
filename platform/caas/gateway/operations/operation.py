"""How one passed-on operation is described, and one service behind the gateway."""

from dataclasses import dataclass

import msgspec

BEARER = b"authorization"
KEY = b"x-api-key"


@dataclass(frozen=True, slots=True)
class Need:
    """What a route asks of its caller.

    Attributes:
        tenant: A credential that names a tenant; without, anyone may pass.
        api_key: Whether an API key is enough, beside a bearer token.
    """

    tenant: bool
    api_key: bool = False


PUBLIC = Need(tenant=False)
SIGNED_IN = Need(tenant=True)
TENANT = Need(tenant=True, api_key=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # compared and hashed as itself
class Operation:
    """One operation of a service behind, at the gateway's address.

    Attributes:
        method: Upper case.
        path: At the gateway; the last segment may be a parameter.
        upstream: At the service, with the same parameter or none.
        need: What admission asks of the caller.
        credential: The header that the service reads to know the caller; no other is passed on.
        body: What the service decodes; None for no body.
        takes_body: The body is for the gateway alone: checked here, not passed on, optional.
        answer: What the service encodes.
        status: Of success.
        errors: Statuses of the service's own refusals, beside those that any request may get.
        paged: Whether it takes `limit` and `cursor`.
        idempotent: Whether the service honours `Idempotency-Key`.
    """

    method: str
    path: str
    upstream: str
    need: Need
    summary: str
    tag: str
    answer: type[msgspec.Struct]
    status: int = 200
    credential: bytes | None = None
    body: type[msgspec.Struct] | None = None
    takes_body: bool = False
    errors: tuple[int, ...] = ()
    paged: bool = False
    idempotent: bool = False

    @property
    def parameter(self) -> str | None:
        """Return the name of the path parameter, or None."""
        last = self.path.rpartition("/")[2]
        return last[1:-1] if last.startswith("{") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One service behind, with what reaches it from outside; nothing else does.

    Attributes:
        service: Its `service.name`.
        prefixes: Of the gateway's paths; each of its operations is below one.
    """

    service: str
    prefixes: tuple[str, ...]
    operations: tuple[Operation, ...]
