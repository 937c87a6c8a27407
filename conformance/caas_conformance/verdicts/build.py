"""Turn attempts as they ran into the report's model: offsets, text, redaction.

This is done once, after the last case, so that a case pays for capturing bytes only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from caas_conformance.authoring.checks import Assertion, Check
from caas_conformance.authoring.shapes import Words
from caas_conformance.engine.attempt import AttemptRecord
from caas_conformance.timestamps import rfc3339
from caas_conformance.verdicts import wire_text
from caas_conformance.wire.answer import ExchangeRecord
from caas_conformance.wire.connection import CAPTURED_BYTES_MAX
from caas_conformance.wire.evidence import MISSING
from caas_observability.correlation import AttemptTelemetry
from caas_observability.receiver.records import ReceivedSpan
from caas_observability.redaction import REDACTED, Redactor, is_secret_name
from caas_reports import model
from caas_reports.model import Level, Verdict

RUNNER_SERVICE = "conformance-runner"
SHOWN_CHARS_MAX = 2_000
BODY_CHARS_MAX = 64 * 1024
NS_PER_MS = 1_000_000


class AttemptBuilder:
    """Builds one attempt's model; knows its secrets and its zero on the time axis."""

    def __init__(self, record: AttemptRecord, telemetry: AttemptTelemetry | None) -> None:
        self._record = record
        self._telemetry = telemetry
        for secret in _secrets_in_bodies(record):
            record.context.secrets.add(secret)
        self._redactor: Redactor = record.context.redactor()
        self._known: dict[str, str] = {}  # attribute texts repeat from span to span

    def build(self) -> model.Attempt:
        """Return the attempt with its whole evidence, redacted."""
        record = self._record
        return model.Attempt(
            number=record.number,
            status=record.status,
            verdict=record.verdict,
            started_at=rfc3339(record.started_ms),
            duration_ms=_round(record.duration_ms),
            sut_wait_ms=_round(record.sut_wait_ms),
            overhead_ms=_round(record.overhead_ms),
            trace_id=record.trace.trace_id,
            steps=tuple(
                model.Step(
                    name=self._redactor.text(step.name),
                    offset_ms=self._offset(step.started_at),
                    duration_ms=_round((step.ended_at - step.started_at) * 1000),
                )
                for step in record.context.steps
            ),
            checks=tuple(self._checks()),
            exchanges=tuple(self._exchange(x) for x in record.context.wire.exchanges),
            spans=tuple(self._spans()),
            logs=tuple(self._logs()),
            failure=self._failure(),
        )

    def without_evidence(self, reason: str) -> model.Attempt:
        """Return the attempt as an error of the harness, for when `build` fails."""
        record = self._record
        return model.Attempt(
            number=record.number,
            status=record.status,
            verdict=Verdict.ERROR,
            started_at=rfc3339(record.started_ms),
            duration_ms=_round(record.duration_ms),
            trace_id=record.trace.trace_id,
            failure=model.Failure(kind="harness", message=reason),
        )

    # -- checks -----------------------------------------------------------------------------

    def _checks(self) -> Iterator[model.Check]:
        record = self._record
        for check in (*record.context.checks, *record.extra_checks):
            yield model.Check(
                id=check.id,
                title=check.title,
                level=Level(check.level),
                verdict=_verdict_of(check),
                requirements=check.requirements,
                assertions=tuple(self._assertion(a, check.exchange) for a in check.assertions),
                step=check.step,
                exchange=check.exchange,
            )
        for check_id, title, level in record.unreached:
            yield model.Check(
                id=check_id,
                title=title,
                level=Level(level) if level in set(Level) else Level.MUST,
                verdict=Verdict.NOT_RUN,
                requirements=record.case.requirements,
            )

    def _assertion(self, assertion: Assertion, exchange: str | None) -> model.Assertion:
        expected, actual = shown(assertion, self._redactor)
        return model.Assertion(
            at=assertion.at,
            expected=expected,
            actual=actual,
            passed=assertion.passed,
            message=self._redactor.text(assertion.message),
            exchange=None if assertion.exchange == exchange else assertion.exchange,
        )

    def _failure(self) -> model.Failure | None:
        record = self._record
        if not record.failure_kind:
            return None
        return model.Failure(
            kind=record.failure_kind,
            message=self._redactor.text(record.reason),
            detail=self._redactor.text(record.failure_detail),
        )

    # -- the wire ---------------------------------------------------------------------------

    def _exchange(self, x: ExchangeRecord) -> model.Exchange:
        received = b"".join(x.received)
        return model.Exchange(
            id=x.id,
            protocol=x.protocol,
            service=x.service,
            method=x.method,
            url=self._redactor.url(x.url),
            offset_ms=self._offset(x.started_at),
            status=x.status,
            error=self._redactor.text(x.error),
            notes=tuple(map(self._redactor.text, x.notes)),
            retried=x.retried,
            request=self._message(
                x.request_headers,
                x.request_body,
                x.sent,
                len(x.sent),
                len(x.request_body),
                wire_text.exact,
            ),
            response=self._message(
                x.response_headers,
                x.body,
                received,
                x.received_bytes,
                x.body_bytes,
                wire_text.shown,
                x.trailers,
            ),
            timings=model.Timings(
                connect_ms=_between(x.started_at, x.connected_at),
                first_byte_ms=_between(x.started_at, x.first_byte_at),
                total_ms=_between(x.started_at, x.ended_at),
            ),
            events=tuple(
                model.WireEvent(
                    offset_ms=self._offset(at),
                    direction=direction,
                    kind=kind,
                    name=self._redactor.text(name),
                    data=_cut(self._redactor.body(data), BODY_CHARS_MAX),
                    bytes=len(data),
                )
                for at, direction, kind, name, data in x.events
            ),
            span_id=x.span_id,
            correlation_id=x.correlation_id,
            step=x.step,
        )

    def _message(
        self,
        headers: list[tuple[str, str]],
        body: bytes,
        raw: bytes,
        raw_bytes: int,
        body_bytes: int,
        as_text: Callable[[bytes], str],
        trailers: Sequence[tuple[str, str]] = (),
    ) -> model.Message:
        kept = body[:BODY_CHARS_MAX]
        shown = self._redactor.body(kept)
        if len(kept) == len(body):
            shown = _pretty(shown)
        cut = len(kept) < body_bytes or raw_bytes > CAPTURED_BYTES_MAX
        return model.Message(
            headers=tuple(self._redactor.headers(headers)),
            trailers=tuple(self._redactor.headers(trailers)),
            body=shown,
            body_bytes=body_bytes,
            raw=as_text(self._redactor.raw(raw[:CAPTURED_BYTES_MAX])),
            truncated=cut,
        )

    # -- telemetry --------------------------------------------------------------------------

    def _spans(self) -> Iterator[model.Span]:
        record = self._record
        failed = record.verdict in (Verdict.FAILED, Verdict.ERROR)
        yield model.Span(
            span_id=record.trace.root_span_id,
            parent_span_id="",
            name=f"case {record.case.id}",
            kind="internal",
            service=RUNNER_SERVICE,
            offset_ms=0.0,
            duration_ms=_round(record.duration_ms),
            status="error" if failed else "ok",
            attributes={
                "test.case.name": record.case.id,
                "test.case.result.status": "fail" if failed else "pass",
            },
        )
        for x in record.context.wire.exchanges:
            yield self._client_span(x)
        found = self._telemetry
        # Orphans are shown as well: the trace is this attempt's, only the parent is unknown.
        for span in (*found.spans, *found.orphan_spans) if found else ():
            yield self._service_span(span)

    def _client_span(self, x: ExchangeRecord) -> model.Span:
        attributes: dict[str, Any] = {"http.request.method": x.method}
        if x.status is not None:
            attributes["http.response.status_code"] = x.status
        return model.Span(
            span_id=x.span_id,
            parent_span_id=self._record.trace.root_span_id,
            name=f"{x.method} {x.service}",
            kind="client",
            service=RUNNER_SERVICE,
            offset_ms=self._offset(x.started_at),
            duration_ms=_between(x.started_at, x.ended_at),
            status="error" if x.error else "unset",
            attributes=attributes,
        )

    def _service_span(self, span: ReceivedSpan) -> model.Span:
        return model.Span(
            span_id=span.span_id,
            parent_span_id=span.parent_span_id,
            name=self._redactor.text(span.name),
            kind=span.kind,
            service=span.service,
            offset_ms=self._offset_of_ns(span.start_ns),
            duration_ms=_round((span.end_ns - span.start_ns) / NS_PER_MS),
            status=span.status,
            attributes=self._attributes(span.attributes),
            events=tuple(
                {
                    "name": self._redactor.text(event.name),
                    "offset_ms": self._offset_of_ns(event.time_ns),
                    "attributes": self._attributes(event.attributes),
                }
                for event in span.events
            ),
            links=tuple(f"{link.trace_id}:{link.span_id}" for link in span.links),
        )

    def _logs(self) -> Iterator[model.LogRecord]:
        found = self._telemetry
        for log in (*found.logs, *found.orphan_logs) if found else ():
            yield model.LogRecord(
                offset_ms=self._offset_of_ns(log.time_ns),
                service=log.service,
                level=log.level,
                message=self._redactor.text(log.message),
                span_id=log.span_id,
                attributes=self._attributes(log.attributes),
            )

    def _attributes(self, members: Mapping[str, Any]) -> dict[str, Any]:
        if any(isinstance(value, dict | list | tuple) for value in members.values()):
            redacted: dict[str, Any] = self._redactor.json(dict(members))
            return redacted
        return {
            name: REDACTED
            if is_secret_name(name) and value not in (None, True, False, "")
            else self._text(value)
            for name, value in members.items()
        }

    def _text(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        known = self._known.get(value)
        if known is None:
            known = self._known[value] = self._redactor.text(value)
        return known

    def _offset(self, at: float) -> float:
        return _round((at - self._record.started_at) * 1000)

    def _offset_of_ns(self, ns: int) -> float:
        return _round(ns / NS_PER_MS - self._record.started_ms)


def shown(assertion: Assertion, redactor: Redactor) -> tuple[str, str]:
    """Return what was expected and what came as text for people, redacted."""
    secret = any(is_secret_name(name) for name in assertion.at.split("."))
    return (
        _shown(assertion.expected, redactor, secret=secret),
        _shown(assertion.actual, redactor, secret=secret),
    )


def _shown(value: Any, redactor: Redactor, *, secret: bool) -> str:
    if isinstance(value, Words) or value is MISSING:
        text = str(value)
    elif secret and value not in (None, True, False, ""):
        return REDACTED
    else:
        try:
            text = msgspec.json.encode(redactor.json(value)).decode()
        except (TypeError, ValueError):
            text = repr(value)
    return _cut(redactor.text(text), SHOWN_CHARS_MAX)


def _verdict_of(check: Check) -> Verdict:
    if not check.failed:
        return Verdict.ERROR if check.broke else Verdict.PASSED
    return Verdict.FAILED if check.level == Level.MUST else Verdict.WARNING


def _secrets_in_bodies(record: AttemptRecord) -> Iterator[str]:
    """Yield every text that an answer carried under a secret's name.

    What a case sends under such a name may be a plain word (`password`), which must not be
    blotted out of the whole report; what it generates it registers itself.
    """
    for x in record.context.wire.exchanges:
        if not x.body or len(x.body) > BODY_CHARS_MAX:
            continue
        try:
            decoded = msgspec.json.decode(x.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        yield from _secret_members(decoded, depth=0)


_DEPTH_MAX = 16
ISSUED_SECRET_CHARS_MIN = 16


def _secret_members(value: Any, *, depth: int) -> Iterator[str]:
    if depth > _DEPTH_MAX:
        return
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, str) and is_secret_name(name):
                if len(member) >= ISSUED_SECRET_CHARS_MIN:
                    yield member
            else:
                yield from _secret_members(member, depth=depth + 1)
    elif isinstance(value, list):
        for member in value:
            yield from _secret_members(member, depth=depth + 1)


def _pretty(text: str) -> str:
    if text[:1] not in ("{", "["):
        return text
    try:
        return msgspec.json.format(text.encode(), indent=2).decode()
    except (msgspec.DecodeError, RecursionError):
        return text


def _between(start: float, end: float) -> float:
    return _round((end - start) * 1000) if end else 0.0


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[:chars_max]}…"


def _round(ms: float) -> float:
    return round(ms, 3)
