"""One run from the command line's wish to the files on disk."""

import asyncio
import shlex
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from time import perf_counter, time
from types import TracebackType
from typing import Any, Protocol, Self

from caas_conformance.authoring.context import Environment
from caas_conformance.authoring.definition import CaseDefinition
from caas_conformance.contract import documents
from caas_conformance.contract.judge import ContractJudge
from caas_conformance.correlation.settling import TelemetryCollector
from caas_conformance.engine.attempt import AttemptRecord
from caas_conformance.engine.own_stack import OwnStack
from caas_conformance.engine.run_directory import Journal, RunDirectory, new_run_id
from caas_conformance.engine.runner import CaseResult, Options, Runner
from caas_conformance.engine.targets import FoundTarget, dead, listen_address, probe
from caas_conformance.errors import ReportsIncompleteError, TargetError
from caas_conformance.plan.suites import LoadedSuite
from caas_conformance.verdicts import assemble
from caas_conformance.verdicts.assemble import RunFacts
from caas_conformance.verdicts.keeping import EvidenceKeeper
from caas_conformance.wire.credentials import masked
from caas_conformance.wire.trace_context import run_marker
from caas_observability.receiver.server import OtlpReceiver
from caas_reports import formats
from caas_reports.figures import GateLimits, Shard
from caas_reports.model import Run, Target

SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter from the loop, which times the platform's answers.

With the usual 5 ms, whatever a case did waited for the threads that decode and write telemetry.
"""
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class Progress(Protocol):
    """What a run tells while it goes on."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def say(self, message: str) -> None:
        """Tell about a part that is no case."""

    def expect(self, plan: Sequence[CaseDefinition]) -> None:
        """Learn the plan."""

    def started(self, case: CaseDefinition, attempt: int) -> None:
        """An attempt begins."""

    def judged(self, record: AttemptRecord, *, final: bool) -> None:
        """An attempt has its verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What was asked for, checked already: the plan has a case, the suite no broken rule.

    Attributes:
        suite: Where the plan is from.
        target: A platform that runs already; None starts one of the run's own.
        otlp_listen: `HOST:PORT` to receive telemetry on, or None for what suits the target.
        telemetry: Whether to receive telemetry at all; the suite says how it is complete.
        runs: The folder of run directories.
        command: As typed, for the report.
    """

    suite: LoadedSuite
    plan: Sequence[CaseDefinition]
    options: Options
    limits: GateLimits
    runs: Path
    command: str
    target: FoundTarget | None = None
    otlp_listen: str | None = None
    telemetry: bool = True
    selection: dict[str, Any] = field(default_factory=dict)
    reproduce_options: str = ""
    shard: Shard | None = None


