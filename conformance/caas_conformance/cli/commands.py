"""`caas conformance run | plan | list | explain`."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
import msgspec

from caas_conformance.authoring.definition import CaseDefinition
from caas_conformance.authoring.suite import Suite
from caas_conformance.cli import presentation, reproduce
from caas_conformance.cli.progress import progress_for
from caas_conformance.engine.runner import PARALLEL_MAX, REPEAT_MAX, RETRIES_MAX, Options
from caas_conformance.engine.targets import FoundTarget, from_stack_file, from_urls
from caas_conformance.errors import (
    AddressError,
    AuthoringError,
    ReportsIncompleteError,
    TargetError,
)
from caas_conformance.plan import lint, suites
from caas_conformance.plan.selection import Selection, SelectionError, part, plan, shard_of
from caas_conformance.plan.suites import LoadedSuite
from caas_conformance.session.conduct import RunRequest, conduct, typed
from caas_conformance.session.recovery import recover_killed_runs
from caas_conformance.verdicts.judging import EXIT_ENVIRONMENT, EXIT_USAGE, exit_code
from caas_reports.comparison import history
from caas_reports.errors import ReportError
from caas_reports.figures import GateLimits, Shard
from caas_reports.formats import run_json
from caas_reports.model import GREEN
from caas_reports.terminal import Terminal, echo

STATE_DIR = ".caas"
RUNS = "runs"
T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


class Problem(click.ClickException):
    """One line on standard error, and an exit code that is true when nobody reads it."""

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's
        """Print it."""
        echo(f"Error: {self.format_message()}", err=True)


class UsageProblem(Problem):
    """One line on standard error, exit code 2."""

    exit_code = EXIT_USAGE


class EnvironmentProblem(Problem):
    """One line on standard error, exit code 3."""

    exit_code = EXIT_ENVIRONMENT


def load_suite(name: str | None) -> LoadedSuite:
    """Import, lint and return a suite; a broken rule ends the command with exit code 2."""
    try:
        loaded = suites.load(suites.find(name))
    except AuthoringError as error:
        raise UsageProblem(str(error)) from error
    problems = lint.lint(
        loaded.phases,
        loaded.registry,
        context=loaded.suite.context,
        baseline={case.number for case in loaded.baseline.cases} if loaded.baseline else (),
    )
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise UsageProblem(f"the suite breaks {len(problems)} of its rules:\n{listed}")
    return loaded


suite_option = click.option(
    "--suite",
    "suite_name",
    metavar="NAME",
    help=f"Which suite.  [default: {suites.PREFERRED}, or the only one]",
)


def selection_options(command: Command) -> Command:
    """Add --suite, --phase, --case, --tag, --shard, --last-failed and --state-dir."""
    for option in reversed(
        [
            suite_option,
            click.option(
                "--phase", "phases", multiple=True, metavar="S04", help="Only this phase."
            ),
            click.option(
                "--case", "cases", multiple=True, metavar="S04.02", help="Only this; `*` matches."
            ),
            click.option(
                "--tag", "tags", multiple=True, help="Only cases with this tag; `!tag` without."
            ),
            click.option(
                "--shard", metavar="2/4", help="Only this part; `caas report merge` joins them."
            ),
            click.option("--last-failed", is_flag=True, help="Only what was not green last time."),
            click.option(
                "--state-dir",
                type=click.Path(path_type=Path, file_okay=False),
                default=STATE_DIR,
                envvar="CAAS_STATE_DIR",
                help="Where runs are kept.  [default: .caas]",
            ),
        ]
    ):
        command = option(command)
    return command


class _Selected(NamedTuple):
    """What to run: the cases, which part of a plan they are, and whether that is the suite."""

    selection: Selection
    cases: list[CaseDefinition]
    shard: Shard | None
    whole: bool


def _select(
    suite: LoadedSuite,
    runs: Path,
    *,
    phases: tuple[str, ...],
    cases: tuple[str, ...],
    tags: tuple[str, ...],
    shard: str | None,
    last_failed: bool,
) -> _Selected:
    only = _not_green_last_time(runs, suite.suite.name) if last_failed else None
    selection = Selection(phases=phases, cases=cases, tags=tags, only=only)
    try:
        chosen = plan(suite.phases, selection)
        taken = shard_of(shard, chosen) if shard else None
    except SelectionError as error:
        raise UsageProblem(str(error)) from error

    whole = len(chosen) == sum(len(phase.cases) for phase in suite.phases)
    return _Selected(selection, part(chosen, taken) if taken else chosen, taken, whole)


def _not_green_last_time(runs: Path, suite: str) -> frozenset[str]:
    before = history.read(runs, suite=suite)
    if not before:
        raise UsageProblem("there is no last run: run `caas conformance run` first")
    try:
        run = run_json.read(runs / before[-1].run_id)
    except ReportError as error:
        raise UsageProblem(str(error)) from error
    return frozenset(case.id for case in run.cases if case.verdict not in GREEN)


@click.group()
def conformance() -> None:
    """Drive a platform through its phases and judge it.

    Exit codes: 0 green, 1 a check failed, 2 usage, 3 harness or environment, 4 a gate failed.
    """


@conformance.command()
@selection_options
@click.option("-n", "parallel", type=click.IntRange(1, PARALLEL_MAX), default=8,
              show_default=True, help="Cases at a time.")  # fmt: skip
@click.option("--repeat", type=click.IntRange(1, REPEAT_MAX), default=1, help="Take each N times.")
@click.option("--retries", type=click.IntRange(0, RETRIES_MAX), default=0,
              help="Try a red case again; if it passes then, it is flaky.")  # fmt: skip
@click.option("--fail-fast", is_flag=True, help="Start nothing more after the first red case.")
@click.option("--target", type=click.Path(path_type=Path, dir_okay=False),
              help="A stack.json of a platform that runs already.")  # fmt: skip
@click.option("--url", "urls", multiple=True, metavar="SERVICE=URL",
              help="A service of a platform that runs already.")  # fmt: skip
@click.option("--otlp-listen", metavar="HOST:PORT", help="Where to receive telemetry.")
@click.option("--telemetry/--no-telemetry", default=None,
              help="Judge traces and logs, too.  [default: when the suite can]")  # fmt: skip
@click.option("--min-cases", type=click.IntRange(1), default=1, help="Gate: green cases.")
@click.option("--max-flaky", type=click.IntRange(0), default=0, help="Gate: flaky cases.")
@click.option("--p95-ms", type=click.FloatRange(min=0, min_open=True), help="Gate: exchange time.")
@click.option("--min-coverage", type=click.FloatRange(0, 100),
              help="Gate: requirements that a green case is tagged with, percent.")  # fmt: skip
@click.option("--min-shown", type=click.FloatRange(0, 100),
              help="Gate: requirements that a fault shows to be seen broken, percent.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON, nothing else.")
def run(  # noqa: PLR0913 - one for each option
    *,
    suite_name: str | None,
    state_dir: Path,
    target: Path | None,
    urls: tuple[str, ...],
    parallel: int,
    repeat: int,
    retries: int,
    fail_fast: bool,
    otlp_listen: str | None,
    telemetry: bool | None,
    min_cases: int,
    max_flaky: int,
    p95_ms: float | None,
    min_coverage: float | None,
    min_shown: float | None,
    as_json: bool,
    **selected: Any,
) -> None:
    """Run the plan and write the reports.

    Without --target or --url a platform is started for the run and thrown away after it.
    """
    suite = load_suite(suite_name)
    judged = _judges_telemetry(suite.suite, wanted=telemetry)
    runs = state_dir.absolute() / RUNS
    chosen = _select(suite, runs, **selected)
    console = Terminal(stderr=as_json)
    try:
        recover_killed_runs(runs)
        request = RunRequest(
            suite=suite,
            plan=chosen.cases,
            shard=chosen.shard,
            options=Options(
                parallel=parallel, repeat=repeat, retries=retries, fail_fast=fail_fast
            ),
            limits=GateLimits(
                min_cases=min_cases, max_flaky=max_flaky, p95_ms=p95_ms,
                min_coverage=min_coverage, min_shown=min_shown, telemetry=judged,
                whole=chosen.whole,
            ),
            runs=runs,
            command=typed(["caas", *sys.argv[1:]]),
            target=_target(target, urls, suite.suite),
            otlp_listen=otlp_listen,
            telemetry=judged,
            selection=_shown(chosen.selection, chosen.shard),
            reproduce_options=reproduce.options(
                suite=_name(suite.suite), target=target, urls=urls,
                otlp_listen=otlp_listen, telemetry=telemetry,
            ),
        )  # fmt: skip
        with console.output.aside(), progress_for(console, quiet=as_json) as progress:
            result, directory = run_in_loop(conduct(request, progress))
    except AddressError as error:
        raise UsageProblem(str(error)) from error
    except (TargetError, ReportsIncompleteError) as error:
        raise EnvironmentProblem(str(error)) from error
    except asyncio.CancelledError:
        raise EnvironmentProblem("interrupted before the first case") from None
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise EnvironmentProblem(f"{error.filename or state_dir}: {reason}") from error
    if as_json:
        echo(msgspec.json.encode(presentation.summary(result, directory)).decode())
    else:
        presentation.print_summary(console, result, directory, suite.baseline)
    sys.exit(exit_code(result))


def run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run *work* to its end, on uvloop where it is installed: a third less CPU a case."""
    try:
        import uvloop  # noqa: PLC0415 - not on every system
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def _judges_telemetry(suite: Suite, *, wanted: bool | None) -> bool:
    if wanted and not suite.markers:
        raise UsageProblem(
            f"the services of suite {suite.name} do not export when asked to: --no-telemetry"
        )
    return bool(suite.markers) if wanted is None else wanted


