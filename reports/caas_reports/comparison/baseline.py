"""What the seed's report said about its 121 cases, and what those words were worth.

A baseline is made once by `caas report import-baseline`, kept with its suite, and read ever after.
It holds no secret: what the seed's report printed is replaced by `[redacted]`.
"""

from enum import StrEnum
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import as_file
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import msgspec

from caas_reports.errors import UnreadableBaselineError

SCHEMA_VERSION = "1.0"
BASELINE_MAX_BYTES = 8 * 1024 * 1024
GROUP = "caas_reports.baselines"
"""Entry points by the name of a suite: each is the path of its baseline."""


class Then(StrEnum):
    """What a case of the seed's report was worth, worst first."""

    FAILED = "failed"  # it was reported as failed
    UNANSWERED = "unanswered"  # nothing came back before the time-out, reported as a warning
    WRONG = "wrong"  # reported as passed on an answer that was an error, or should have been
    UNPROVEN = "unproven"  # reported as passed on a good answer, but any other would have passed
    STATED = "stated"  # reported as passed on a stated status; the body was not looked at


class FindingCode(StrEnum):
    """What made a case of the seed's report worth less than it said."""

    ANY_STATUS = "any_status"
    WIDE_STATUS = "wide_status"
    ERROR_PASSED = "error_passed"
    ANY_ACK = "any_ack"
    TIMEOUT_ACCEPTED = "timeout_accepted"
    CONNECT_FAILED = "connect_failed"
    ROUTE_MISSING = "route_missing"
    NON_MEMBER_ACCEPTED = "non_member_accepted"
    INTERNALS_LEAKED = "internals_leaked"
    BODY_UNCHECKED = "body_unchecked"
    FOREIGN_LOGS = "foreign_logs"
    NO_OWN_LOGS = "no_own_logs"
    SECRET_PRINTED = "secret_printed"  # noqa: S105  (a name, not a secret)


class _Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base: immutable, keyword-only, defaults left out of the file."""


class Finding(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was hollow in a case, with the evidence in words."""

    code: FindingCode
    detail: str


class SeedRequest(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """What the seed's runner sent: an HTTP request, or one event on a fresh socket."""

    method: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    body: Any = None
    accepted: list[int] | Literal["any"] | None = None  # None for a socket
    namespace: str = ""
    event: str = ""
    with_token: bool | None = None
    expect_connect: bool | None = None


class SeedAnswer(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """What came back."""

    status: int | None = None
    headers: dict[str, str] = {}  # the telling ones only
    body: str = ""  # cut at a limit
    error: str = ""
    timeout: bool = False
    connect_error: str = ""
    data: Any = None  # a socket's acknowledgement


class LogExcerpt(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """The log lines that stood under a case, counted by whose they really were."""

    service: str
    lines: int
    entries: int
    own_entries: int = 0  # its time, address or correlation id is the case's
    foreign_entries: int = 0  # they are another request's
    text: str = ""  # the first lines


class SeedCase(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """One case of the seed's report."""

    number: int
    name: str
    kind: Literal["http", "socket"]
    outcome: Literal["passed", "warning", "failed"]
    then: Then
    started_at: str
    ended_at: str
    tags: tuple[str, ...] = ()
    request: SeedRequest
    answer: SeedAnswer
    logs: tuple[LogExcerpt, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def answered(self) -> str:
        """Say in a few words what came back."""
        answer = self.answer
        if answer.connect_error:
            return f"no connection: {answer.connect_error}"
        if answer.timeout:
            return "no acknowledgement before the time-out"
        if self.kind == "socket":
            return _acknowledged(answer.data)
        return f"{answer.status} {_excerpt(answer.body)}".strip()


class Totals(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """The sums of the seed's report, and the sums that it did not print."""

    cases: int
    passed: int
    warning: int
    failed: int
    http_cases: int
    any_status: int  # HTTP cases that accepted every status
    error_passes: int  # HTTP cases that passed on a 4xx or 5xx while accepting every status
    timeouts_accepted: int
    connect_failures: int
    non_member_accepted: int
    log_entries: int
    foreign_log_entries: int
    cases_with_foreign_logs: int
    secrets_printed: dict[str, int]  # by kind: places where one stood
    then: dict[str, int]  # cases by what they were worth


class Baseline(_Model, frozen=True, kw_only=True, omit_defaults=True):
    """The whole of an imported seed report."""

    schema_version: str
    name: str
    source: str
    source_sha256: str
    generated_at: str
    runner_exit_code: int
    totals: Totals
    images: dict[str, str] = {}  # container image by service
    cases: tuple[SeedCase, ...]

    def case(self, number: int) -> SeedCase | None:
        """Give a case by its number in the report."""
        return next((case for case in self.cases if case.number == number), None)


ANSWER_EXCERPT_CHARS = 160


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    if len(flat) <= ANSWER_EXCERPT_CHARS:
        return flat
    return flat[: ANSWER_EXCERPT_CHARS - 1] + "\u2026"


def _acknowledged(data: Any) -> str:
    if isinstance(data, dict) and data.get("status") == "error":
        return f"acknowledged an error: {_excerpt(str(data.get('message', '')))}"
    return f"acknowledged {_excerpt(msgspec.json.encode(data).decode())}"


def load(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UnreadableBaselineError: It is not there, too big, or not a baseline of this version.
    """
    try:
        if path.stat().st_size > BASELINE_MAX_BYTES:
            raise UnreadableBaselineError(f"{path}: over {BASELINE_MAX_BYTES} bytes")
        found = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise UnreadableBaselineError(f"{path}: {error.strerror or error}") from error
    except msgspec.MsgspecError as error:
        raise UnreadableBaselineError(f"{path}: not a baseline: {error}") from error
    if found.schema_version.split(".")[0] != SCHEMA_VERSION.split(".", maxsplit=1)[0]:
        raise UnreadableBaselineError(
            f"{path}: version {found.schema_version}, this reads {SCHEMA_VERSION}: import it again"
        )
    return found


def encode(baseline: Baseline) -> bytes:
    """Give a baseline's file; equal baselines give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(baseline, order="deterministic"), indent=1)


def of_suite(name: str) -> Baseline | None:
    """Read the baseline that is installed for a suite; None when there is none.

    Raises:
        UnreadableBaselineError: It is there and can't be read.
    """
    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        return None
    try:
        path = found.load()
    except Exception as error:
        raise UnreadableBaselineError(f"{found.value}: {error!r}") from error
    return _load_once(path)


@cache
def _load_once(path: Traversable) -> Baseline:
    with as_file(path) as file:
        return load(file)
