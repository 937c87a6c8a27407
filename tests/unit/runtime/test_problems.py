"""Errors as callers see them."""

import linecache
import re
from typing import Any, ClassVar

import msgspec
import pymongo.errors
import pytest
import redis.exceptions

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
from caas.runtime.data.outages import outage_of, translate_errors
from caas.runtime.failures import STACK_MAX_FRAMES
from caas.runtime.http.problems import (
    RefusalError,
    problem_of,
    record_problem,
    status_of,
)


class TokenError(UnauthenticatedError):
    """A leaf with a code and the seed's member (case 24)."""

    code = "invalid_token"
    members: ClassVar[dict[str, object]] = {"valid": False}


def document(error: Exception, style: Any = "service") -> dict[str, Any]:
    """Render *error*."""
    decoded: dict[str, Any] = msgspec.json.decode(problem_of(error).body(style))
    return decoded


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (InvalidInputError("x"), 400, {}),
        (UnauthenticatedError("x"), 401, {b"www-authenticate": b'Bearer realm="caas"'}),
        (TokenError("x"), 401, {b"www-authenticate": b'Bearer realm="caas"'}),
        (ForbiddenError("x"), 403, {}),
        (NotFoundError("x"), 404, {}),
        (ConflictError("x"), 409, {}),
        (RateLimitedError("x", retry_after_s=7), 429, {b"retry-after": b"7"}),
        (UnavailableError("x", retry_after_s=3), 503, {b"retry-after": b"3"}),
        (RefusalError(405, "x", headers=((b"allow", b"GET"),)), 405, {b"allow": b"GET"}),
    ],
)
def test_status_and_headers(error: Exception, status: int, headers: dict[bytes, bytes]) -> None:
    """One home of status codes."""
    problem = problem_of(error)

    assert problem.status == status
    assert dict(problem.headers) == headers
    assert document(error)["status"] == status


def test_a_leaf_keeps_its_code_and_members() -> None:
    """Case 24: `valid: false` beside `error`."""
    assert document(TokenError("Invalid token")) == {
        "type": "urn:caas:error:invalid_token",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Invalid token",
        "error": "Invalid token",
        "valid": False,
    }


def test_the_gateway_says_it_in_the_seeds_words() -> None:
    """Case 27."""
    found = document(NotFoundError("Tenant not found"), "gateway")

    assert (found["statusCode"], found["message"]) == (404, "Tenant not found")
    assert found["error"] == found["title"] == "Not Found"


def test_broken_rules_are_listed() -> None:
    """`errors: [{path, message}]`, bounded."""
    error = InvalidInputError("bad", errors=tuple((f"f{n}", "is bad") for n in range(80)))

    listed = document(error)["errors"]

    assert listed[0] == {"path": "f0", "message": "is bad"}
    assert len(listed) == 50


@pytest.mark.parametrize("error", [RuntimeError("s3cret"), KeyError("s3cret"), AssertionError()])
def test_a_bug_says_nothing(error: Exception) -> None:
    """Its text is for nobody outside."""
    assert b"s3cret" not in problem_of(error).body("service")
    assert problem_of(error).status == 500


@pytest.mark.parametrize(
    ("error", "dependency"),
    [
        (redis.exceptions.ConnectionError("x"), "redis"),
        (redis.exceptions.TimeoutError("x"), "redis"),
        (redis.exceptions.BusyLoadingError("x"), "redis"),
        (redis.exceptions.ReadOnlyError("x"), "redis"),
        (redis.exceptions.ResponseError("WRONGTYPE"), None),
        (redis.exceptions.DataError("x"), None),
        (pymongo.errors.ServerSelectionTimeoutError("x"), "mongodb"),
        (pymongo.errors.AutoReconnect("x"), "mongodb"),
        (pymongo.errors.NotPrimaryError("x"), "mongodb"),
        (pymongo.errors.WaitQueueTimeoutError("x"), "mongodb"),
        (pymongo.errors.ExecutionTimeout("x", 50), "mongodb"),
        (pymongo.errors.OperationFailure("no space", 14031), "mongodb"),
        (
            pymongo.errors.OperationFailure(
                "x", 112, {"errorLabels": ["TransientTransactionError"]}
            ),
            "mongodb",
        ),
        (pymongo.errors.OperationFailure("bad query", 2), None),
        (pymongo.errors.DuplicateKeyError("x", 11000), None),
        (ValueError("x"), None),
    ],
)
def test_what_counts_as_an_outage(error: Exception, dependency: str | None) -> None:
    """A retry may cure it: 503. Anything else is a bug: 500."""
    assert outage_of(error) == dependency
    assert problem_of(error).status == (500 if dependency is None else 503)


def test_translate_errors_keeps_the_cause() -> None:
    """Stores that decide on an outage see one error for both drivers."""
    with pytest.raises(UnavailableError) as raised, translate_errors():
        raise redis.exceptions.ConnectionError("x")

    assert isinstance(raised.value.__cause__, redis.exceptions.ConnectionError)
    with pytest.raises(redis.exceptions.ResponseError), translate_errors():
        raise redis.exceptions.ResponseError("WRONGTYPE")


def test_every_base_has_a_status() -> None:
    """A new branch of the error tree must say what it means to a caller."""
    assert all(status_of(kind) >= 400 for kind in CaasError.__subclasses__())


class Event:
    """A span that keeps what it is told."""

    def __init__(self) -> None:
        self.details: dict[str, str] = {}

    def add_event(self, name: str, details: dict[str, str]) -> None:
        """Keep the details."""
        assert name == "exception"
        self.details = details

    def set_error(self, *, error_type: str) -> None:
        """Keep the type."""
        self.details["error.type"] = error_type


def test_the_place_of_an_outage_is_recorded_without_a_source_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An outage meets every request; looking at files for each would make it worse."""
    monkeypatch.setattr(linecache, "checkcache", _no_file)
    monkeypatch.setattr(linecache, "getline", _no_file)
    span: Any = Event()
    try:
        _fail(STACK_MAX_FRAMES * 2)
    except ConnectionError as error:
        record_problem(error, problem_of(UnavailableError("away")), span)

    places = span.details["exception.stacktrace"].splitlines()
    assert len(places) == STACK_MAX_FRAMES
    assert all(re.fullmatch(r"test_problems\.py:\d+ _fail", place) for place in places)
    assert span.details["error.type"] == "ConnectionError"


def _no_file(*_: object) -> None:
    pytest.fail("a source file was looked at")


def _fail(depth: int) -> None:
    if depth == 0:
        raise ConnectionError("what a client sent")
    _fail(depth - 1)
