"""Execute a plan: attempts side by side, telemetry settled, verdicts journalled.

One task per case; a semaphore lets *parallel* attempts drive the platform at a time. Waiting
for telemetry is outside of it, so that a settle round never holds up the next case.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from caas_conformance.authoring.context import Environment
from caas_conformance.authoring.definition import CaseDefinition
from caas_conformance.contract.judge import ContractJudge
from caas_conformance.engine.agreement import is_flaky, worst
from caas_conformance.engine.attempt import AttemptRecord, drive, judge, overran, weigh
from caas_conformance.engine.pauses import PauseWatch
from caas_conformance.timestamps import rfc3339
from caas_reports.model import GREEN, RED, Status, Verdict

PARALLEL_MAX = 64
REPEAT_MAX = 1_000
RETRIES_MAX = 5
INCONCLUSIVE_MAX = 1
"""A case that comes out red again is red, whatever the machine did meanwhile."""
HELD_MAX = 64
"""Attempts that have ended and whose evidence is not on disk yet; more, and none begins."""
OVERTIME_S = 2.0  # beyond a case's own limit, which should have ended it, and between tries to
CANCELLATIONS_MAX = 5


class Journal(Protocol):
    """Where verdicts are kept while the run goes on."""

    def write(self, event: str, **members: Any) -> None:
        """Keep one line."""


class Watcher(Protocol):
    """Who is told how the run goes."""

    def started(self, case: CaseDefinition, attempt: int) -> None:
        """An attempt begins."""

    def judged(self, record: AttemptRecord, *, final: bool) -> None:
        """An attempt has its verdict; *final* when the case has, too."""


class Telemetry(Protocol):
    """Collects what the services recorded for an attempt."""

    async def settle(self, record: AttemptRecord) -> None:
        """Return when everything recorded for *record* has arrived; adds its check."""


class Keeper(Protocol):
    """Writes down what happened, so that a run of any length needs little memory."""

    async def keep(self, record: AttemptRecord) -> None:
        """Return when the evidence of a judged attempt is on disk and no longer in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a plan is executed.

    Attributes:
        parallel: Attempts at a time, 1 to `PARALLEL_MAX`.
        repeat: Times each case is taken, whatever comes out.
        retries: Further attempts after a red one; a pass then makes the case flaky.
        fail_fast: Start nothing more after the first red case.
        inconclusive_max: Red attempts at a case that are set aside and taken again because the
            harness stood still during them; the next one counts in any event.
    """

    parallel: int = 1
    repeat: int = 1
    retries: int = 0
    fail_fast: bool = False
    inconclusive_max: int = INCONCLUSIVE_MAX


@dataclass(slots=True)
class CaseResult:
    """A planned case with its attempts."""

    case: CaseDefinition
    attempts: list[AttemptRecord] = field(default_factory=list)
    finals: list[AttemptRecord] = field(default_factory=list)
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of its repetitions; `not_run` when there was none."""
        return worst(record.verdict for record in self.finals or self.attempts)

    @property
    def flaky(self) -> bool:
        """Whether attempts disagree; one that was not let finish says nothing."""
        return is_flaky(r.verdict for r in self.conclusive if r.status is not Status.ABORTED)

    @property
    def vacuous(self) -> bool:
        """Whether an attempt failed for having looked at nothing."""
        return any(record.vacuous for record in self.conclusive)

    @property
    def conclusive(self) -> list[AttemptRecord]:
        """The attempts during which the harness did not stand still."""
        return [record for record in self.attempts if not record.inconclusive]


