"""What broke an attempt: one finding, by rules, from its own evidence.

The rules go by what an operator asks first. Did a service answer at all? Did it crash? Was it
too slow? Only then: what was wrong with the answer, and last, with the telemetry. Nothing is
guessed from words in a message; where the evidence does not say, the finding says less.
"""

import math
import re
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from caas_reports.archive import NOTHING, Archive
from caas_reports.causes.phrases import (
    TEXT_CHARS_MAX,
    detail_of,
    difference,
    exception_of,
    form_of,
    is_telemetry,
    short,
    telemetry_words,
    title,
)
from caas_reports.causes.trail import Trail, first_lines
from caas_reports.model import (
    Assertion,
    Attempt,
    Case,
    Check,
    Exchange,
    Level,
    LogRecord,
    Run,
    Span,
    Verdict,
)
from caas_reports.wording import duration, failing_checks

FAILING_STATUS = 500
REFUSING_STATUS = 400


class Kind(StrEnum):
    """What sort of thing broke."""

    UNANSWERED = "no answer"
    CRASHED = "server error"
    SLOW = "too slow"
    WRONG = "wrong answer"
    TELEMETRY = "telemetry"
    VACUOUS = "vacuous"
    HARNESS = "harness"
    ENVIRONMENT = "environment"
    UNJUDGED = "not judged"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What broke, where, what was wanted, what came, and what the platform wrote.

    Attributes:
        kind: Its sort.
        what: A clause about the service: `answered 200, not 404`, `body.client.plan is missing`.
        alike: The same without what differs from case to case; findings are grouped by it.
        title: The clause behind the service it is about.
        place: Where alike findings share it; more than one operation can be there.
        service: Whose doing it is, as far as the evidence says; empty when it does not.
        operation: What was asked for: `POST /v1/auth/api-keys`.
        note: What else the evidence says, in a few words.
        attempt: Number of the attempt.
        offset_ms: When, from the start of the attempt.
        check: Title of the check that failed.
        level: Its level.
        at: Where in the evidence the first assertion looked that did not hold.
        expected: What it wanted.
        actual: What came.
        exchange: Id of the exchange; the next six members say what it was.
        logs: The lines to read first.
        log_lines: How many lines there were under the exchange.
        below: The service and the operation whose one answer the exchange's may have passed on.
    """

    kind: Kind
    what: str
    alike: str
    title: str = ""
    place: str = ""
    service: str = ""
    operation: str = ""
    note: str = ""
    attempt: int = 0
    offset_ms: float = 0.0
    check: str = ""
    level: Level = Level.MUST
    at: str = ""
    expected: str = ""
    actual: str = ""
    exchange: str = ""
    to: str = ""
    method: str = ""
    url: str = ""
    status: int | None = None
    error: str = ""
    total_ms: float = 0.0
    logs: tuple[LogRecord, ...] = ()
    log_lines: int = 0
    below: tuple[str, str] | None = None


class _Failing(NamedTuple):
    check: Check
    assertion: Assertion | None

    @property
    def exchange(self) -> str | None:
        own = self.assertion.exchange if self.assertion else None
        return own or self.check.exchange


class _Thrown(NamedTuple):
    service: str
    type: str
    frame: str


def finding(case: Case, run: Run, archive: Archive = NOTHING) -> Finding | None:
    """Say what broke a case, or its last red attempt when it is flaky; None when nothing did."""
    if case.verdict is Verdict.SKIPPED or (case.verdict is Verdict.PASSED and not case.flaky):
        return None
    if not case.attempts:
        reason = case.reason or "planned, and never reported"
        what = short(reason, TEXT_CHARS_MAX)
        return Finding(kind=Kind.UNJUDGED, what=what, alike=reason, title=what)
    red = (Verdict.FAILED, Verdict.ERROR, Verdict.WARNING, Verdict.NOT_RUN)
    broken = [attempt for attempt in case.attempts if attempt.verdict in red]
    if not broken:
        return None
    return _Reader(archive.full(broken[-1]), _ports(run)).read()


def _ports(run: Run) -> dict[str, str]:
    """Name the service behind each port of the target."""
    return {url.rstrip("/").rpartition(":")[2]: name for name, url in run.target.urls.items()}


class _Reader:
    """Reads one attempt by the rules, the first that says something."""

    def __init__(self, attempt: Attempt, ports: dict[str, str]) -> None:
        self._attempt = attempt
        self._ports = ports
        self._trail = Trail(attempt)
        failing = [
            _Failing(check, next((a for a in check.assertions if not a.passed), None))
            for check in failing_checks(attempt)
        ]
        # What was wrong first may be why the rest was: a token refused for an id that is none.
        self._failing = sorted(failing, key=self._when)

    def _when(self, failing: _Failing) -> tuple[bool, float]:
        judged = self._trail.exchange(failing.exchange)
        missed = failing.check.verdict is Verdict.WARNING
        return missed, judged.offset_ms if judged else math.inf

    def read(self) -> Finding:
        for rule in (self._slow, self._outside, self._troubled, self._wrong, self._telemetry):
            found = rule()
            if found:
                told = title(found.service, found.what)
                return msgspec.structs.replace(found, title=told, attempt=self._attempt.number)
        nothing = "no assertion about the platform was evaluated"
        return Finding(
            kind=Kind.VACUOUS, what=nothing, alike=nothing, title=nothing,
            attempt=self._attempt.number,
        )  # fmt: skip

    # -- the rules, in their order ------------------------------------------------------------

    def _slow(self) -> Finding | None:
        """Out of time: name the operation that took most of it, and who spent it."""
        failure = self._attempt.failure
        if failure is None or failure.kind != "timeout":
            return None
        spent: dict[str, list[Exchange]] = {}
        for exchange in self._attempt.exchanges:
            spent.setdefault(self._trail.operation(exchange), []).append(exchange)
        if not spent:
            return Finding(kind=Kind.SLOW, what=failure.message, alike=failure.message)
        operation, slow = max(spent.items(), key=lambda one: sum(map(_total_ms, one[1])))
        slowest = max(slow, key=_total_ms)
        took = duration(_total_ms(slowest))
        busiest = self._trail.busiest(slowest)
        note = failure.message + (f", {len(slow)} such requests" if len(slow) > 1 else "")
        service, place = slowest.service, operation
        if busiest:
            span, own_ms = busiest
            service, place = span.service, f"{span.service} {span.name}"
            where = "itself" if span.kind == "server" else f"on {span.name}"
            note += f"; {duration(own_ms)} of {took} were spent by {span.service} {where}"
        return self._at(
            slowest, Kind.SLOW, f"took {took} to answer", "took too long to answer",
            service=service, place=place, note=note,
        )  # fmt: skip

    def _outside(self) -> Finding | None:
        """The harness or the environment broke: nothing is said about the platform."""
        failure = self._attempt.failure
        if failure is None:
            return None
        kind = Kind.ENVIRONMENT if failure.kind == "environment" else Kind.HARNESS
        first = failure.detail.strip().splitlines()[-1:] or [""]
        return Finding(
            kind=kind, what=short(failure.message, TEXT_CHARS_MAX),
            alike=re.sub(r"\d+", "#", failure.message), note=short(first[0], TEXT_CHARS_MAX),
        )  # fmt: skip

    def _troubled(self) -> Finding | None:
        """No answer, or a 5xx that no check wanted, before or at what the case judged."""
        judged = self._trail.exchange(self._failing[0].exchange) if self._failing else None
        for exchange in sorted(self._attempt.exchanges, key=lambda one: one.offset_ms):
            if judged and exchange.offset_ms > judged.offset_ms:
                return None
            if not _trouble(exchange) or self._wanted(exchange):
                continue
            if exchange.status is None or exchange.status < FAILING_STATUS:
                said = f"gave no answer: {exchange.error}"
                return self._at(
                    exchange, Kind.UNANSWERED, said, "gave no answer", service=exchange.service,
                    place=exchange.service,
                )  # fmt: skip
            return self._failed_inside(exchange, exchange.status)
        return None

    def _failed_inside(self, exchange: Exchange, status: int) -> Finding:
        """Follow the trace of a 5xx down to the service or the dependency that failed."""
        errors = [
            (depth, span)
            for depth, span in self._trail.spans(exchange)
            if span.status == "error" and not self._trail.made_good(span)
        ]
        deepest = max(errors, key=lambda one: one[0])[1] if errors else None
        if deepest and deepest.kind == "client":
            peer = self._peer(deepest)
            if peer:
                return self._at(
                    exchange, Kind.UNANSWERED, f"gave {deepest.service} no answer",
                    "gave no answer", service=peer, place=peer,
                    note=f"{exception_of(deepest)}; {exchange.service} answered {status}",
                )  # fmt: skip
        thrown = self._thrown(exchange, deepest)
        if thrown:
            said = f"raised {thrown.type}"
            return self._at(
                exchange, Kind.CRASHED, said, said, service=thrown.service,
                place=f"{thrown.service} {thrown.type} {thrown.frame}",
                note=f"{exchange.service} answered {status}; raised in {thrown.frame or '?'}",
            )  # fmt: skip
        return self._at(
            exchange, Kind.CRASHED, f"answered {status}{detail_of(exchange)}",
            f"answered {status}", service=deepest.service if deepest else exchange.service,
            place=self._trail.operation(exchange),
        )  # fmt: skip

    def _wrong(self) -> Finding | None:
        """The first check that looked at an answer and did not hold."""
        for failing in self._failing:
            exchange = self._trail.exchange(failing.exchange)
            if failing.assertion is None or (exchange is None and is_telemetry(failing.assertion)):
                continue
            if exchange is None:
                what, alike = difference(failing.assertion)
                return _judged(failing, Kind.WRONG, what, alike, place=failing.check.title)
            what, alike = self._mismatch(exchange, failing.assertion)
            return self._at(
                exchange, Kind.WRONG, what, alike, service=exchange.service,
                place="" if form_of(failing.assertion) else self._trail.operation(exchange),
                failing=failing, below=self._trail.passed_on(exchange),
            )  # fmt: skip
        return None

    def _telemetry(self) -> Finding | None:
        """Only the telemetry check is left, or a check on what was recorded."""
        for failing in self._failing:
            if failing.assertion is not None:
                service, what, alike = telemetry_words(failing.assertion)
                found = _judged(failing, Kind.TELEMETRY, what, alike, place=service)
                return msgspec.structs.replace(found, service=service)
        return None

    # -- helpers --------------------------------------------------------------------------------

    def _at(
        self,
        exchange: Exchange,
        kind: Kind,
        what: str,
        alike: str,
        *,
        failing: _Failing | None = None,
        **more: Any,
    ) -> Finding:
        """Make a finding at an exchange, with its operation and its log lines."""
        logs = self._trail.logs(exchange)
        base = _judged(failing or self._judging(exchange), kind, what, alike)
        return msgspec.structs.replace(
            base,
            operation=self._trail.operation(exchange),
            offset_ms=exchange.offset_ms,
            exchange=exchange.id,
            to=exchange.service,
            method=exchange.method,
            url=exchange.url,
            status=exchange.status,
            error=exchange.error,
            total_ms=exchange.timings.total_ms,
            logs=tuple(first_lines(logs)),
            log_lines=len(logs),
            **more,
        )

    def _judging(self, exchange: Exchange) -> _Failing | None:
        """Give the failing check that judged this exchange, else the first one's name alone."""
        of_it = [failing for failing in self._failing if failing.exchange == exchange.id]
        others = (failing._replace(assertion=None) for failing in self._failing)
        return next(iter((*of_it, *others)), None)

    def _wanted(self, exchange: Exchange) -> bool:
        """Whether a check expected just this status, or that the connection is closed."""
        return any(
            assertion.at == "status"
            and assertion.passed
            and (assertion.exchange or check.exchange) == exchange.id
            for check in self._attempt.checks
            for assertion in check.assertions
        )

    def _peer(self, span: Span) -> str:
        """Name whom a client span called, when that one left no span of its own."""
        if any(child.kind == "server" for child in self._trail.children(span.span_id)):
            return ""
        database = span.attributes.get("db.system.name") or span.attributes.get("db.system")
        if database:
            return str(database)
        port = str(span.attributes.get("server.port", ""))
        return self._ports.get(port, "")

    def _thrown(self, exchange: Exchange, span: Span | None) -> "_Thrown | None":
        """Give the exception behind a 5xx, when a span or a log line recorded one."""
        recorded = [(span.service, e.get("attributes") or {}) for e in span.events] if span else []
        recorded += [(one.service, one.attributes) for one in self._trail.logs(exchange)]
        for service, facts in recorded:
            if facts.get("exception.type"):
                frames = str(facts.get("exception.stacktrace", "")).strip().splitlines()
                frame = short(frames[-1] if frames else "")
                return _Thrown(service, str(facts["exception.type"]), frame)
        return None

    def _mismatch(self, exchange: Exchange, assertion: Assertion) -> tuple[str, str]:
        """Say what is wrong with an answer; an error instead of a body is told as the error."""
        status = exchange.status or 0
        if (
            status >= REFUSING_STATUS
            and assertion.at.startswith("body")
            and not self._wanted(exchange)
        ):
            return f"answered {status}{detail_of(exchange)}", f"answered {status}"
        what, alike = difference(assertion)
        refused = status >= REFUSING_STATUS and assertion.at == "status"
        return what + (detail_of(exchange) if refused else ""), alike


def _judged(
    failing: _Failing | None, kind: Kind, what: str, alike: str, *, place: str = ""
) -> Finding:
    if failing is None:
        return Finding(kind=kind, what=what, alike=alike, place=place)
    check, assertion = failing
    return Finding(
        kind=kind,
        what=what,
        alike=alike,
        place=place,
        check=check.title,
        level=check.level,
        at=assertion.at if assertion else "",
        expected=short(assertion.expected, TEXT_CHARS_MAX) if assertion else "",
        actual=short(assertion.actual, TEXT_CHARS_MAX) if assertion else "",
    )


def _trouble(exchange: Exchange) -> bool:
    if exchange.error:
        return True
    return exchange.status is not None and exchange.status >= FAILING_STATUS


def _total_ms(exchange: Exchange) -> float:
    return exchange.timings.total_ms
