"""Turn errors into RFC 9457 problem documents; the one home of status codes.

Every error a caller sees has the same members: `type`, `title`, `status`, `detail`, and `error`,
which is what the seed's services answer with. The gateway adds `statusCode` and `message`, as
the seed's gateway does. No text of the request's body is ever repeated.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from litestar import Request, Response
from litestar import exceptions as framework
from litestar.exceptions import HTTPException  # noqa: TID251 - the one place that may know it

from caas.kernel.errors import (
    CaasError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
    UnavailableError,
)
from caas.runtime.data.outages import outage_of, unavailable
from caas.runtime.failures import describe_failure
from caas_observability.setup.logs import get_logger
from caas_observability.setup.tracing import ServerSpan

Style = Literal["service", "gateway"]
Fields = tuple[tuple[bytes, bytes], ...]

PROBLEM_TYPE = b"application/problem+json"
ERRORS_MAX = 50  # broken rules listed in one answer
CHALLENGE = b'Bearer realm="caas"'

STATUS_BY_ERROR: dict[type[CaasError], int] = {
    InvalidInputError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    RateLimitedError: 429,
    UnavailableError: 503,
}
CODE_BY_STATUS = {
    400: "invalid_input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "body_too_large",
    414: "target_too_long",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "rate_limited",
    431: "headers_too_large",
    500: "internal",
    503: "unavailable",
}
_NO_ROUTE = (framework.NotFoundException, framework.MethodNotAllowedException)
_QUOTED = re.compile(r"'[^']*'")
_NAMED_FIELD = re.compile(r"(?:unknown|required) field `([^`]+)`")
_log = get_logger("caas.runtime.http.problems")


class RefusalError(Exception):
    """The edge won't pass a request on; for HTTP's own rules only, services raise `CaasError`.

    Attributes:
        status: 4xx, or 503 for a spent deadline.
        code: Becomes `urn:caas:error:<code>`; by default the status's own.
        headers: Sent with the answer, such as `Allow`.
        errors: `(path, message)` for each broken rule.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        headers: Fields = (),
        errors: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code or CODE_BY_STATUS[status]
        self.headers = headers
        self.errors = errors


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One error, ready to send."""

    status: int
    code: str
    detail: str
    headers: Fields = ()
    members: dict[str, object] = {}
    errors: Sequence[tuple[str, str]] = ()

    def body(self, style: Style) -> bytes:
        """Encode the document; *style* says whose members the seed shows beside RFC 9457's."""
        title = HTTPStatus(self.status).phrase
        document: dict[str, object] = {
            "type": f"urn:caas:error:{self.code}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
        }
        if style == "gateway":
            document |= {"error": title, "statusCode": self.status, "message": self.detail}
        else:
            document["error"] = self.detail
        document |= self.members
        if self.errors:
            document["errors"] = [{"path": p, "message": m} for p, m in self.errors[:ERRORS_MAX]]
        return msgspec.json.encode(document)

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that go with the body."""
        return [(b"content-type", PROBLEM_TYPE), *self.headers]


def status_of(kind: type[CaasError]) -> int:
    """Return the status that errors of *kind* are answered with."""
    return next(status for base, status in STATUS_BY_ERROR.items() if issubclass(kind, base))


def problem_of(error: Exception) -> Problem:
    """Say what *error* means to the caller; whatever is not meant for callers is a bare 500."""
    if isinstance(error, CaasError):
        return _of_caas(error)
    if isinstance(error, RefusalError):
        return Problem(
            status=error.status,
            code=error.code,
            detail=str(error),
            headers=error.headers,
            errors=error.errors,
        )
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, UnicodeDecodeError):
        return Problem(status=400, code="malformed_json", detail="The request is not valid UTF-8")
    if (dependency := outage_of(error)) is not None:
        return _of_caas(unavailable(dependency))
    return Problem(status=500, code="internal", detail="Internal server error")


def record_problem(error: Exception, problem: Problem, span: ServerSpan | None) -> None:
    """Log and trace what operators must see: every 5xx, with the exception behind it."""
    if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    details = describe_failure(error)
    if span is not None:
        span.add_event("exception", details)
        span.set_error(error_type=details["exception.type"])
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("unhandled exception", **details)
    else:
        _log.warning("refused as unavailable", detail=problem.detail, **details)


def problem_handler(style: Style, allow: Callable[[str], bytes]) -> Any:
    """Return the Litestar exception handler that answers every exception with a problem.

    Args:
        style: Whose members the documents have.
        allow: Lists the methods of a path; Litestar knows only those of one of its routes.
    """

    def render(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        scope = request.scope
        # A path that only fast routes serve is unknown to Litestar, and is found here.
        unrouted = "route_handler" not in scope and isinstance(error, _NO_ROUTE)
        if unrouted and (methods := allow(scope["path"])):
            error = RefusalError(405, "Method Not Allowed", headers=((b"allow", methods),))
        problem = problem_of(error)
        exchange = scope.get("caas_request")
        record_problem(error, problem, getattr(exchange, "span", None))
        headers = {k.decode(): v.decode("latin-1") for k, v in problem.headers}
        return Response(
            problem.body(style),
            status_code=problem.status,
            headers=headers,
            media_type=PROBLEM_TYPE.decode(),
        )

    return render


WHOLE_BODY = "data"  # the handlers' parameter, which is no name for callers


def _of_caas(error: CaasError) -> Problem:
    status = status_of(type(error))
    headers: Fields = ()
    if isinstance(error, RateLimitedError | UnavailableError):
        headers = ((b"retry-after", b"%d" % error.retry_after_s),)
    elif isinstance(error, UnauthenticatedError):
        headers = ((b"www-authenticate", CHALLENGE),)
    return Problem(
        status=status,
        code=error.code,
        detail=str(error) or HTTPStatus(status).phrase,
        headers=headers,
        members=error.members,
        errors=error.errors if isinstance(error, InvalidInputError) else (),
    )


def _of_framework(error: HTTPException) -> Problem:
    """Translate what Litestar itself raises, none of whose texts are made for callers."""
    status = error.status_code
    if isinstance(error, framework.ValidationException):
        listed = tuple(_broken_rules(error.extra))
        detail = "The request does not have the documented shape"
        return Problem(status=400, code="invalid_input", detail=detail, errors=listed)
    if status not in CODE_BY_STATUS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(status=500, code="internal", detail="Internal server error")
    headers: Fields = ()
    if status == HTTPStatus.UNAUTHORIZED:
        headers = ((b"www-authenticate", CHALLENGE),)
    if isinstance(error.__cause__, framework.SerializationException):
        detail = f"The body is not valid JSON: {_QUOTED.sub('...', str(error.__cause__))}"
        return Problem(status=400, code="malformed_json", detail=detail)
    return Problem(
        status=status,
        code=CODE_BY_STATUS[status],
        detail=HTTPStatus(status).phrase,
        headers=headers,
    )


def _broken_rules(extra: object) -> list[tuple[str, str]]:
    """List `(path, message)` from Litestar's list; quoted input is cut out of the messages."""
    rules: list[tuple[str, str]] = []
    for item in extra if isinstance(extra, list) else ():
        key, source = str(item.get("key", "")), item.get("source", "body")
        place, message = getattr(source, "value", source), str(item.get("message", ""))
        if key == WHOLE_BODY and place == "body":
            path = "body"
        else:
            path = key if place == "body" else f"{place}.{key}"
        if named := _NAMED_FIELD.search(message):
            # Litestar names the object that has or lacks the field.
            path = named[1] if path == "body" else f"{path}.{named[1]}"
        rules.append((path, _QUOTED.sub("...", message)))
    return rules
