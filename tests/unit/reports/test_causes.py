"""What broke: a finding for each red case, by rules, and the causes that they share."""

from typing import Any

import msgspec
import pytest

from caas_reports.causes.findings import Finding, Kind
from caas_reports.causes.grouping import Cause, causes
from caas_reports.causes.phrases import title
from caas_reports.model import (
    SCHEMA_VERSION,
    Assertion,
    Attempt,
    Case,
    Check,
    DocumentedOperation,
    Exchange,
    Failure,
    Level,
    LogRecord,
    Message,
    Run,
    SeenAnswer,
    Span,
    Status,
    Target,
    Timings,
    Verdict,
)

AUTH, GATEWAY = "auth-service", "gateway"
KEYS = "/v1/auth/api-keys"
BROKEN_PIPE = {"exception.type": "caas.errors.UpstreamClosedError", "exception.message": "gone"}


def exchange(number: int = 1, status: int | None = 200, **more: Any) -> Exchange:
    """Make an exchange `x1`, `x2`, ...; each starts 10 ms after the one before."""
    path = more.pop("path", KEYS)
    facts: dict[str, Any] = {
        "protocol": "http", "service": GATEWAY, "method": "GET", "span_id": f"c{number}",
        "offset_ms": 10.0 * number, "timings": Timings(total_ms=5.0),
    }  # fmt: skip
    url = f"http://127.0.0.1:4000{path}"
    return Exchange(**facts | {"id": f"x{number}", "status": status, "url": url} | more)


def span(span_id: str, parent: str, name: str, service: str, **more: Any) -> Span:
    """Make a server span of 5 ms."""
    facts: dict[str, Any] = {"kind": "server", "offset_ms": 10.0, "duration_ms": 5.0}
    return Span(**facts | {
        "span_id": span_id, "parent_span_id": parent, "name": name, "service": service,
    } | more)  # fmt: skip


def wrong(
    at: str, expected: str, actual: str, number: int | None = 1, level: Level = Level.MUST
) -> Check:
    """Make a check that failed at one place."""
    missed = Verdict.FAILED if level is Level.MUST else Verdict.WARNING
    return Check(
        id="claim", title="a claim", level=level, verdict=missed,
        exchange=f"x{number}" if number else None,
        assertions=(Assertion(at=at, expected=expected, actual=actual, passed=False),),
    )  # fmt: skip


def expected_status(status: int, number: int = 1) -> Check:
    """Make a check that wanted this status and got it."""
    right = Assertion(at="status", expected=str(status), actual=str(status), passed=True)
    return Check(
        id="status", title="it is refused", level=Level.MUST, verdict=Verdict.PASSED,
        exchange=f"x{number}", assertions=(right,),
    )  # fmt: skip


def case(
    id_: str, *checks: Check, verdict: Verdict = Verdict.FAILED, started: int = 1, **evidence: Any
) -> Case:
    """Make a case of one attempt, *started* seconds into the run."""
    attempt = Attempt(
        number=1, status=Status.FINISHED, verdict=verdict, duration_ms=50.0, checks=checks,
        started_at=f"2031-01-01T00:00:{started:02d}.000Z", **evidence,
    )  # fmt: skip
    return Case(
        id=id_, title=id_, phase=id_[:3], proves="It.", verdict=verdict, attempts=(attempt,)
    )


def judged(
    *cases: Case, contract: tuple[DocumentedOperation, ...] = ()
) -> tuple[tuple[Cause, ...], dict[str, Finding]]:
    """Find the causes of a run of these cases."""
    run = Run(
        schema_version=SCHEMA_VERSION, run_id="r", status=Status.FINISHED, verdict=Verdict.FAILED,
        started_at="2031-01-01T00:00:00.000Z", duration_ms=1, tool_version="0", command="",
        target=Target(urls={GATEWAY: "http://127.0.0.1:4000", AUTH: "http://127.0.0.1:4001/"}),
        cases=cases, contract=contract,
    )  # fmt: skip
    found = causes(run)
    return found.causes, found.findings


def only(*cases: Case) -> tuple[Cause, Finding]:
    """Find the one cause that all these cases have, and the example's finding."""
    found, findings = judged(*cases)
    assert len(found) == 1, [cause.title for cause in found]
    assert found[0].cases == tuple(one.id for one in cases)
    return found[0], findings[found[0].example]


