"""Assertions fail on what is missing, and refuse what is no evidence."""

from collections.abc import Callable
from typing import Any

import pytest

from caas_conformance.authoring.checks import MUST, Check, Problems
from caas_conformance.errors import AuthoringError
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import MISSING, derived

Make = Callable[..., Answer]
NO_CODE = "it has no code"


def check_of(problems: Problems) -> Check:
    """Return an open check of a system that writes its problems like this."""
    return Check(
        "claim",
        "a claim",
        level=MUST,
        requirements=(),
        step=None,
        go_on=False,
        on_close=lambda _: None,
        problems=problems,
    )


def test_a_missing_member_fails_instead_of_raising(check: Check, answer: Make) -> None:
    """A KeyError would blame the harness for what the platform left out."""
    got = answer({"client": {"plan": "free"}})

    assert not check.equal(got.at("client.tenant_id"), "t1")
    assert not check.equal(got.at("client.deep.er.0.still"), None)
    assert not check.matches(got.at("nowhere"), str)
    assert [a.actual for a in check.assertions] == [MISSING, MISSING, MISSING]


def test_two_missing_values_are_not_equal(check: Check, answer: Make) -> None:
    """Else an answer without the member would agree with another one without it."""
    got = answer({})

    assert not check.equal(got.at("id"), got.at("id"))
    assert not check.differs(got.at("id"), "x")


def test_true_is_not_one(check: Check, answer: Make) -> None:
    """On the wire they are different values."""
    got = answer({"valid": 1})

    assert not check.equal(got.at("valid"), True)  # noqa: FBT003
    assert check.equal(got.at("valid"), 1)


@pytest.mark.parametrize(
    ("expected", "because"),
    [
        ((200, 404), "either"),
        (range(100, 600), "any"),
        ((), ""),
        ((200, 201), ""),
        ((400, 401, 403, 404, 409), "many"),
        (99, ""),
        ((401, 500), "x"),
    ],
)
def test_any_status_can_not_be_expressed(
    check: Check, answer: Make, expected: Any, because: str
) -> None:
    """The seed run accepted any status in 73 of its 97 HTTP cases."""
    with pytest.raises(AuthoringError):
        check.status(answer({}), expected, because=because)


def test_a_small_set_of_one_class_needs_its_reason(check: Check, answer: Make) -> None:
    """With it, the set is compared like a value."""
    assert check.status(answer({}, 404), (401, 404), because="hides what exists")
    assert not check.status(answer({}, 403), (401, 404), because="hides what exists")


def test_plain_values_are_no_evidence(check: Check) -> None:
    """`check.equal(1, 1)` would say nothing about the platform."""
    plain: Any = 1
    with pytest.raises(AuthoringError, match="evidence"):
        check.equal(plain, 1)
    with pytest.raises(AuthoringError):
        derived("winners", 1, of=[])
    with pytest.raises(AuthoringError):
        derived("winners", 1, of=[1, 2])


def test_each_over_nothing_fails(check: Check, answer: Make) -> None:
    """A loop over nothing claims nothing."""
    got = answer({"items": [], "no": 5})

    assert not check.each(got.at("items"), {"id": str})
    assert not check.each(got.at("no"), {"id": str})
    assert not check.each(got.at("gone"), {"id": str})


def test_each_with_a_function_that_asserts_nothing_is_refused(check: Check, answer: Make) -> None:
    """It would be a loop over nothing in disguise."""
    with pytest.raises(AuthoringError, match="asserts nothing"):
        check.each(answer([1]).body, lambda _: None)


def test_each_judges_lists_and_objects(check: Check, answer: Make) -> None:
    """Every element is judged, and the failed one named."""
    got = answer({"list": [{"up": True}, {"up": False}], "map": {"a": "up", "b": "up"}})

    assert not check.each(got.at("list"), {"up": True})
    assert check.each(got.at("map"), "up")
    assert [a.at for a in check.assertions if not a.passed] == ["body.list.1.up"]


def test_absence_needs_a_parent_that_is_there(check: Check, answer: Make) -> None:
    """On an error document `no client._id` would be true and worthless."""
    assert check.absent(answer({"client": {"plan": "free"}}), "client._id", "_id")
    assert not check.absent(answer({"error": "no"}), "client._id")
    assert not check.absent(answer(b"<html>"), "_id")
    assert not check.absent(answer({"_id": None}), "_id")


