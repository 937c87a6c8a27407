"""What the gateway passes on: one table for routing, admission and documentation alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from caas.contracts.auth.api import (
    ClientLogin,
    Login,
    Message,
    OpenSession,
    RefreshSession,
    Register,
    Registration,
    SdkSession,
    SessionPage,
    SessionsEnded,
    SessionState,
    Tokens,
)
from caas.gateway.routes.admission import PUBLIC, SIGNED_IN, Need
from caas.gateway.schemas import Logout

BEARER = b"authorization"
KEY = b"x-api-key"


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


_SDK = "/api/v1/auth/sdk"
_CLIENT = "/api/v1/auth/client"
_SESSIONS = "/api/v1/sessions"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/v1/client/register",
        upstream=f"{_CLIENT}/register",
        need=PUBLIC,
        summary="Register a company; its key and secret are shown this once.",
        tag="client",
        body=Register,
        answer=Registration,
        status=201,
        errors=(409, 422),
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/client/login",
        upstream=f"{_CLIENT}/login",
        need=PUBLIC,
        summary="Sign a company's administrator in.",
        tag="client",
        body=Login,
        answer=ClientLogin,
        errors=(401,),
    ),
    Operation(
        method="POST",
        path="/v1/sdk/session",
        upstream=f"{_SDK}/session",
        need=PUBLIC,
        credential=KEY,
        summary="Open a session for one of the tenant's users, who is made on first sight.",
        tag="sdk",
        body=OpenSession,
        answer=SdkSession,
        errors=(401, 403, 409, 422),
        idempotent=True,
    ),
    Operation(
        method="POST",
        path="/v1/sdk/refresh",
        upstream=f"{_SDK}/refresh",
        need=PUBLIC,
        summary="Trade a refresh token for a new pair.",
        tag="sdk",
        body=RefreshSession,
        answer=Tokens,
        errors=(401,),
    ),
    Operation(
        method="POST",
        path="/v1/sdk/logout",
        upstream=f"{_SDK}/logout",
        need=SIGNED_IN,
        credential=BEARER,
        summary="End the session of the token.",
        tag="sdk",
        answer=Message,
    ),
    Operation(
        method="POST",
        path="/v1/auth/logout",
        upstream=f"{_SDK}/logout",
        need=SIGNED_IN,
        credential=BEARER,
        summary="End the session of the token; every service refuses its tokens from then on.",
        tag="sdk",
        body=Logout,
        takes_body=True,
        answer=Message,
    ),
    Operation(
        method="GET",
        path="/v1/sessions",
        upstream=_SESSIONS,
        need=SIGNED_IN,
        credential=BEARER,
        summary="List the caller's open sessions, newest first.",
        tag="sessions",
        answer=SessionPage,
        errors=(403,),
        paged=True,
    ),
    Operation(
        method="GET",
        path="/v1/sessions/{session_id}",
        upstream=_SESSIONS + "/{session_id}",
        need=SIGNED_IN,
        credential=BEARER,
        summary="Show one of the caller's open sessions.",
        tag="sessions",
        answer=SessionState,
        errors=(403,),
    ),
    Operation(
        method="DELETE",
        path="/v1/sessions/{session_id}",
        upstream=_SESSIONS + "/{session_id}",
        need=SIGNED_IN,
        credential=BEARER,
        summary="End one of the caller's sessions.",
        tag="sessions",
        answer=SessionsEnded,
        errors=(403,),
    ),
    Operation(
        method="DELETE",
        path="/v1/sessions/others",
        upstream=_SESSIONS + "/others",
        need=SIGNED_IN,
        credential=BEARER,
        summary="End the caller's sessions but the token's own.",
        tag="sessions",
        answer=SessionsEnded,
        errors=(403,),
    ),
    Operation(
        method="DELETE",
        path="/v1/sessions/all",
        upstream=_SESSIONS + "/all",
        need=SIGNED_IN,
        credential=BEARER,
        summary="End the caller's sessions, the token's own included.",
        tag="sessions",
        answer=SessionsEnded,
        errors=(403,),
    ),
)

PREFIXES = ("/v1/client", "/v1/sdk", "/v1/auth/logout", "/v1/sessions")


@dataclass(frozen=True, slots=True)
class OperationTable:
    """Finds the operation of a path: a look-up or two, no pattern is matched."""

    by_path: Mapping[str, Mapping[str, Operation]] = field(init=False)

    def __post_init__(self) -> None:
        """Index `OPERATIONS`; a parameter's path ends in `/{}`."""
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in OPERATIONS:
            path = operation.path
            if operation.parameter is not None:
                path = path.rpartition("/")[0] + "/{}"
            by_path.setdefault(path, {})[operation.method] = operation
        object.__setattr__(self, "by_path", by_path)

    def find(self, path: str, method: str) -> Operation | None:
        """Return the operation, or None."""
        return self._at(path).get(method)

    def methods(self, path: str) -> list[str]:
        """Return the methods that *path* has; none for an unknown path."""
        return [*self._at(path)]

    def _at(self, path: str) -> Mapping[str, Operation]:
        """Return what *path* has; a fixed path hides what a parameter would match there."""
        path = path.rstrip("/")
        fixed = self.by_path.get(path)
        if fixed is not None:
            return fixed
        parent, _, last = path.rpartition("/")
        return self.by_path.get(parent + "/{}", {}) if last else {}