def test_one_missing_member_is_one_cause_whatever_was_wanted() -> None:
    """Five cases that a dropped member breaks are one thing to repair."""
    served = span("s1", "c1", "GET /v1/auth/api-keys/{key_id}", GATEWAY)
    cause, finding = only(
        case("S02.01", wrong("body.plan", '"free"', "(missing)"), exchanges=(exchange(),),
             spans=(served,)),
        case("S02.02", wrong("body.plan", '"business"', "(missing)", 2),
             exchanges=(exchange(), exchange(2, path=KEYS + "/77/")),
             spans=(msgspec.structs.replace(served, parent_span_id="c2"),)),
    )  # fmt: skip

    assert cause.title == "gateway: body.plan is missing"
    assert cause.operations == ("GET /v1/auth/api-keys/{key_id}",)
    assert cause.example == "S02.01"
    assert (finding.kind, finding.at, finding.actual) == (Kind.WRONG, "body.plan", "(missing)")
    assert (cause.from_ms, cause.to_ms) == (1010.0, 1020.0)


def passed_on(status: int = 200) -> tuple[Span, ...]:
    """Make the spans of a gateway's answer to `c1` that auth's one answer is behind."""
    told = {"http.response.status_code": status}
    return (
        span("s1", "c1", "GET /v1/auth/api-keys", GATEWAY),
        span("u1", "s1", "GET /keys", GATEWAY, kind="client", attributes=told),
        span("a1", "u1", "GET /keys", AUTH),
    )


def test_what_the_gateway_passed_on_is_laid_at_auth() -> None:
    """The same is wrong where auth itself was asked."""
    missing = wrong("body.plan", '"free"', "(missing)")
    cause, _ = only(
        case("S04.01", missing, exchanges=(exchange(service=AUTH, path="/keys"),)),
        case("S08.01", missing, exchanges=(exchange(),), spans=passed_on()),
    )

    assert (cause.service, cause.operations) == (AUTH, ("GET /keys",))
    assert cause.title == "auth-service: body.plan is missing"


@pytest.mark.parametrize(("asked", "whose"), [(1, GATEWAY), (0, AUTH)])
def test_an_answer_that_is_right_when_asked_for_directly_was_spoilt_on_the_way(
    asked: int, whose: str
) -> None:
    """When nobody asked auth itself, what the gateway says is what it was told."""
    answers = (SeenAnswer(status="200", times=asked),)
    contract = (DocumentedOperation(service=AUTH, method="GET", path="/keys", answers=answers),)
    missing = wrong("body.plan", '"free"', "(missing)")
    red = case("S08.01", missing, exchanges=(exchange(),), spans=passed_on())
    (cause,), findings = judged(red, contract=contract)

    assert cause.service == whose
    assert findings["S08.01"].note == ("" if asked else "gateway passed it on")


def test_another_status_than_was_passed_on_is_the_gateways() -> None:
    """It was told 200 and said 403."""
    spans = passed_on(200)
    red = case("S08.01", wrong("status", "200", "403"), exchanges=(exchange(status=403),),
               spans=spans)  # fmt: skip
    (cause,), _ = judged(red, contract=())

    assert cause.service == GATEWAY


def test_ids_of_another_form_are_one_cause_with_what_follows_from_them() -> None:
    """Members and operations differ, and so does what else went wrong in a case after that."""
    register = exchange(service=AUTH, path="/register", method="POST")
    followed = exchange(2, service=GATEWAY, status=401)
    cause, _ = only(
        case("S02.01", wrong("body.client_id", "a UUID", '"77"'), exchanges=(register,)),
        case("S02.02", wrong("body.user.id", "format uuid", '"78"'),
             exchanges=(exchange(service=AUTH, path="/session"),)),
        case("S08.01", wrong("status", "200", "401", 2), wrong("body.id", "format uuid", '"7"'),
             exchanges=(register, followed)),
    )  # fmt: skip

    assert cause.title == "auth-service sent what is no UUID"


@pytest.mark.parametrize(
    ("expected", "actual", "told"),
    [
        ({"a": [1, {"b": 1}], "z": "x" * 70}, {"a": [1, {"b": 2}], "z": "x" * 70},
         "body.a.1.b is 2, not 1"),
        ({"a": 1, "z": "x" * 70}, {"z": "x" * 70}, "body.a is missing"),
        ({"z": "x" * 70}, {"z": "x" * 70, "_id": 1}, "body._id is there, and was not expected"),
        ({"z": "x" * 70}, {"z": "x" * 60 + "y" * 10},
         "body.z differs from character 61 on: …xxxxxxxxxxyyyyyyyyyy, not …xxxxxxxxxxxxxxxxxxxx"),
        ({"z": "x" * 70}, None, 'body is null, not {"z":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'),
    ],
)  # fmt: skip
def test_a_long_value_is_told_by_where_it_differs(expected: Any, actual: Any, told: str) -> None:
    """Nobody likes to compare two walls of text."""
    wanted, came = (msgspec.json.encode(value).decode() for value in (expected, actual))
    cause, _ = only(case("S01.01", wrong("body", wanted, came), exchanges=(exchange(),)))

    assert cause.title == title(GATEWAY, told)