def test_lacks_needs_something_to_look_at(check: Check, answer: Make) -> None:
    """Nothing lacks everything."""
    got = answer({"some": ["a"], "none": []})

    assert check.lacks(got.at("some"), "b")
    assert not check.lacks(got.at("some"), "a")
    assert not check.lacks(got.at("none"), "b")
    assert not check.lacks(got.at("gone"), "b")


def test_contains_an_empty_text_fails(check: Check, answer: Make) -> None:
    """Every text holds the empty one."""
    assert not check.contains(answer({"a": "abc"}).at("a"), "")
    assert check.contains(answer({"a": "abc"}).at("a"), "b")


def test_unique_needs_two(check: Check, answer: Make) -> None:
    """One element can't repeat itself."""
    got = answer({"one": [1], "twice": [1, 1], "two": [1, 2]})

    assert not check.unique(got.at("one"))
    assert not check.unique(got.at("twice"))
    assert check.unique(got.at("two"))


def test_a_problem_needs_its_type_and_members(answer: Make) -> None:
    """RFC 9457 document, media type, status and what the system adds all have to be right."""
    check = check_of(Problems("urn:caas:error:", {"error": str}))
    document = {
        "type": "urn:caas:error:auth.key_invalid",
        "title": "No",
        "status": 401,
        "detail": "no such key",
        "error": "Invalid API key",
        "valid": False,
    }
    right = answer(document, 401, content_type="application/problem+json; charset=utf-8")

    assert check.problem(right, 401, code="auth.key_invalid", valid=False)
    assert not check.problem(right, 401, code="other")
    assert not check.problem(right, 403, code="auth.key_invalid")
    assert not check.problem(
        answer(document, 401, content_type="application/json"), 401, because=NO_CODE
    )
    assert not check.problem(answer({"error": "no"}, 401), 401, because=NO_CODE)


def test_a_problem_blames_one_member_for_one_rule(answer: Make) -> None:
    """A password that is too short is not refused for being common."""
    check = check_of(Problems(path="path", reason="message"))
    errors = [{"path": "password", "message": "Expected `str` of length >= 10"}]
    document = {"type": "x", "title": "No", "status": 400, "detail": "no", "errors": errors}
    said = answer(document, 400, content_type="application/problem+json")

    assert check.problem(said, 400, code="x", errors="password")
    assert check.problem(said, 400, code="x", errors={"password": "length >= 10"})
    assert not check.problem(said, 400, code="x", errors={"password": "too common"})
    assert not check.problem(said, 400, code="x", errors="email")
    assert not check.problem(said, 400, code="x", errors={"password": "", "email": ""})
    document.pop("errors")
    bare = answer(document, 400, content_type="application/problem+json")
    assert not check.problem(bare, 400, code="x", errors="password")


def test_a_refusal_is_never_judged_by_its_number_alone(answer: Make) -> None:
    """Else any other rule that refuses would do."""
    check = check_of(Problems())
    for judge in (check.status, check.problem):
        with pytest.raises(AuthoringError, match="reason"):
            judge(answer({}, 404), 404)


def test_a_problem_has_what_its_system_writes(answer: Make) -> None:
    """Without a suite's word it is plain RFC 9457: types as they are, no member but its own."""
    document = {"type": "about:blank", "title": "No", "status": 401, "detail": "no such key"}
    said = answer(document, 401, content_type="application/problem+json")

    assert check_of(Problems()).problem(said, 401, code="about:blank")
    assert not check_of(Problems(members={"error": str})).problem(said, 401, because=NO_CODE)


def test_headers_are_found_whatever_their_case(check: Check, answer: Make) -> None:
    """Absence, too, is only claimed of an answer that came."""
    got = answer({}, RETRY_AFTER="3")

    assert check.header(got, "retry-after", "3")
    assert not check.header(got, "x-other", "3")
    assert check.no_header(got, "x-other")
    assert not check.no_header(answer({}, None), "x-other")


def test_a_closed_connection_counts_only_where_it_was_named(check: Check, answer: Make) -> None:
    """Closing is no answer unless the case says so."""
    closed = answer(b"", None)
    closed.closed = True

    assert not check.status(closed, 400, because=NO_CODE)
    assert check.status(closed, 400, because=NO_CODE, or_closed=True)


def test_a_check_without_assertions_has_failed(check: Check) -> None:
    """Opening a check is not yet looking."""
    assert check.failed
