"""What of a path is written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas.kernel.ids import new_id
from caas.runtime.http.edge.server_span import shown_path

ID = "0b8e4a5e-3b0f-4c9a-9a59-5d1f2f6f7a11"


@pytest.mark.parametrize(
    ("route", "path", "shown"),
    [
        ("/v1/ping", "/v1/ping", "/v1/ping"),
        ("/v1/tenant", "/v1/tenant/", "/v1/tenant"),
        ("/items/{item_id}", f"/items/{ID}", f"/items/{ID}"),
        ("/items/{item_id}", f"/items/{ID}/", f"/items/{ID}"),
        ("/items/{item_id}", "/items/hunter2", "/items/{item_id}"),
        ("/items/{item_id}", f"/items/{ID.upper()}", "/items/{item_id}"),
        ("/a/{a_id}/b/{b_id}", f"/a/hunter2/b/{ID}", f"/a/{{a_id}}/b/{ID}"),
        ("/v1/client", "/v1/client/hunter2", "/v1/client"),
        ("/v1/client", "/v1/client/hunter2/more", "/v1/client"),
        ("/items/{item_id}", "/items/hunter2/more", "/items/{item_id}"),
        ("/", "/", "/"),
    ],
)
def test_of_parameters_only_ids_are_shown(route: str, path: str, shown: str) -> None:
    """The route is ours, and so is the shape of an id; the rest is the client's choice."""
    assert shown_path(route, path) == shown


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1))
def test_no_text_gets_through(text: str) -> None:
    """Whatever it is, unless it is an id."""
    assert shown_path("/items/{item_id}", f"/items/{text}") == "/items/{item_id}"
    fresh = new_id()
    assert shown_path("/items/{item_id}", f"/items/{fresh}") == f"/items/{fresh}"