def test_other_places_and_other_operations_are_other_causes() -> None:
    """What looks alike from afar is not thrown together."""
    found, _ = judged(
        case("S01.01", wrong("body.plan", "1", "(missing)"), exchanges=(exchange(),)),
        case("S01.02", wrong("body.name", "1", "(missing)"), exchanges=(exchange(),)),
        case("S01.03", wrong("body.plan", "1", "(missing)"), exchanges=(exchange(path="/v1/me"),)),
    )

    assert [cause.cases for cause in found] == [("S01.01",), ("S01.02",), ("S01.03",)]


def test_the_same_fault_of_many_operations_is_one_of_what_they_share() -> None:
    """A header that every answer lacks is one cause, not one for each route."""
    cause, _ = only(
        *(
            case(f"X05.0{n}", wrong("header.x-frame", "1", "(missing)"),
                 exchanges=(exchange(path=f"/v1/{'abc'[n]}"),))
            for n in range(3)
        )
    )  # fmt: skip

    assert cause.operations == ("GET /v1/a", "GET /v1/b", "GET /v1/c")


def test_an_assertion_on_another_exchange_is_laid_at_that_one() -> None:
    """The status that came is the one shown."""
    check = wrong("status", "404", "200", 1)
    there = msgspec.structs.replace(check.assertions[0], exchange="x2")
    _, finding = only(
        case("X01.03", msgspec.structs.replace(check, assertions=(there,)),
             exchanges=(exchange(1, 404), exchange(2, 200, path="/v1/foreign"))),
    )  # fmt: skip

    assert (finding.exchange, finding.status) == ("x2", 200)
    assert finding.title == "gateway answered 200, not 404"
    assert finding.operation == "GET /v1/foreign"


def test_a_refusal_in_place_of_a_body_is_told_as_the_refusal() -> None:
    """`body.key is missing` says nothing when the answer was a 403 with a reason."""
    said = Message(body='{"detail": "No such scope"}')
    _, finding = only(
        case("S08.13", wrong("body.key", "a key", "(missing)"),
             exchanges=(exchange(1, 403, response=said),)),
    )  # fmt: skip

    assert finding.title == "gateway answered 403: No such scope"


def test_a_closed_connection_and_the_gateways_503_are_one_cause() -> None:
    """Both say that the same service was away; the trace of the 503 names it."""
    call = span(
        "s2", "s1", "POST", GATEWAY, kind="client", status="error",
        attributes={"server.port": 4001}, events=({"attributes": BROKEN_PIPE},),
    )  # fmt: skip
    front = span("s1", "c1", "GET /v1/auth/api-keys", GATEWAY, status="error")
    cause, finding = only(
        case("S08.21", wrong("body.items", "[]", "(missing)"), exchanges=(exchange(1, 503),),
             spans=(front, call)),
        case("S08.43", wrong("outcome", '"a whole answer"', '"closed"', 1),
             exchanges=(exchange(1, None, service=AUTH, error="closed"), exchange(2, 200))),
    )  # fmt: skip

    assert (cause.kind, cause.service) == (Kind.UNANSWERED, AUTH)
    assert cause.title == "auth-service gave no answer"
    assert cause.example == "S08.21"
    assert finding.note == "UpstreamClosedError; gateway answered 503"


def test_a_dependency_that_fails_is_named() -> None:
    """A database has no span of its own."""
    call = span("s2", "s1", "find clients", AUTH, kind="client", status="error",
                attributes={"db.system.name": "mongodb"})  # fmt: skip
    front = span("s1", "c1", "GET /v1/auth/api-keys", AUTH, status="error")
    cause, _ = only(
        case("S01.01", wrong("status", "200", "503"), exchanges=(exchange(1, 503),),
             spans=(front, call)),
    )  # fmt: skip

    assert cause.title == "mongodb gave auth-service no answer"


def test_a_call_that_was_made_again_and_answered_is_not_to_blame() -> None:
    """A script that the server did not know yet is loaded and called once more."""
    first = span("s2", "s1", "EVALSHA", AUTH, kind="client", status="error",
                 attributes={"db.system.name": "redis"})  # fmt: skip
    again = msgspec.structs.replace(first, span_id="s3", status="unset", offset_ms=12.0)
    front = span("s1", "c1", "GET /v1/auth/api-keys", AUTH, status="error")
    cause, _ = only(
        case("S01.01", wrong("status", "200", "500"), exchanges=(exchange(1, 500),),
             spans=(front, first, again)),
    )  # fmt: skip

    assert cause.title == "auth-service answered 500"