def _target(target: Path | None, urls: tuple[str, ...], suite: Suite) -> FoundTarget | None:
    if target is not None and urls:
        raise UsageProblem("give --target or --url, not both")
    if target is not None:
        return from_stack_file(target, suite)
    return from_urls(urls, suite) if urls else None


def _shown(selection: Selection, shard: Shard | None) -> dict[str, Any]:
    return {
        "shard": f"{shard.index}/{shard.count}" if shard else None,
        "phases": list(selection.phases),
        "cases": list(selection.cases),
        "tags": list(selection.tags),
        "last_failed": selection.only is not None,
    }


def _name(suite: Suite) -> str:
    """Return the name that chooses *suite*; empty when it is taken without."""
    return "" if suite.name == suites.default_name() else suite.name


@conformance.command("plan")
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def show_plan(*, suite_name: str | None, state_dir: Path, as_json: bool, **selected: Any) -> None:
    """Lint the suite and show which cases a run would take; nothing is run."""
    suite = load_suite(suite_name)
    planned = _select(suite, state_dir.absolute() / RUNS, **selected).cases
    if as_json:
        echo(msgspec.json.encode([presentation.described(case) for case in planned]).decode())
    else:
        presentation.print_plan(Terminal(), planned, suite)


@conformance.command("list")
@suite_option
@click.option("--requirements", is_flag=True, help="List requirements with their cases instead.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show_list(*, suite_name: str | None, requirements: bool, as_json: bool) -> None:
    """List every case, or every requirement with the cases that cover it."""
    suite = load_suite(suite_name)
    if requirements:
        matrix = presentation.matrix(suite.cases, suite.registry)
        if as_json:
            echo(msgspec.json.encode(matrix).decode())
        else:
            presentation.print_matrix(Terminal(), matrix)
    elif as_json:
        echo(msgspec.json.encode([presentation.described(c) for c in suite.cases]).decode())
    else:
        presentation.print_plan(Terminal(), suite.cases, suite)


@conformance.command()
@suite_option
@click.argument("case_id")
def explain(*, suite_name: str | None, case_id: str) -> None:
    """Say what a case proves, for which requirements, and which checks it has."""
    suite = load_suite(suite_name)
    case = next((case for case in suite.cases if case.id == case_id), None)
    if case is None:
        raise UsageProblem(f"no case is called {case_id}: see `caas conformance list`")
    more = reproduce.options(
        suite=_name(suite.suite), target=None, urls=(), otlp_listen=None, telemetry=None
    )
    command = f"caas conformance run --case {case.id}{more}"
    presentation.print_case(Terminal(), case, suite.registry, command)
