"""A check: what a case claims, and the assertions that decide it.

Inside `with t.check(...) as check:` a failed assertion is recorded and the check goes on, so
that a report shows everything that is wrong at once. A check that asserted nothing fails.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

from caas_conformance.authoring.shapes import UUID, Finding, Matching, Shape, Words, compare
from caas_conformance.authoring.statuses import allowed_statuses
from caas_conformance.errors import AuthoringError
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.evidence import MISSING, Value

MUST = "MUST"
SHOULD = "SHOULD"
PROBLEM_MEDIA_TYPE = "application/problem+json"
CHECK_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Assertion(NamedTuple):
    """One evaluated comparison; rendered to text only when the report is made."""

    at: str
    expected: Any
    actual: Any
    passed: bool
    message: str = ""
    exchange: str | None = None


class Problems(NamedTuple):
    """How a system writes its RFC 9457 problem documents.

    Attributes:
        types: With what every `type` begins.
        members: What each has besides title, detail and status: values or shapes by name.
        path: Where an element of `errors` says which member it blames.
        reason: Where it says for what.
    """

    types: str = ""
    members: Mapping[str, Any] = MappingProxyType({})
    path: str = "pointer"  # as in RFC 9457's own example
    reason: str = "detail"

    def shape(self, status: int) -> dict[str, Any]:
        """Return the shape of a whole document of *status*."""
        kind = Matching(f"{re.escape(self.types)}.+", f"{self.types}…") if self.types else str
        return {"type": kind, "title": str, "detail": str, "status": status, **self.members}


class Check:
    """Records assertions about evidence; made by `CaseContext.check`."""

    __slots__ = (
        "_on_close",
        "_problems",
        "assertions",
        "broke",
        "exchange",
        "go_on",
        "id",
        "level",
        "requirements",
        "step",
        "title",
    )

    def __init__(
        self,
        check_id: str,
        title: str,
        *,
        level: str,
        requirements: tuple[str, ...],
        step: int | None,
        go_on: bool,
        on_close: Callable[["Check"], None],
        problems: Problems | None = None,
    ) -> None:
        self.id = check_id
        self.title = title
        self.level = level
        self.requirements = requirements
        self.step = step
        self.go_on = go_on
        self.assertions: list[Assertion] = []
        self.exchange: str | None = None
        self.broke = False
        self._on_close = on_close
        self._problems = problems or Problems()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.broke = error is not None
        self._on_close(self)

    @property
    def failed(self) -> bool:
        """Whether an assertion failed, or none was made though nothing broke in between."""
        if any(not a.passed for a in self.assertions):
            return True
        return not self.assertions and not self.broke

    # -- on answers -------------------------------------------------------------------------

    def status(
        self,
        answer: Answer,
        expected: int | Sequence[int],
        *,
        because: str = "",
        or_closed: bool = False,
    ) -> bool:
        """Assert the status: one value, or a few of one class *because* the contract says so.

        Args:
            answer: The answer judged.
            expected: A status, or two to four statuses of one class.
            because: Why more than one is right, or why a refusal (4xx) has no reason that could be
                compared, as `problem` does; required for both.
            or_closed: Accept that the peer closes the connection unanswered (raw requests).

        Raises:
            AuthoringError: the set spans classes, is too wide or has no reason; a refusal has none.
        """
        wanted = allowed_statuses(expected, because)
        if answer.status is None:
            shown: Any = Words(answer.outcome)
            passed = or_closed and answer.closed
        else:
            shown = answer.status
            passed = answer.status in wanted
        text = " or ".join(map(str, wanted)) + (" or closed" if or_closed else "")
        return self._record("status", Words(text), shown, passed, because, answer.exchange_id)

    def header(self, answer: Answer, name: str, expected: Any) -> bool:
        """Assert a header: its exact value, or a shape such as `pattern(...)`."""
        value = answer.header(name)
        if isinstance(expected, Shape):
            return self.matches(value, expected)
        return self.equal(value, expected)

    def no_header(self, answer: Answer, name: str) -> bool:
        """Assert that the answer, which must have arrived, lacks the header."""
        value = answer.header(name).value
        passed = value is MISSING and answer.status is not None
        return self._record(
            f"header.{name}", Words("no such header"), value, passed, "", answer.exchange_id
        )

    def problem(
        self,
        answer: Answer,
        status: int,
        *,
        code: Any = None,
        errors: str | Mapping[str, str] | None = None,
        because: str = "",
        **members: Any,
    ) -> bool:
        """Assert an RFC 9457 problem document of *status*, given for its own reason.

        Args:
            answer: The answer judged.
            status: Its one status.
            code: `"key_invalid"` compares `type` with that behind the system's own prefix, which
                its suite knows, as it knows further members of every problem (`Problems`).
            errors: The member that broke a rule, or members with a word of the rule each broke
                (`{"password": ">= 10"}`); no other may be named.
            because: Why no code can be told; required without one.
            members: Further members, or shapes.

        Raises:
            AuthoringError: neither a code nor a reason for having none.
        """
        if code is None and not because.strip():
            raise AuthoringError(f"a refusal ({status}) has its own reason: code=, or because=")
        wanted = {"title": str, "detail": str, "status": status, **self._problems.members}
        if code is not None:
            wanted["type"] = f"{self._problems.types}{code}" if isinstance(code, str) else code
        right = self.status(answer, status, because=because or "its reason is compared below")
        media_type = answer.media_type
        right &= self._record(
            "header.content-type",
            PROBLEM_MEDIA_TYPE,
            media_type,
            media_type == PROBLEM_MEDIA_TYPE,
            "",
            answer.exchange_id,
        )
        if errors is not None:
            right &= self._blames(answer.at("errors"), errors)
        return self.matches(answer.body, wanted | members) and right

    def _blames(self, found: Value, errors: str | Mapping[str, str]) -> bool:
        """Assert which members a problem blames, and for which rule."""
        rules = {errors: ""} if isinstance(errors, str) else errors
        names = self._problems
        blamed = found.derive("paths", lambda listed: [e[names.path] for e in listed])
        right = self.equal(blamed, list(rules))
        for number, word in enumerate(rules.values()):
            if word:
                right &= self.contains(found.at(str(number), names.reason), word)
        return right

    # -- on values --------------------------------------------------------------------------

    def equal(self, actual: Value, expected: Any, message: str = "") -> bool:
        """Assert equality, type included; a missing value equals nothing.

        *expected* may be a value of another answer.
        """
        wanted = expected.value if isinstance(expected, Value) else expected
        value = _evidence(actual).value
        passed = (
            value is not MISSING
            and wanted is not MISSING
            and isinstance(value, bool) == isinstance(wanted, bool)
            and value == wanted
        )
        return self._judge(actual, wanted, passed, message)

    def differs(self, actual: Value, other: Any, message: str = "") -> bool:
        """Assert that it is there and is not *other*."""
        unwanted = other.value if isinstance(other, Value) else other
        value = _evidence(actual).value
        passed = value is not MISSING and unwanted is not MISSING and value != unwanted
        return self._judge(actual, Words(f"anything but {unwanted!r}"), passed, message)

    def matches(self, actual: Value, shape: Any) -> bool:
        """Assert the shape (`caas_conformance.authoring.shapes`), one assertion for each leaf."""
        value = _evidence(actual)
        findings = list(compare(value.path, value.value, shape))
        if not findings:
            raise AuthoringError(f"the shape for {value.path} compares nothing")
        for finding in findings:
            self._note(finding, value.exchange)
        return all(finding.passed for finding in findings)

    def each(self, actual: Value, shape: Any | Callable[[Value], Any]) -> bool:
        """Assert a shape for every element of a list or member of an object.

        Instead of a shape it may be a function that makes assertions about the value it is
        given. An empty collection, or something that is none, fails.
        """
        elements = _evidence(actual).items() or actual.members()
        right = self._record(
            f"{actual.path}.length",
            Words("1 or more"),
            len(elements),
            bool(elements),
            "",
            actual.exchange,
        )
        for element in elements:
            if callable(shape) and not isinstance(shape, type | Shape):
                before = len(self.assertions)
                shape(element)
                if len(self.assertions) == before:
                    raise AuthoringError(f"the function for {element.path} asserts nothing")
                right &= all(a.passed for a in self.assertions[before:])
            else:
                right &= self.matches(element, shape)
        return right

    def empty(self, actual: Value) -> bool:
        """Assert a list, object or text that is there and holds nothing."""
        value = _evidence(actual).value
        passed = isinstance(value, list | dict | str) and not value
        return self._judge(actual, Words("empty"), passed)

    def absent(self, actual: Answer | Value, *paths: str) -> bool:
        """Assert that an object which is there lacks each member of *paths*."""
        base = actual.body if isinstance(actual, Answer) else _evidence(actual)
        if not paths:
            raise AuthoringError("absent() needs the paths of the members")
        right = True
        for path in paths:
            member = base.at(path)
            # Proof that the claim could have failed: its parent must be an object.
            head, _, _ = path.rpartition(".")
            parent = base.at(head) if head else base
            alive = isinstance(parent.value, dict)
            note = "" if alive else f"{parent.path} is no object, so this proves nothing"
            passed = alive and member.value is MISSING
            right &= self._judge(member, Words("no such member"), passed, note)
        return right

    def contains(self, actual: Value, member: Any) -> bool:
        """Assert that a list holds the element, or a text the piece."""
        value = _evidence(actual).value
        wanted = member.value if isinstance(member, Value) else member
        passed = wanted not in (MISSING, "") and _holds(value, wanted)
        return self._judge(actual, Words(f"holding {wanted!r}"), passed)

    def lacks(self, actual: Value, member: Any) -> bool:
        """Assert that a non-empty list or text does not hold it."""
        value = _evidence(actual).value
        unwanted = member.value if isinstance(member, Value) else member
        alive = isinstance(value, list | str | dict) and bool(value) and unwanted is not MISSING
        passed = alive and not _holds(value, unwanted)
        return self._judge(actual, Words(f"not holding {unwanted!r}"), passed)

    def unique(self, actual: Value) -> bool:
        """Assert a list of two or more elements without a repetition."""
        value = _evidence(actual).value
        passed = (
            isinstance(value, list)
            and len(value) > 1
            and all(value.index(v) == n for n, v in enumerate(value))
        )
        return self._judge(actual, Words("two or more, all different"), passed)

    def pattern(self, actual: Value, expression: str) -> bool:
        """Assert that a regular expression matches the whole text."""
        return self.matches(actual, Matching(expression, f"text like /{expression}/"))

    def uuid(self, actual: Value) -> bool:
        """Assert a canonical UUID."""
        return self.matches(actual, UUID)

    def between(self, actual: Value, low: float, high: float) -> bool:
        """Assert a number from *low* to *high*, both included."""
        if not low <= high:
            raise AuthoringError(f"between({low}, {high}) holds no number")
        value = _evidence(actual).value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        passed = number and low <= value <= high
        return self._judge(actual, Words(f"{low} to {high}"), passed)

    # -- recording --------------------------------------------------------------------------

    def _judge(self, actual: Value, expected: Any, passed: bool, message: str = "") -> bool:  # noqa: FBT001
        return self._record(actual.path, expected, actual.value, passed, message, actual.exchange)

    def _note(self, finding: Finding, exchange: str | None) -> None:
        self._record(*finding, exchange)

    def _record(
        self,
        at: str,
        expected: Any,
        actual: Any,
        passed: bool,  # noqa: FBT001
        message: str,
        exchange: str | None,
    ) -> bool:
        self.assertions.append(Assertion(at, expected, actual, passed, message, exchange))
        if self.exchange is None:
            self.exchange = exchange
        return passed


def _evidence(value: Any) -> Value:
    if isinstance(value, Value):
        return value
    raise AuthoringError(f"a check takes evidence (answer.at(...), derived(...)), not {value!r}")


def _holds(container: Any, member: Any) -> bool:
    if isinstance(container, str):
        return isinstance(member, str) and member in container
    return isinstance(container, list | dict) and member in container