def test_what_a_silent_service_had_not_sent_is_lost_with_it() -> None:
    """Its missing telemetry is the same fault when it is near, and another one when it is not."""
    closed = exchange(1, None, service=AUTH, error="closed")
    silent = case("S08.43", wrong("outcome", "a", "b"), exchanges=(closed,), started=9)
    lost = wrong("telemetry.auth-service", '"arrived"', '"did not arrive in time"', None)
    near = case("S08.42", lost, started=7)
    far = case("S14.01", lost, started=30)

    found, _ = judged(near, silent, far)

    assert [cause.cases for cause in found] == [("S08.42", "S08.43"), ("S14.01",)]
    assert found[1].title == "auth-service sent its telemetry too late, or never"


def test_crashes_with_one_exception_are_one_cause() -> None:
    """Whatever was asked for, and whoever passed the answer on: the frame that raised is one."""

    def crashed(id_: str, path: str, service: str = AUTH, status: int = 500) -> Case:
        log = LogRecord(
            offset_ms=12.0, service=AUTH, level="error", message="unhandled", span_id="s1",
            attributes={"exception.type": "KeyError", "exception.stacktrace": "a.py:1\nb.py:2 f"},
        )  # fmt: skip
        asked = exchange(1, status, path=path, service=service)
        served = span("s1", "c1", f"GET {path}", AUTH, status="error")
        return case(
            id_, wrong("status", "401", "500"), exchanges=(asked,), spans=(served,), logs=(log,)
        )

    cause, finding = only(
        crashed("S04.04", "/a"), crashed("S05.04", "/b"), crashed("S08.04", "/c", GATEWAY, 502)
    )

    assert (cause.kind, cause.title) == (Kind.CRASHED, "auth-service raised KeyError")
    assert finding.note == "auth-service answered 500; raised in b.py:2 f"
    assert [record.message for record in finding.logs] == ["unhandled"]


def test_a_5xx_that_a_check_wanted_is_not_to_blame() -> None:
    """A case may ask for a 503, and fail at something else."""
    _, finding = only(
        case("S01.09", expected_status(503), wrong("body.up", "true", "false", 2),
             exchanges=(exchange(1, 503), exchange(2, 200))),
    )  # fmt: skip

    assert finding.title == "gateway: body.up is false, not true"


def test_a_5xx_after_what_was_wrong_is_not_its_cause() -> None:
    """Causes come first."""
    _, finding = only(
        case("S01.09", wrong("body.up", "true", "false", 1),
             exchanges=(exchange(1, 200), exchange(2, 503))),
    )  # fmt: skip

    assert finding.exchange == "x1"


def test_out_of_time_names_who_spent_it() -> None:
    """The operation that took most, and in it the span without a child to blame."""
    slow = span("s1", "c2", "POST /keys", AUTH, offset_ms=20.0, duration_ms=6000.0)
    quick = span("s2", "s1", "find clients", AUTH, kind="client", offset_ms=21.0)

    def late(id_: str, took_ms: float) -> Case:
        return case(
            id_, verdict=Verdict.ERROR,
            failure=Failure(kind="timeout", message="the case took over 30 s"),
            exchanges=(exchange(1, 201, path="/v1/register"),
                       exchange(2, 200, timings=Timings(total_ms=took_ms))),
            spans=(slow, quick),
        )  # fmt: skip

    cause, finding = only(late("S12.03", 6010.0), late("S12.04", 7200.0))

    assert cause.title == "auth-service took up to 7.2 s to answer"
    assert (cause.kind, cause.verdict) == (Kind.SLOW, Verdict.ERROR)
    assert finding.exchange == "x2"
    assert finding.note.endswith("6.0 s of 6.0 s were spent by auth-service itself")


@pytest.mark.parametrize(
    ("at", "actual", "title"),
    [
        ("spans.gateway", '"not in the trace"', "gateway is not in the trace"),
        ("spans.orphans", '["gateway: find x"]', "gateway left spans whose parent never arrived"),
        ("logs.errors", '["gateway: request"]', "gateway logged an error"),
        ("telemetry.leaks", '["gateway: log x"]', "gateway wrote a secret into its telemetry"),
        ("telemetry.logs|having.length", "0", "telemetry.logs|having.length is 0, not []"),
    ],
)
def test_telemetry_is_told_in_words(at: str, actual: str, title: str) -> None:
    """By service, when the evidence names it."""
    cause, _ = only(case("X07.06", wrong(at, "[]", actual, None)))

    assert (cause.kind, cause.title) == (Kind.TELEMETRY, title)


