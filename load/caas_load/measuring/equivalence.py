"""Prove, before anything is measured, that ours and the peer do the same work.

A gateway that lets everyone through is fast; so each contestant has to accept what is good and
refuse what is bad, forged or revoked, and say what the other says.
"""

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import msgspec
import redis

from caas_load.measuring.generator import GeneratorError

TIMEOUT_S = 5.0
BAD_REQUEST = 400
UNAUTHORIZED = 401
OK = 200


class Answer(msgspec.Struct, frozen=True):
    """What a server said; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(
    url: str, headers: Mapping[str, str] | None = None, body: object = None, method: str = "GET"
) -> Answer:
    """Send one request, *body* as JSON, and return the answer whatever its status."""
    request = urllib.request.Request(  # noqa: S310 - 127.0.0.1 only
        url,
        data=None if body is None else msgspec.json.encode(body),
        headers={
            **(headers or {}),
            **({} if body is None else {"content-type": "application/json"}),
        },
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            return Answer(response.status, _names(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _names(error.headers), error.read())


def _names(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def require(who: str, what: str, *, holds: bool) -> None:
    """Raise `GeneratorError` when *who* does not do *what*: the comparison would be void."""
    if not holds:
        raise GeneratorError(f"{who} can't be compared: {what} does not hold")


def forged(token: str) -> str:
    """Return *token* with another signature of the same length."""
    head, _, signature = token.rpartition(".")
    first = "A" if signature[0] != "A" else "B"
    return f"{head}.{first}{signature[1:]}"


def revoke_at_peer(redis_url: str, session_id: str) -> None:
    """End a session of the peer's, as its own logout would."""
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"revoked:{session_id}", "1", ex=3600)


def check_validate(
    who: str, url: str, secret: str, *, good: str, revoked: str, members: frozenset[str]
) -> None:
    """Check one validation service.

    Args:
        who: Named in the error.
        url: Of the route.
        secret: What services show each other.
        good: A token to accept.
        revoked: A token of a session that has ended.
        members: What the payload of a good answer has at least.

    Raises:
        GeneratorError: It does not do the work.
    """
    shown = {"x-service-secret": secret}
    answer = ask(url, shown, {"token": good}, "POST")
    require(who, "a good token is accepted", holds=answer.status == OK)
    said = msgspec.json.decode(answer.body)
    require(who, "a good answer says so", holds=said.get("valid") is True)
    require(who, "a good answer names the caller", holds=members <= said["payload"].keys())
    for what, headers, body, status in (
        ("a forged token is refused", shown, {"token": forged(good)}, UNAUTHORIZED),
        ("a revoked token is refused", shown, {"token": revoked}, UNAUTHORIZED),
        ("a stranger is refused", {}, {"token": good}, UNAUTHORIZED),
        ("another shape is refused", shown, {"tokens": [good]}, BAD_REQUEST),
    ):
        require(who, what, holds=ask(url, headers, body, "POST").status == status)


def check_gateway(who: str, url: str, *, good: str, revoked: str, body: bytes) -> None:
    """Check one gateway: it passes *body* on to those it should, and counts.

    Raises:
        GeneratorError: It does not do the work.
    """
    answers = [ask(url, {"authorization": f"Bearer {good}"}) for _ in range(2)]
    for answer in answers:
        require(who, "a good request is passed on", holds=answer.status == OK)
        require(who, "the upstream's body comes back", holds=answer.body == body)
        require(
            who,
            "the upstream's headers come back",
            holds=answer.headers.get("x-upstream") == "bench",
        )
    left = [int(answer.headers.get("x-ratelimit-remaining", -1)) for answer in answers]
    require(who, "each request counts", holds=left[1] == left[0] - 1 >= 0)
    for what, headers in (
        ("a forged token is refused", {"authorization": f"Bearer {forged(good)}"}),
        ("a revoked token is refused", {"authorization": f"Bearer {revoked}"}),
        ("nobody is refused", {}),
    ):
        require(who, what, holds=ask(url, headers).status == UNAUTHORIZED)
