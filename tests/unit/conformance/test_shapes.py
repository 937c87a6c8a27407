"""Shapes judge every leaf, and there is none that accepts anything."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caas_conformance.authoring.shapes import (
    TIMESTAMP,
    UUID,
    compare,
    exactly,
    list_of,
    nullable,
    one_of,
    optional,
    pattern,
)
from caas_conformance.errors import AuthoringError
from caas_conformance.wire.evidence import MISSING

ID = "0b0f6a34-3d52-4b2a-8a3b-6c1d7f6f2a10"


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"a": 1, "more": 2}, {"a": 1}),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [int]}}),
        ({"id": ID, "at": "2026-02-24T20:14:20.885Z"}, {"id": UUID, "at": TIMESTAMP}),
        ({"plan": "free"}, {"plan": one_of("free", "business")}),
        ({}, {"nick": optional(str)} | {}),
        ({"nick": None}, {"nick": nullable(str)}),
        ([], list_of(str, at_least=0)),
        ({"a": 1}, exactly({"a": int})),
        ({"n": 1.5}, {"n": float}),
        ({"n": 1}, {"n": float}),
    ],
)
def test_what_fits(value: Any, shape: Any) -> None:
    """Members that no shape names are allowed, but for `exactly`."""
    assert all(finding.passed for finding in compare("body", value, shape))


@pytest.mark.parametrize(
    ("value", "shape", "at"),
    [
        ({"a": 1}, {"a": True}, "body.a"),
        ({"a": True}, {"a": 1}, "body.a"),
        ({"a": True}, {"a": int}, "body.a"),
        ({"a": ""}, {"a": str}, "body.a"),
        ({}, {"a": str}, "body.a"),
        ({"a": None}, {"a": str}, "body.a"),
        (MISSING, {"a": str}, "body"),
        ([], [int], "body.length"),
        ([1, "x"], [int], "body.1"),
        ({"a": 1, "_id": "5f"}, exactly({"a": 1}), "body"),
        ({"nick": 5}, {"nick": optional(str)}, "body.nick"),
        ({"id": ID.upper()}, {"id": UUID}, "body.id"),
        ({"at": "2026-02-24"}, {"at": TIMESTAMP}, "body.at"),
        ({"at": "2026-02-24T20:14:20"}, {"at": TIMESTAMP}, "body.at"),
        ({"k": "xcaas_1"}, {"k": pattern("caas_[0-9]")}, "body.k"),
        ([1, 2, 3], list_of(int, at_least=0, at_most=2), "body.length"),
    ],
)
def test_what_does_not_fit_names_the_leaf(value: Any, shape: Any, at: str) -> None:
    """One wrong leaf is one failed finding, at its own path."""
    failed = [finding.path for finding in compare("body", value, shape) if not finding.passed]

    assert failed == [at]


@pytest.mark.parametrize("shape", [{}, [], [int, str], object, {"a": {}}, ...])
def test_a_shape_that_says_nothing_is_refused(shape: Any) -> None:
    """It would pass on every body."""
    with pytest.raises(AuthoringError):
        list(compare("body", {"a": 1}, shape))


@pytest.mark.parametrize("expression", [".*", "[\\s\\S]*", "x*", "(?s:.+)"])
def test_a_pattern_that_matches_anything_is_refused(expression: str) -> None:
    """It would pass on every text."""
    with pytest.raises(AuthoringError, match="matches anything"):
        pattern(expression)


def test_one_of_needs_a_choice() -> None:
    """A choice of one is a literal written in a hiding way."""
    with pytest.raises(AuthoringError):
        one_of("free")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(JSON)
def test_no_body_breaks_a_comparison(value: Any) -> None:
    """Whatever a platform sends, a comparison gives findings and never raises."""
    shape = {"a": str, "b": [{"c": int}], "d": exactly({"e": UUID}), "f": nullable(TIMESTAMP)}

    assert list(compare("body", value, shape))