def test_a_check_on_an_answer_comes_before_the_one_on_telemetry() -> None:
    """An error in a log is a consequence."""
    telemetry = wrong("logs.errors", "[]", '["gateway: request"]', None)
    _, finding = only(
        case("S01.01", telemetry, wrong("status", "200", "404"), exchanges=(exchange(1, 404),)),
    )

    assert finding.kind is Kind.WRONG


def test_the_harness_is_not_the_platform() -> None:
    """Its own breakage is told as such."""
    failure = Failure(kind="harness", message="KeyError: 'x'", detail="Traceback\n  line 7")
    cause, finding = only(case("S01.01", verdict=Verdict.ERROR, failure=failure))

    assert (cause.kind, cause.service) == (Kind.HARNESS, "")
    assert finding.note == "  line 7"


def test_cases_that_never_ran_share_their_reason() -> None:
    """A killed run leaves one cause, and a skipped case none."""
    never = Case(id="S01.01", title="", phase="S01", proves="", verdict=Verdict.NOT_RUN,
                 reason="the run was killed")  # fmt: skip
    skipped = msgspec.structs.replace(never, id="S01.03", verdict=Verdict.SKIPPED)
    found, findings = judged(never, msgspec.structs.replace(never, id="S01.02"), skipped)

    assert [(c.title, c.cases, c.from_ms) for c in found] == [
        ("the run was killed", ("S01.01", "S01.02"), None)
    ]
    assert "S01.03" not in findings


def test_a_flaky_case_and_a_missed_should_come_last() -> None:
    """They are shown, and do not stand before what is red."""
    red = case("S09.01", wrong("status", "200", "404"), exchanges=(exchange(1, 404),))
    passed = msgspec.structs.replace(red.attempts[0], number=2, verdict=Verdict.PASSED, checks=())
    flaky = msgspec.structs.replace(
        red, id="S01.01", verdict=Verdict.PASSED, flaky=True, attempts=(red.attempts[0], passed)
    )
    short = wrong("header.x", "1", "(missing)", level=Level.SHOULD)
    should = case("S01.02", short, verdict=Verdict.WARNING, exchanges=(exchange(),))
    other = case("S09.02", wrong("status", "200", "401"), exchanges=(exchange(1, 401),))
    found, findings = judged(flaky, should, other)

    assert [cause.verdict for cause in found] == ["failed", "warning", "warning"]
    assert [cause.cases for cause in found] == [("S09.02",), ("S01.01",), ("S01.02",)]
    assert findings["S01.01"].attempt == 1


def test_an_inconclusive_attempt_before_a_pass_is_no_cause() -> None:
    """The machine stood still, and the case was taken again: that is the run's gate to judge."""
    stood = Failure(kind="environment", message="inconclusive: the machine stood still")
    first = case("S01.01", verdict=Verdict.ERROR, failure=stood)
    again = msgspec.structs.replace(first.attempts[0], number=2, verdict=Verdict.PASSED)
    passed = msgspec.structs.replace(
        first, verdict=Verdict.PASSED, attempts=(first.attempts[0], again)
    )

    assert judged(passed) == ((), {})


def test_a_case_without_an_assertion_is_vacuous() -> None:
    """It looked at nothing."""
    cause, _ = only(case("S01.01", exchanges=(exchange(),)))

    assert cause.kind is Kind.VACUOUS


def test_a_green_run_has_no_cause() -> None:
    """Nothing broke."""
    assert judged(case("S01.01", expected_status(200), verdict=Verdict.PASSED)) == ((), {})


def test_the_lines_to_read_first_are_those_that_alarm() -> None:
    """The last of them, without what stands beside them already, and with the end of a stack."""
    lines = [
        LogRecord(offset_ms=float(n), service=AUTH, level=level, message=f"{n}", span_id="c1",
                  attributes={"correlation_id": "c", "exception.stacktrace": "a\nb\nc\nd"})
        for n, level in enumerate(["info", "warning", "info", "error", "info"])
    ]  # fmt: skip
    _, finding = only(
        case("S01.01", wrong("status", "200", "404"), exchanges=(exchange(1, 404),),
             logs=tuple(lines)),
    )  # fmt: skip

    assert [record.message for record in finding.logs] == ["1", "3"]
    assert finding.log_lines == 5
    assert finding.logs[0].attributes == {"exception.stacktrace": "b\nc\nd"}
