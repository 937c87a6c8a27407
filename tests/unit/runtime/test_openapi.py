"""The OpenAPI document: true about the edge, the same bytes everywhere."""

import re
import subprocess
import sys
from typing import Annotated, Any
from uuid import UUID

import pytest
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from caas.kernel import wire
from caas.kernel.errors import ConflictError, NotFoundError, RateLimitedError
from caas.runtime.http.documentation import render_page
from caas.runtime.http.openapi import build_document, encode_document
from caas.runtime.http.operations import BEARER, operation

EVERY = {"400", "414", "431", "503"}


class Make(wire.Request, frozen=True, kw_only=True):
    """A strict body."""

    name: str


class Limited(wire.Request, frozen=True, kw_only=True):
    """A body whose members say more than their types."""

    email: Annotated[str, Meta(extra_json_schema={"format": "email"})]
    notes: (
        Annotated[
            dict[str, str],
            Meta(max_length=2, extra_json_schema={"propertyNames": {"maxLength": 3}}),
        ]
        | None
    ) = None
    tags: list[Annotated[str, Meta(max_length=3, extra_json_schema={"format": "tag"})]]
    nicknames: list[Annotated[str, Meta(min_length=1, pattern="^[a-z]+$")]] | None = None


class Made(wire.Response, frozen=True, kw_only=True):
    """An open answer."""

    id: str


@post("/things", **operation(ConflictError, security=(BEARER,), idempotent=True))
async def make_thing(data: JSONBody[Make]) -> Made:
    """Make a thing.

    It is <made> once.
    """
    return Made(id=data.name)


@post("/limited")
async def take_limited(data: JSONBody[Limited]) -> Made:
    """Take it."""
    return Made(id=data.email)


@get("/things/{thing_id:uuid}", **operation(NotFoundError))
async def get_thing(thing_id: FromPath[UUID]) -> Made:
    """Describe a thing."""
    return Made(id=str(thing_id))


@get("/lists")
async def get_lists(tag: FromQuery[list[str]]) -> list[str]:
    """List."""
    return tag


def build(*routes: Any, **changes: Any) -> dict[str, Any]:
    """Describe *routes*."""
    options: dict[str, Any] = {
        "title": "demo", "version": "1", "style": "service", "dependencies": {},
    }  # fmt: skip
    return build_document(routes or (make_thing, get_thing), **(options | changes))


def test_every_status_of_the_edge_is_documented() -> None:
    """And no other one: a document that lists everything says nothing."""
    paths = build()["paths"]

    made = set(paths["/things"]["post"]["responses"])
    found = set(paths["/things/{thing_id}"]["get"]["responses"])
    assert made == EVERY | {"201", "401", "408", "409", "413", "415", "422"}
    assert found == EVERY | {"200", "404"}