class Runner:
    """Runs each case of a plan and keeps the results in the plan's order."""

    def __init__(  # noqa: PLR0913 - what a run is made of, all but two by name
        self,
        plan: Sequence[CaseDefinition],
        environment: Environment,
        *,
        run_id: str,
        options: Options,
        journal: Journal,
        watchers: Iterable[Watcher] = (),
        telemetry: Telemetry | None = None,
        contract: ContractJudge | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.results = [CaseResult(case) for case in plan]
        self.stopped_because = ""
        self.aborted = False
        self._environment = environment
        self._run_id = run_id
        self._options = options
        self._journal = journal
        self._watchers = tuple(watchers)
        self._telemetry = telemetry
        self._contract = contract
        self._keeper = keeper
        self._held = asyncio.Semaphore(options.parallel + HELD_MAX)
        self._slots = asyncio.Semaphore(options.parallel)
        self._driving: set[asyncio.Task[None]] = set()
        self._pauses = PauseWatch()
        self._began = perf_counter()

    async def execute(self) -> list[CaseResult]:
        """Run the plan and return one result for each of its cases, also for those not run."""
        async with self._pauses, asyncio.TaskGroup() as group:
            for result in self.results:
                if not result.case.phase.alone:
                    group.create_task(self._case(result), name=result.case.id)
        async with self._pauses:
            for result in self.results:
                if result.case.phase.alone:
                    await self._case(result)
        for result in self.results:
            if not result.attempts:
                result.reason = result.reason or self.stopped_because
        return self.results

    def abort(self, reason: str) -> None:
        """Cancel the running attempts and start no other; what is judged stays judged."""
        self.aborted = True
        self.stopped_because = reason
        for task in tuple(self._driving):
            task.cancel()

    async def _case(self, result: CaseResult) -> None:
        for _ in range(self._options.repeat):
            for tries_left in range(self._options.retries, -1, -1):
                record = await self._conclusive_attempt(result)
                if record is None:
                    return
                final = record.verdict not in RED or not tries_left or bool(self.stopped_because)
                if final:
                    result.finals.append(record)
                await self._ended(record, final=final)
                if final:
                    break
            if result.verdict in RED and self._options.fail_fast:
                self._stop_after(result.case)

    async def _conclusive_attempt(self, result: CaseResult) -> AttemptRecord | None:
        while True:
            record = await self._attempt(result)
            if record is None or not self._proves_nothing(record, result):
                return record
            record.set_aside()
            await self._ended(record, final=False)

    def _proves_nothing(self, record: AttemptRecord, result: CaseResult) -> bool:
        """Tell whether it is red, perhaps only because the harness stood still meanwhile."""
        set_aside = len(result.attempts) - len(result.conclusive)
        paused = record.paused_s > 0 and set_aside < self._options.inconclusive_max
        return paused and record.verdict in RED and not self.stopped_because

    async def _attempt(self, result: CaseResult) -> AttemptRecord | None:
        await self._held.acquire()
        async with self._slots:
            if self.stopped_because:
                self._held.release()
                return None
            paused_before_s = self._pauses.total_s()
            number = len(result.attempts) + 1
            record = AttemptRecord.begin(result.case, number, self._environment, self._run_id)
            result.attempts.append(record)
            self._journal.write("started", case=result.case.id, attempt=number)
            self._show(lambda watcher: watcher.started(result.case, number))
            await self._drive(record)
            if self._contract is not None and record.status is not Status.ABORTED:
                weigh(record, await self._contract.judge(record.context, result.case.id))
            record.paused_s = self._pauses.total_s() - paused_before_s
            if (
                self._options.fail_fast
                and not self._options.retries
                and record.verdict in RED
                and not self._proves_nothing(record, result)
            ):
                self._stop_after(result.case)
        if self._telemetry is not None and record.status is not Status.ABORTED:
            await self._telemetry.settle(record)
            record.paused_s = self._pauses.total_s() - paused_before_s
            judge(record)
        return record

    async def _drive(self, record: AttemptRecord) -> None:
        # An own task, so that an abort cancels the attempt and not its bookkeeping.
        task = asyncio.create_task(drive(record))
        self._driving.add(task)
        try:
            await asyncio.wait([task], timeout=record.case.timeout_s + OVERTIME_S)
            if not task.done():
                await self._end(task)
                overran(record)
        finally:
            self._driving.discard(task)
            if not task.done():
                task.cancel()

    async def _end(self, task: asyncio.Task[None]) -> None:
        """Cancel an attempt again: one cancellation is lost now and then (CPython gh-86296)."""
        for _ in range(CANCELLATIONS_MAX):
            task.cancel()
            await asyncio.wait([task], timeout=OVERTIME_S)
            if task.done():
                return

    def _stop_after(self, case: CaseDefinition) -> None:
        self.stopped_because = self.stopped_because or f"stopped by --fail-fast after {case.id}"

    async def _ended(self, record: AttemptRecord, *, final: bool) -> None:
        """Tell the verdict, and let go of the attempt."""
        self._tell(record, final=final)
        if self._keeper is not None:
            await self._keeper.keep(record)
        self._held.release()

    def _tell(self, record: AttemptRecord, *, final: bool) -> None:
        self._journal.write(
            "judged",
            case=record.case.id,
            attempt=record.number,
            status=record.status,
            verdict=record.verdict,
            reason=record.reason_redacted,
            started_at=rfc3339(record.started_ms),
            duration_ms=round(record.duration_ms, 3),
            trace_id=record.trace.trace_id,
            at_ms=round((perf_counter() - self._began) * 1000, 3),
        )
        self._show(lambda watcher: watcher.judged(record, final=final))

    def _show(self, tell: Callable[[Watcher], None]) -> None:
        """Tell who watches; one that fails is told nothing more, and the run goes on."""
        for watcher in self._watchers:
            try:
                tell(watcher)
            except Exception:  # noqa: BLE001 - whatever is wrong with what only looks on
                self._watchers = tuple(w for w in self._watchers if w is not watcher)


def is_green(result: CaseResult) -> bool:
    """Tell whether a case passed, with or without a warning."""
    return result.verdict in GREEN