async def conduct(request: RunRequest, progress: Progress) -> tuple[Run, Path]:
    """Run the plan and write every report; return the run and its directory.

    Raises:
        TargetError: there is no platform to test; nothing was written.
        CancelledError: interrupted before the first case; nothing was written.
        ReportsIncompleteError: a writer failed; `run.json` is there.
        OSError: the run directory can't be written.
    """
    run_id, suite = new_run_id(), request.suite.suite
    with _interruptible() as interrupts:
        async with _platform(request, run_id, progress) as platform:
            facts = _facts(request, run_id, platform.description)
            directory = RunDirectory.create(request.runs, run_id)
            directory.write_plan(run_id, tuple(c.id for c in request.plan), dict(facts.options))
            journal = directory.journal()  # first: only what has one is known to be killed
            directory.write_run(assemble.opening(facts))
            keeper = EvidenceKeeper(directory.path, platform.collector)
            before = platform.found.restarts()
            runner, duration_ms = await _execute(
                request, facts, platform, keeper, journal, progress, interrupts
            )
            for name, times in platform.environment.ended.items():
                before[name] = before.get(name, 0) + times
            died = [*platform.found.restarted(before), *await dead(platform.environment, suite)]
    progress.say("writing the reports")
    outcome = _Outcome(
        results=runner.results,
        collector=platform.collector,
        contract=platform.contract,
        keeper=keeper,
        duration_ms=duration_ms,
        aborted=runner.aborted,
        died=died,
    )
    run = await asyncio.to_thread(_report, facts, outcome, directory)
    return run, directory.path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Platform:
    """A platform that answers, and whoever receives its telemetry."""

    found: FoundTarget
    environment: Environment
    collector: TelemetryCollector | None
    contract: ContractJudge | None
    description: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What a run left behind."""

    results: Sequence[CaseResult]
    collector: TelemetryCollector | None
    contract: ContractJudge | None
    keeper: EvidenceKeeper
    duration_ms: float
    aborted: bool
    died: Sequence[str]


async def _execute(
    request: RunRequest,
    facts: RunFacts,
    platform: _Platform,
    keeper: EvidenceKeeper,
    journal: Journal,
    progress: Progress,
    interrupts: "_Interrupts",
) -> tuple[Runner, float]:
    journal.begin(facts.run_id, len(facts.plan))
    runner = Runner(
        facts.plan,
        platform.environment,
        run_id=facts.run_id,
        options=request.options,
        journal=journal,
        watchers=(progress,),
        telemetry=platform.collector,
        contract=platform.contract,
        keeper=keeper,
    )
    progress.expect(facts.plan)
    began = perf_counter()
    interrupts.runner = runner
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        await runner.execute()
    finally:
        sys.setswitchinterval(usual_s)
        interrupts.runner = None
        journal.write("ended", aborted=runner.aborted)
        journal.close()
    return runner, (perf_counter() - began) * 1000


@asynccontextmanager
async def _platform(
    request: RunRequest, run_id: str, progress: Progress
) -> AsyncIterator[_Platform]:
    collector: TelemetryCollector | None = None
    own: OwnStack | None = None
    suite = request.suite.suite
    if request.telemetry:
        host, port = listen_address(request.otlp_listen, request.target)
        collector = TelemetryCollector(
            OtlpReceiver(host=host, port=port), run_marker(run_id), suite.markers, suite.access
        )
    try:
        if collector is not None:
            await collector.start()
        found = request.target
        if found is None:
            if suite.launch is None:
                raise TargetError(f"suite {suite.name} starts no platform: give --url or --target")
            progress.say("starting a platform for this run")
            own = OwnStack(suite, suite.launch, collector.endpoint if collector else None)
            found = await own.up()
        environment = found.environment(suite)
        if own is not None:
            environment = replace(environment, own_state=own.state_dir)
        versions = await probe(environment, suite)
        if collector is not None:
            await collector.watch(environment.every_endpoint)
            environment = replace(environment, telemetry=collector)
        contract = None
        if suite.contract is not None:
            read = await documents.fetch(environment.endpoints, suite.document)
            contract = ContractJudge(read, suite.contract)
        told = "started for this run" if own else found.description
        yield _Platform(
            found=found,
            environment=environment,
            collector=collector,
            contract=contract,
            description=Target(urls=dict(found.urls), versions=versions, description=told),
        )
    finally:
        if own is not None:
            progress.say("stopping the platform")
            await own.down()
        if collector is not None:
            await collector.close()


@dataclass(slots=True)
class _Interrupts:
    """What an interrupt ends: the cases while they run, else the whole command."""

    whole: asyncio.Task[Any] | None
    runner: Runner | None = None

    def abort(self, number: signal.Signals) -> None:
        """End in order; every report that can be written is written."""
        if self.runner is not None:
            self.runner.abort(f"aborted by {number.name}")
        elif self.whole is not None:
            self.whole.cancel()


@contextmanager
def _interruptible() -> Iterator[_Interrupts]:
    """Let the first interrupt end the run in order; a second one kills it."""
    loop = asyncio.get_running_loop()
    interrupts = _Interrupts(asyncio.current_task())

    def abort(number: signal.Signals) -> None:
        _release(loop)
        interrupts.abort(number)

    if threading.current_thread() is threading.main_thread():
        for number in INTERRUPTS:
            loop.add_signal_handler(number, abort, number)
    try:
        yield interrupts
    finally:
        _release(loop)


def _release(loop: asyncio.AbstractEventLoop) -> None:
    for number in INTERRUPTS:
        loop.remove_signal_handler(number)


def _facts(request: RunRequest, run_id: str, target: Target) -> RunFacts:
    phase_ids = {case.phase.id for case in request.plan}
    return RunFacts(
        run_id=run_id,
        started_ms=time() * 1000,
        command=request.command,
        tool_version=metadata.version("caas"),
        target=target,
        options={
            "parallel": request.options.parallel,
            "repeat": request.options.repeat,
            "retries": request.options.retries,
            "fail_fast": request.options.fail_fast,
            "telemetry": request.telemetry,
            **request.selection,
        },
        plan=request.plan,
        suite=request.suite.suite.name,
        phases=[phase for phase in request.suite.phases if phase.id in phase_ids],
        registry=request.suite.registry,
        limits=request.limits,
        shard=request.shard,
        reproduce_options=request.reproduce_options,
    )


def _report(facts: RunFacts, outcome: _Outcome, directory: RunDirectory) -> Run:
    run = assemble.closing(
        facts,
        outcome.results,
        outcome.collector,
        outcome.keeper,
        outcome.contract,
        duration_ms=outcome.duration_ms,
        aborted=outcome.aborted,
        died=outcome.died,
    )
    directory.write_run(run)
    try:
        formats.write_all(run, directory.path)
    except Exception as error:
        text = f"a report can't be written ({type(error).__name__}: {error}); run.json is in"
        raise ReportsIncompleteError(f"{text} {directory.path}") from error
    return run


def typed(arguments: Sequence[str]) -> str:
    """Return a command as one could type it again, but for credentials in a URL."""
    return shlex.join(map(masked, arguments))
