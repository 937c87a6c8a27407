"""The evidence of a made-up attempt, put together span by span."""

import hashlib
import random
import uuid

import msgspec

from caas_reports.model import (
    Assertion,
    Check,
    Exchange,
    Level,
    LogRecord,
    Span,
    Step,
    Verdict,
)


class Evidence(msgspec.Struct, kw_only=True):
    """Everything an attempt has to show, still being put together."""

    trace_id: str
    verdict: Verdict
    requirements: tuple[str, ...]
    hostile: str
    jitter: random.Random
    duration_ms: float = 0.0
    steps: tuple[Step, ...] = ()
    checks: tuple[Check, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    spans: tuple[Span, ...] = ()
    logs: tuple[LogRecord, ...] = ()

    def span(  # noqa: PLR0913  (the members of a span)
        self,
        parent: str,
        name: str,
        kind: str,
        service: str,
        offset_ms: float,
        duration_ms: float,
        *,
        failed: bool = False,
        events: tuple[dict[str, object], ...] = (),
        links: tuple[str, ...] = (),
        **attributes: object,
    ) -> str:
        """Add a span below another one; give its id."""
        span_id = hashlib.sha256(f"{self.trace_id}{len(self.spans)}".encode()).hexdigest()[:16]
        self.spans += (
            Span(
                span_id=span_id,
                parent_span_id=parent,
                name=name + self.hostile,
                kind=kind,
                service=service,
                offset_ms=round(offset_ms, 3),
                duration_ms=round(duration_ms, 3),
                status="error" if failed else "unset",
                events=events,
                links=links,
                attributes={key.replace("__", "."): value for key, value in attributes.items()},
            ),
        )
        return span_id

    def log(
        self, span_id: str, service: str, level: str, offset_ms: float, message: str, **more: object
    ) -> None:
        """Add a log line under a span."""
        self.logs += (
            LogRecord(
                offset_ms=round(offset_ms, 3),
                service=service,
                level=level,
                message=message + self.hostile,
                span_id=span_id,
                attributes=dict(more),
            ),
        )

    def check(
        self, check_id: str, title: str, *assertions: tuple[str, str, str], should: bool = False
    ) -> None:
        """Add a check; it passes when every (at, expected, actual) is equal."""
        evaluated = tuple(
            Assertion(
                at=at,
                expected=expected,
                actual=actual + self.hostile,
                passed=expected == actual,
                message="" if expected == actual else "not what the contract says" + self.hostile,
            )
            for at, expected, actual in assertions
        )
        passed = all(assertion.passed for assertion in evaluated)
        broken = Verdict.WARNING if should else Verdict.FAILED
        self.checks += (
            Check(
                id=check_id,
                title=title + self.hostile,
                level=Level.SHOULD if should else Level.MUST,
                verdict=Verdict.PASSED if passed else broken,
                requirements=self.requirements[-1:] if should else self.requirements[:1],
                assertions=evaluated,
                step=0,
                exchange="x1",
            ),
        )


def fatten(made: Evidence, bulk: int) -> None:
    """Repeat the exchanges, spans and logs with bodies and ids of their own, as real runs have."""
    exchanges, spans, logs = made.exchanges, made.spans, made.logs
    for turn in range(1, bulk):
        for exchange in exchanges:
            lines = [
                f'  "{made.jitter.randbytes(6).hex()}": "{value}"' for value in _uuids(made, 12)
            ]
            body = "{\n" + ",\n".join(lines) + "\n}"
            response = msgspec.structs.replace(
                exchange.response, body=body, raw=exchange.response.raw + body
            )
            made.exchanges += (
                msgspec.structs.replace(
                    exchange, id=f"{exchange.id}.{turn}", response=response,
                    correlation_id=made.jitter.randbytes(16).hex(),
                ),
            )  # fmt: skip
        made.spans += tuple(
            msgspec.structs.replace(
                span,
                span_id=made.jitter.randbytes(8).hex(),
                offset_ms=round(made.jitter.uniform(0, made.duration_ms), 3),
            )
            for span in spans
        )
        made.logs += logs


def _uuids(made: Evidence, count: int) -> list[str]:
    return [str(uuid.UUID(bytes=made.jitter.randbytes(16), version=4)) for _ in range(count)]
