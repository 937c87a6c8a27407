"""The model of a run: what the runner writes to `run.json` and every report is made from.

Terms are ISO 9646's: suite > phase > case > step > check > assertion. *Status* is lifecycle,
*verdict* is judgement. All offsets are milliseconds from the start of their attempt, so that
spans, log lines and wire events share one time axis. Every text in here is already redacted.
"""

from enum import StrEnum
from typing import Any

import msgspec

from caas_reports.figures import Figures, GateLimits, Shard

SCHEMA_VERSION = "1.3"


class Verdict(StrEnum):
    """The judgement of a check, an attempt, a case or a run."""

    PASSED = "passed"
    FAILED = "failed"  # the system under test broke a MUST
    WARNING = "warning"  # a SHOULD was missed
    ERROR = "error"  # the harness or the environment broke
    SKIPPED = "skipped"
    NOT_RUN = "not_run"  # planned, and never reported


GREEN = frozenset({Verdict.PASSED, Verdict.WARNING})
RED = frozenset({Verdict.FAILED, Verdict.ERROR, Verdict.NOT_RUN})
"""A skipped case is neither."""


class Status(StrEnum):
    """The lifecycle of a run or an attempt."""

    PLANNED = "planned"
    RUNNING = "running"
    FINISHED = "finished"
    TIMED_OUT = "timed_out"
    ABORTED = "aborted"


class Level(StrEnum):
    """How binding a check is (RFC 2119)."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class _Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base: immutable, keyword-only, defaults left out of the file."""


