"""Which operation a request is for, and which of its answers is meant."""

from typing import Any

import pytest

from caas_conformance.contract.document import Contract
from caas_conformance.contract.pointers import DocumentError


def contract(*paths: str, **document: Any) -> Contract:
    """Read a document with a GET at each path."""
    operation = {"responses": {"200": {"description": "Done."}}}
    described = {"openapi": "3.1.0", "paths": {path: {"get": operation} for path in paths}}
    return Contract("svc", described | document)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/things", "/things"),
        ("/things/all", "/things/all"),
        ("/things/7", "/things/{id}"),
        ("/things/7/parts", "/things/{id}/parts"),
        ("/things/all/parts", "/things/all/{part}"),
        ("/things/a%2Fb", "/things/{id}"),
        ("/%74hings/%61ll", "/things/all"),
        ("/files/x.json", "/files/{name}.json"),
        ("/files/x", "/files/{name}"),
        ("/things/", None),
        ("/things/7/parts/8", None),
        ("/thingsall", None),
        ("/", None),
    ],
)
def test_the_most_specific_path_is_meant(path: str, template: str | None) -> None:
    """OpenAPI 3.1, 4.8.8.2: a path without a parameter first; then by segments, left to right."""
    read = contract(
        "/{kind}/{id}/parts", "/things/{id}", "/things/{id}/parts", "/things/all/{part}",
        "/things/all", "/things", "/files/{name}", "/files/{name}.json",
    )  # fmt: skip

    item = read.find(path)

    assert (item.template if item else None) == template


def test_paths_are_below_the_documents_server() -> None:
    """The request has its path, the template has not."""
    read = contract("/things", servers=[{"url": "https://svc.example/v2/"}])

    item = read.find("/v2/things")

    assert item is not None
    assert item.template == "/things"


def test_head_is_answered_by_get_unless_it_is_documented() -> None:
    """RFC 9110, 9.3.2."""
    read = contract("/things")
    item = read.find("/things")

    assert item is not None
    assert item.operation("HEAD") is item.operation("GET")
    assert item.operation("PUT") is None


def test_a_status_goes_before_its_class_and_that_before_the_default() -> None:
    """OpenAPI 3.1, 4.8.16."""
    responses = {key: {"description": key} for key in ("default", "4XX", "404")}
    read = contract("/x", paths={"/x": {"get": {"responses": responses}}})
    operation = next(iter(read.operations))
    found = [operation.response(status) for status in (404, 400, 500)]

    assert [one.key for one in found if one] == ["404", "4XX", "default"]


def test_parts_of_the_document_may_be_referred_to() -> None:
    """Path items, responses and headers, through one another."""
    components = {
        "pathItems": {"X": {"get": {"responses": {"200": {"$ref": "#/components/responses/A"}}}}},
        "responses": {
            "A": {"$ref": "#/components/responses/B"},
            "B": {"description": "b", "headers": {"x-a": {"$ref": "#/components/headers/H"}}},
        },
        "headers": {"H": {"required": True, "schema": {"type": "integer"}}},
    }
    paths = {"/a~b": {"$ref": "#/components/pathItems/X"}}
    read = contract(paths=paths, components=components)

    response = next(iter(read.operations)).responses["200"]

    assert [(h.name, h.required, h.schema) for h in response.headers] == [
        ("x-a", True, {"type": "integer"})
    ]


@pytest.mark.parametrize(
    "document",
    [
        {"openapi": "3.0.3"},
        {"openapi": None},
        {"paths": []},
        {"paths": {"/x": {"get": []}}},
        {"paths": {"/x": {"$ref": "#/components/pathItems/None"}}},
        {"paths": {"/x": {"$ref": "#/paths/~1x"}}},
        {"paths": {"/x": {"$ref": "https://elsewhere.example/"}}},
        {"components": {"schemas": []}},
    ],
)
def test_what_is_no_usable_document_says_so(document: dict[str, Any]) -> None:
    """It is never half a contract."""
    with pytest.raises(DocumentError):
        contract(**document)