def test_strict_bodies_say_so() -> None:
    """Unknown fields are refused and documented; answers may grow."""
    schemas = build()["components"]["schemas"]

    assert schemas["Make"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Made"]


def test_errors_are_problem_documents() -> None:
    """Every reference resolves; nothing of Litestar's own error shape is left."""
    document = build(style="gateway")
    text = encode_document(document)

    problem = document["components"]["schemas"]["Problem"]
    assert {"statusCode", "message"} <= set(problem["required"])
    assert b"status_code" not in text
    for status in document["paths"]["/things"]["post"]["responses"]:
        assert status == "201" or f"Problem{status}" in document["components"]["responses"]


def test_the_headers_of_every_answer_are_documented() -> None:
    """On the route's own answers and on shared ones, each behind a reference that resolves."""
    document = build()
    responses = dict(document["paths"]["/things"]["post"]["responses"])
    shared = document["components"]["responses"]
    for status, response in responses.items():
        headers = (
            shared[f"Problem{status}"]["headers"] if "$ref" in response else response["headers"]
        )

        assert {"x-correlation-id", "traceresponse"} <= set(headers)
        for name, described in headers.items():
            assert described["$ref"] == f"#/components/headers/{name}"
            assert document["components"]["headers"][name]["required"] is True
    assert "www-authenticate" in shared["Problem401"]["headers"]
    assert "retry-after" in shared["Problem503"]["headers"]


@pytest.mark.parametrize("style", ["service", "gateway"])
def test_who_counts_requests_documents_the_quota(style: str) -> None:
    """The gateway's own counted routes; a service behind it tells no quota."""

    @get("/counted", **operation(RateLimitedError))
    async def get_counted() -> Made:
        return Made(id="1")

    paths = build(get_counted, get_thing, style=style)["paths"]

    counted = paths["/counted"]["get"]["responses"]["200"]["headers"]
    free = paths["/things/{thing_id}"]["get"]["responses"]["200"]["headers"]
    assert ("x-ratelimit-reset" in counted) is (style == "gateway")
    assert "x-ratelimit-reset" not in free


def test_a_free_path_segment_is_bounded() -> None:
    """As the edge bounds it; an id keeps its own format."""

    @get("/names/{name:str}")
    async def get_name(name: FromPath[str]) -> str:
        return name

    (free,) = build(get_name)["paths"]["/names/{name}"]["get"]["parameters"]
    (own,) = build()["paths"]["/things/{thing_id}"]["get"]["parameters"]

    assert re.search(free["schema"]["pattern"], "caf\xe9 1")
    assert not re.search(free["schema"]["pattern"], "a\x1a")
    assert "pattern" not in own["schema"]


def test_security_and_idempotency_are_documented() -> None:
    """The header has the limits that the service enforces."""
    document = build()
    route = document["paths"]["/things"]["post"]

    assert route["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    key = document["components"]["parameters"]["IdempotencyKey"]
    assert (key["name"], key["in"]) == ("Idempotency-Key", "header")
    assert key["schema"]["maxLength"] == 255
    assert route["summary"] == "Make a thing"
    assert route["description"].startswith("It is <made> once.")
    assert "`Idempotency-Key`" in route["description"]


def test_a_list_parameter_must_be_declared() -> None:
    """The edge would refuse it."""
    with pytest.raises(ValueError, match="tag"):
        build(get_lists)

    assert "/lists" in build(get_lists, repeatable={"tag"})["paths"]


def test_extra_parts_are_merged() -> None:
    """A gateway adds what it passes on."""
    document = build(extra=lambda: {"paths": {"/more": {"get": {}}}, "info": {"title": "all"}})

    assert set(document["paths"]) == {"/things", "/things/{thing_id}", "/more"}
    assert document["info"] == {"title": "all", "version": "1"}


def test_the_bytes_are_the_same_in_every_process(tmp_path: Any) -> None:
    """Whatever the hash seed; a client can compare documents."""
    program = (
        "import importlib.util as u, sys\n"
        f"spec = u.spec_from_file_location('t', {__file__!r})\n"
        "t = sys.modules['t'] = u.module_from_spec(spec); spec.loader.exec_module(t)\n"
        "sys.stdout.buffer.write(t.encode_document(t.build()))\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            cwd=tmp_path,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }

    assert texts == {encode_document(build())}


def test_the_page_works_offline() -> None:
    """No script, no other host; text is escaped."""
    page = render_page(build()).decode()

    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "It is &lt;made&gt; once." in page
    assert "/things/{thing_id}" in page
    assert "name: string" in page


def test_what_a_type_says_in_the_words_of_json_schema_is_told() -> None:
    """Formats, names of members and sizes of maps, whether or not None is allowed beside."""
    members = build(take_limited)["components"]["schemas"]["Limited"]["properties"]

    assert members["email"]["format"] == "email"
    assert members["notes"]["maxProperties"] == 2
    assert members["notes"]["propertyNames"] == {"maxLength": 3}


def test_what_a_lists_items_must_be_is_told() -> None:
    """A fuzzer that believes the document sends them; the service refuses them."""
    members = build(take_limited)["components"]["schemas"]["Limited"]["properties"]

    assert members["tags"]["items"] == {"type": "string", "maxLength": 3, "format": "tag"}
    (nicknames,) = (one for one in members["nicknames"]["oneOf"] if one["type"] == "array")
    assert nicknames["items"] == {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"}