class Assertion(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One evaluated comparison; `at` says where in the evidence, such as `body.client.plan`."""

    at: str
    expected: str
    actual: str
    passed: bool
    message: str = ""
    exchange: str | None = None  # id, when it judged another one than its check names


class Check(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """What a case claims, with the assertions that decided it."""

    id: str  # unique within the case: `client-named`
    title: str
    level: Level
    verdict: Verdict
    requirements: tuple[str, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    step: int | None = None  # index into the attempt's steps
    exchange: str | None = None  # id of the exchange that it judged first


class Message(_Model, frozen=True, kw_only=True, omit_defaults=True):
    r"""One direction of an exchange, as bytes on the wire and as people read it.

    `headers` keep order and case; `trailers` came behind the body. `body` is text,
    pretty-printed JSON when it is JSON; `raw` is the whole message as sent or received,
    escaped to text, cut at a named limit. Of a request it is exact: up to the first empty line
    a line feed stands for CR LF, and `\xHH` is one byte.
    """

    headers: tuple[tuple[str, str], ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_bytes: int = 0
    raw: str = ""
    truncated: bool = False


class Timings(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """Milliseconds from the start of the exchange; `connect` is 0 on a reused connection."""

    connect_ms: float = 0.0
    first_byte_ms: float = 0.0
    total_ms: float = 0.0


class WireEvent(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One frame, packet or chunk of a long-lived exchange (Socket.IO, SSE), in arrival order."""

    offset_ms: float
    direction: str  # sent | received
    kind: str  # connect, event, ack, chunk, comment, disconnect ...
    name: str = ""
    data: str = ""
    bytes: int = 0


class Exchange(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One request with its response, or one connection with its wire events."""

    id: str  # unique within the attempt: `x1`
    protocol: str  # http | socketio | sse | raw
    service: str  # service.name it was sent to
    method: str
    url: str
    offset_ms: float
    status: int | None = None
    error: str = ""  # what is wrong with the answer, or why there is none
    notes: tuple[str, ...] = ()  # what is odd about it, and no fault by itself
    retried: bool = False  # sent once more, as a kept connection was dead (RFC 9112, 9.3.1)
    request: Message = Message()
    response: Message = Message()
    timings: Timings = Timings()
    events: tuple[WireEvent, ...] = ()
    span_id: str = ""
    correlation_id: str = ""
    step: int | None = None


class Span(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One OpenTelemetry span of the attempt's trace."""

    span_id: str
    parent_span_id: str
    name: str
    kind: str  # internal | server | client | producer | consumer
    service: str
    offset_ms: float
    duration_ms: float
    status: str = "unset"  # unset | ok | error
    attributes: dict[str, Any] = {}
    events: tuple[dict[str, Any], ...] = ()
    links: tuple[str, ...] = ()


class LogRecord(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One log line that a service wrote under the attempt's trace."""

    offset_ms: float
    service: str
    level: str  # debug | info | warning | error | critical
    message: str
    span_id: str = ""
    attributes: dict[str, Any] = {}


class Step(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """A named part of a case."""

    name: str
    offset_ms: float
    duration_ms: float


class Failure(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """Why an attempt could not be judged: the harness's or the environment's fault."""

    kind: str  # harness | environment | timeout
    message: str
    detail: str = ""


class Kept(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """Where an attempt's whole evidence is: a line of a member of `evidence.jsonl.gz`."""

    member: int  # from 0; `Run.evidence` says where each begins
    line: int  # from 0


class Attempt(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One execution of a case, with its evidence, or where that is kept.

    An attempt that passed has its evidence in `evidence.jsonl.gz`: `kept` says where; here stand
    its checks without their assertions, and the services that took part.
    """

    number: int  # from 1
    status: Status
    verdict: Verdict
    started_at: str  # RFC 3339, UTC, milliseconds
    duration_ms: float
    sut_wait_ms: float = 0.0  # time spent waiting for the system under test
    overhead_ms: float = 0.0  # the rest, less the wait for telemetry
    trace_id: str = ""
    steps: tuple[Step, ...] = ()
    checks: tuple[Check, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    spans: tuple[Span, ...] = ()
    logs: tuple[LogRecord, ...] = ()
    failure: Failure | None = None
    kept: Kept | None = None
    services: tuple[str, ...] = ()  # who was asked or left a record, where `kept` is set


class Case(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One planned case with its attempts; without attempts it is `not_run`."""

    id: str  # `S04.02`: stable, never reused
    title: str
    phase: str  # `S04`
    proves: str  # one plain sentence
    verdict: Verdict
    tags: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    baseline: tuple[int, ...] = ()  # the seed cases it replaces
    attempts: tuple[Attempt, ...] = ()
    flaky: bool = False
    reproduce: str = ""  # the command that runs it again
    reason: str = ""  # why skipped or not run


class Phase(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """A group of cases, in the seed runner's numbering."""

    id: str
    title: str
    description: str = ""


class Requirement(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """A sentence the platform must keep, and where it comes from."""

    id: str
    text: str
    level: Level = Level.MUST
    source: str = ""  # document
    anchor: str = ""  # section or case in it
    planned: bool = False  # of a service that is yet to come: no case is no gap
    proofs: dict[str, tuple[str, ...]] = {}  # by fault that breaks it: cases it has turned red


class Gate(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """A condition on the whole run, such as `correlation >= 100 %`."""

    name: str
    verdict: Verdict
    expected: str
    actual: str  # in a few words: `99.9 %`
    detail: str = ""  # counts, and the names of what broke it


class Correlation(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """How much of the telemetry found its case.

    *Owned* spans and logs carry the trace of exactly one attempt and hang below its root span;
    *orphans* carry a known trace and no known parent; *foreign* carry a trace of no attempt.
    """

    attempts: int = 0
    attempts_with_trace: int = 0
    attempts_with_log: int = 0
    spans: int = 0
    owned_spans: int = 0
    orphan_spans: int = 0
    foreign_spans: int = 0
    logs: int = 0
    owned_logs: int = 0
    foreign_logs: int = 0
    late: int = 0  # spans and logs that came when their attempt's evidence was written
    uncorrelated_logs: dict[str, int] = {}  # per service: lines without a trace id


class SeenAnswer(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """A status that an operation documents or answered; `times` is 0 when nobody saw it."""

    status: str  # `200`, `2XX`, `default`
    times: int = 0
    first_case: str = ""  # the first by id


class DocumentedOperation(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """An operation of a service's OpenAPI document, and what the run saw of it."""

    service: str
    method: str
    path: str  # as the document has it
    answers: tuple[SeenAnswer, ...] = ()
    unseen_because: str = ""  # why no case can see it succeed


class Evidence(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """The file `evidence.jsonl.gz`, which lies beside `run.json` with every attempt in full."""

    bytes: int = 0
    attempts: int = 0
    members: tuple[int, ...] = ()  # where each gzip member begins


class Overhead(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """What the harness itself cost per case, in milliseconds."""

    median_ms: float = 0.0
    p95_ms: float = 0.0
    total_ms: float = 0.0
    telemetry_wait_ms: float = 0.0
    contract_ms: float = 0.0  # of the total: judging every answer by its document
    contract_us_per_answer: float = 0.0


class Target(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """What was tested."""

    urls: dict[str, str] = {}
    versions: dict[str, str] = {}
    description: str = ""


class Counts(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """Cases by verdict; `vacuous` counts the failed ones that evaluated no assertion."""

    planned: int = 0
    passed: int = 0
    failed: int = 0
    warning: int = 0
    error: int = 0
    skipped: int = 0
    not_run: int = 0
    vacuous: int = 0
    flaky: int = 0


class Run(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One execution of a plan: the whole of `run.json`."""

    schema_version: str
    run_id: str
    suite: str = ""  # whose cases these are
    status: Status
    verdict: Verdict
    started_at: str
    duration_ms: float
    tool_version: str
    command: str
    target: Target = Target()
    options: dict[str, Any] = {}
    counts: Counts = Counts()
    plan: tuple[str, ...] = ()  # ids of the expected cases, written before the first one starts
    phases: tuple[Phase, ...] = ()
    cases: tuple[Case, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    gates: tuple[Gate, ...] = ()
    limits: GateLimits = GateLimits()
    figures: Figures = Figures()
    shard: Shard | None = None  # of a run that took a part
    correlation: Correlation = Correlation()
    contract: tuple[DocumentedOperation, ...] = ()
    overhead: Overhead = Overhead()
    evidence: Evidence = Evidence()
    environment: dict[str, str] = {}
