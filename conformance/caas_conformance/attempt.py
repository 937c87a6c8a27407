"""Run a case once and judge what its checks found."""

import asyncio
import traceback
from dataclasses import dataclass, field
from time import perf_counter, time

from caas_conformance.checks import MUST, Check
from caas_conformance.context import CaseContext, Environment
from caas_conformance.definition import CaseDefinition
from caas_conformance.errors import (
    AuthoringError,
    CaseSkippedError,
    CaseStoppedError,
    EnvironmentBrokenError,
)
from caas_conformance.tracing import AttemptTrace
from caas_reports.model import Status, Verdict

TRACEBACK_CHARS_MAX = 4_000
VACUOUS = "vacuous: no assertion looked at what the platform answered"


@dataclass(slots=True)
class AttemptRecord:
    """One attempt as it ran; kept as light objects until the reports are made."""

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
        """Milliseconds that the harness and the case's own code took."""
        return max(0.0, self.duration_ms - self.sut_wait_ms)


async def run_attempt(
    case: CaseDefinition, number: int, environment: Environment, run_id: str
) -> AttemptRecord:
    """Run *case* within its time limit and return the record, judged by its checks alone.

    Cancelling the task ends the attempt as `aborted` and re-raises.
    """
    trace = AttemptTrace(run_id, case.id, number)
    context = CaseContext(environment, trace, case.requirements)
    record = AttemptRecord(case, number, trace, context, time() * 1000, perf_counter())
    try:
        async with asyncio.timeout(case.timeout_s):
            await case.body(context)
        record.status = Status.FINISHED
    except TimeoutError:
        record.status = Status.TIMED_OUT
        _blame(record, "timeout", f"the case took over {case.timeout_s:g} s")
    except asyncio.CancelledError:
        record.status = Status.ABORTED
        _blame(record, "harness", "the run was aborted")
        raise
    except CaseStoppedError as stop:
        record.status = Status.FINISHED
        record.reason = str(stop)
    except CaseSkippedError as skip:
        record.status = Status.FINISHED
        record.verdict = Verdict.SKIPPED
        record.reason = str(skip)
    except EnvironmentBrokenError as error:
        record.status = Status.FINISHED
        _blame(record, "environment", str(error))
    except AuthoringError as error:
        record.status = Status.FINISHED
        _blame(record, "harness", f"the case is written wrongly: {error}")
    except Exception as error:  # noqa: BLE001 - a bug in a case must not end the run
        record.status = Status.FINISHED
        _blame(record, "harness", f"the case raised {type(error).__name__}: {error}")
        record.failure_detail = traceback.format_exc()[-TRACEBACK_CHARS_MAX:]
    finally:
        record.ended_at = perf_counter()
        context.wire.close()
        judge(record)
    return record


def judge(record: AttemptRecord) -> None:
    """Set the verdict from the checks and from how the attempt ended; safe to call again."""
    checks = [*record.context.checks, *record.extra_checks]
    opened = {check.id for check in record.context.checks}
    declared = record.case.declared_checks
    record.unreached = tuple(d for d in declared if d[0] not in opened)
    if any(check.failed and check.level == MUST for check in checks):
        record.verdict = Verdict.FAILED
    elif record.failure_kind:
        record.verdict = Verdict.ERROR
    elif record.verdict is Verdict.SKIPPED and not opened:
        record.verdict = Verdict.SKIPPED
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
