"""Run a case once and judge what its checks found."""

import asyncio
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter, time

from caas_conformance.authoring.checks import MUST, Check
from caas_conformance.authoring.context import CaseContext, Environment
from caas_conformance.authoring.definition import CaseDefinition
from caas_conformance.contract.judge import Judgement
from caas_conformance.errors import (
    AuthoringError,
    CaseSkippedError,
    CaseStoppedError,
    EnvironmentBrokenError,
)
from caas_conformance.wire.trace_context import AttemptTrace
from caas_reports.model import Attempt, Status, Verdict

TRACEBACK_CHARS_MAX = 4_000
VACUOUS = "vacuous: no assertion looked at what the platform answered"


@dataclass(slots=True)
class AttemptRecord:
    """One attempt as it ran: light objects until it is kept, then what the report says of it."""

    case: CaseDefinition
    number: int
    trace: AttemptTrace
    context: CaseContext
    started_ms: float
    started_at: float
    ended_at: float = 0.0
    status: Status = Status.RUNNING
    verdict: Verdict = Verdict.NOT_RUN
    reason: str = ""
    failure_kind: str = ""
    failure_detail: str = ""
    extra_checks: list[Check] = field(default_factory=list)
    unreached: tuple[tuple[str, str, str], ...] = ()
    vacuous: bool = False
    paused_s: float = 0.0
    contract_s: float = 0.0
    inconclusive: bool = False
    kept: Attempt | None = None
    answered: int = 0
    """Exchanges that a service has to have written its access line about."""
    unproven: Sequence[str] = ()
    """Those of which it did not, each with what is wrong."""

    @classmethod
    def begin(
        cls, case: CaseDefinition, number: int, environment: Environment, run_id: str
    ) -> "AttemptRecord":
        """Return attempt *number* of *case*, with a trace of its own, about to start."""
        trace = AttemptTrace(run_id, case.id, number)
        context = environment.context(environment, trace, case.requirements)
        return cls(case, number, trace, context, time() * 1000, perf_counter())

    def set_aside(self) -> None:
        """Make a red attempt in which the harness stood still count for nothing."""
        self.inconclusive = True
        self.verdict = Verdict.ERROR
        self.failure_kind = "environment"
        told = f"inconclusive: the machine stood still for {self.paused_s:.1f} s"
        self.reason = f"{told}; {self.reason}" if self.reason else told

    def release(self, kept: Attempt) -> None:
        """Let go of what happened, for the report's model of it."""
        self.reason = self.reason_redacted
        self.kept = kept
        self.extra_checks = []
        self.context = _NOBODYS

    @property
    def reason_redacted(self) -> str:
        """Why it is not green, without any secret that the attempt knows."""
        return self.context.redactor().text(self.reason)

    @property
    def duration_ms(self) -> float:
        """Milliseconds from the first line of the case to its last."""
        return (self.ended_at - self.started_at) * 1000

    @property
    def sut_wait_ms(self) -> float:
        """Milliseconds in which at least one exchange was in flight."""
        return self.context.wire.sut_wait_s * 1000

    @property
    def overhead_ms(self) -> float:
        """Milliseconds that the harness and the case's own code took, the contract's share too."""
        telemetry_ms = self.context.telemetry_wait_s * 1000
        own_ms = max(0.0, self.duration_ms - self.sut_wait_ms - telemetry_ms)
        return own_ms + self.contract_s * 1000


_NOBODYS = CaseContext(Environment({}), AttemptTrace("", "", 0), ())


async def drive(record: AttemptRecord) -> None:
    """Run the case within its time limit and judge it by its checks alone.

    Cancelling the task ends the attempt as `aborted` and re-raises.
    """
    case, context = record.case, record.context
    record.status = Status.FINISHED
    try:
        async with asyncio.timeout(case.timeout_s):
            await _play(case, context)
    except TimeoutError:
        record.status = Status.TIMED_OUT
        _blame(record, "timeout", f"the case took over {case.timeout_s:g} s")
    except asyncio.CancelledError:
        record.status = Status.ABORTED
        _blame(record, "harness", "the run was aborted")
        raise
    except Exception as error:  # noqa: BLE001 - a bug in a case must not end the run
        _explain(record, error)
    finally:
        record.ended_at = perf_counter()
        context.close()
        judge(record)


async def _play(case: CaseDefinition, context: CaseContext) -> None:
    """Run the case, and read what its connections still bring when it has asked its last."""
    try:
        await case.body(context)
    except CaseStoppedError:
        await context.wire.settled()
        raise
    await context.wire.settled()


def overran(record: AttemptRecord) -> None:
    """Judge an attempt that went on after the end of its time."""
    record.status = Status.TIMED_OUT
    _blame(record, "timeout", f"the case took over {record.case.timeout_s:g} s, and went on")
    record.ended_at = perf_counter()
    record.context.close()
    judge(record)


def weigh(record: AttemptRecord, found: Judgement) -> None:
    """Add what the contract check found, and judge the attempt again."""
    record.extra_checks += found.checks
    record.contract_s = found.seconds
    if found.unneeded and not record.failure_kind:
        _blame(record, "harness", f"the case is written wrongly: {found.unneeded}")
    judge(record)


def _explain(record: AttemptRecord, error: Exception) -> None:
    """Note why the case ended early; requests sent side by side may have failed together."""
    if isinstance(error, ExceptionGroup):
        causes = [e for e in error.exceptions if not isinstance(e, CaseStoppedError)]
        _explain(record, causes[0] if causes else error.exceptions[0])
        return
    match error:
        case CaseStoppedError():
            record.reason = str(error)
        case CaseSkippedError():
            record.verdict = Verdict.SKIPPED
            record.reason = str(error)
        case EnvironmentBrokenError():
            _blame(record, "environment", str(error))
        case AuthoringError():
            _blame(record, "harness", f"the case is written wrongly: {error}")
        case _:
            _blame(record, "harness", f"the case raised {type(error).__name__}: {error}")
            lines = traceback.format_exception(error)
            record.failure_detail = "".join(lines)[-TRACEBACK_CHARS_MAX:]


def judge(record: AttemptRecord) -> None:
    """Set the verdict from the checks and from how the attempt ended; safe to call again."""
    checks = [*record.context.checks, *record.extra_checks]
    opened = {check.id for check in record.context.checks}
    declared = record.case.declared_checks
    record.unreached = tuple(d for d in declared if d[0] not in opened)
    broken = next((c for c in checks if c.failed and c.level == MUST), None)
    if broken is not None:
        record.verdict = Verdict.FAILED
        record.reason = record.reason or f"check {broken.id} failed"
    elif record.failure_kind:
        record.verdict = Verdict.ERROR
    elif record.verdict is Verdict.SKIPPED:
        return  # on purpose, with a reason that the report shows
    elif not any(check.assertions for check in record.context.checks):
        record.vacuous = True
        record.reason = VACUOUS
        record.verdict = Verdict.FAILED
    elif record.unreached:
        missed = ", ".join(check_id for check_id, _, _ in record.unreached)
        record.vacuous = True
        record.reason = f"vacuous: never reached: {missed}"
        record.verdict = Verdict.FAILED
    elif any(check.failed for check in checks):
        record.verdict = Verdict.WARNING
    else:
        record.verdict = Verdict.PASSED


def _blame(record: AttemptRecord, kind: str, message: str) -> None:
    record.failure_kind = kind
    record.reason = message
