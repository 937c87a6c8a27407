"""Bodies are decoded as documented, not as they might have been meant."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar import Litestar, post
from litestar.params import JSONBody
from litestar.testing import TestClient
from msgspec import UNSET, UnsetType

from caas.kernel import wire
from caas.runtime.http.problems import problem_handler
from caas.runtime.http.strict_body import StrictRequest


class Inner(wire.Request, frozen=True):
    """A nested body."""

    on: bool | None = None


class Body(wire.Request, frozen=True):
    """One member of each kind that leniency confuses."""

    count: int = 0
    share: float = 0.0
    inner: Inner = Inner()


@post("/", sync_to_thread=False)
def echo(data: JSONBody[Body]) -> dict[str, Any]:
    """Return the body."""
    decoded: dict[str, Any] = msgspec.to_builtins(data)
    return decoded


class InnerChange(wire.Change, frozen=True):
    """A change inside another."""

    on: bool | UnsetType = UNSET


class Change(wire.Change, frozen=True):
    """A change of one thing or another."""

    one: InnerChange | UnsetType = UNSET
    two: int | UnsetType = UNSET


@post("/change", sync_to_thread=False)
def change(data: JSONBody[Change]) -> dict[str, Any]:
    """Return the body."""
    decoded: dict[str, Any] = msgspec.to_builtins(data)
    return decoded


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient[Litestar]]:
    """Return a client of one route with the runtime's request class."""
    handlers: Any = {Exception: problem_handler("service", lambda _: b"")}
    app = Litestar([echo, change], request_class=StrictRequest, exception_handlers=handlers)
    with TestClient(app) as made:
        yield made


def test_what_is_documented_passes(client: TestClient[Litestar]) -> None:
    """A whole number is a number, too (JSON Schema has no floats)."""
    answer = client.post("/", json={"count": 5, "share": 1, "inner": {"on": True}})

    assert (answer.status_code, answer.json()["inner"]) == (201, {"on": True})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"count": "5"}, "count"),
        ({"count": 5.5}, "count"),
        ({"share": "0.5"}, "share"),
        ({"inner": {"on": 0}}, "inner.on"),
        ({"inner": {"on": "true"}}, "inner.on"),
        ({"inner": {"off": True}}, "inner.off"),
        ({"colour": 1}, "colour"),
        ([], "body"),
    ],
)
def test_what_is_not_documented_is_refused_where_it_is(
    client: TestClient[Litestar], body: object, path: str
) -> None:
    """Schemathesis found `members_can_administer: 0` accepted as false."""
    answer = client.post("/", json=body)

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:caas:error:invalid_input"
    assert answer.json()["errors"][0]["path"] == path


@pytest.mark.parametrize("body", [{}, {"one": {}}, {"one": {}, "two": 1}, {"one": None}])
def test_a_change_of_nothing_is_refused(client: TestClient[Litestar], body: object) -> None:
    """As documented (`minProperties`), at every level."""
    answer = client.post("/change", json=body)

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:caas:error:invalid_input"


def test_a_change_of_one_thing_passes(client: TestClient[Litestar]) -> None:
    """None of a member's values counts as nothing."""
    answer = client.post("/change", json={"one": {"on": False}})

    assert answer.json() == {"one": {"on": False}}


def test_what_is_not_json_says_so(client: TestClient[Litestar]) -> None:
    """Malformed is another mistake than misshapen."""
    answer = client.post("/", content=b"sample", headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:caas:error:malformed_json")
