"""What the command line prints: plans, cases, the matrix and the summary of a run."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from caas_conformance.authoring.definition import CaseDefinition
from caas_conformance.cli.progress import STYLES
from caas_conformance.plan.requirements import Registry
from caas_conformance.plan.suites import LoadedSuite
from caas_conformance.verdicts.judging import exit_code
from caas_reports.archive import Archive
from caas_reports.causes.grouping import causes
from caas_reports.comparison import compare as comparison
from caas_reports.comparison.baseline import Baseline
from caas_reports.model import GREEN, RED, Run, Verdict

HTML_REPORT = "report.html"
RED_CASES_SHOWN = 20
CAUSES_SHOWN = 10
CAUSE_CASES_SHOWN = 6


def described(case: CaseDefinition) -> dict[str, Any]:
    """Return a case for JSON."""
    return {
        "id": case.id,
        "title": case.title,
        "phase": case.phase.id,
        "proves": case.proves,
        "requirements": case.requirements,
        "baseline": case.baseline,
        "tags": case.tags,
        "checks": [
            {"id": check_id, "title": title, "level": level}
            for check_id, title, level in case.declared_checks
        ],
    }


def print_plan(console: Console, cases: Sequence[CaseDefinition], suite: LoadedSuite) -> None:
    """Print the cases by phase, and what no case of the plan covers."""
    table = Table(box=None, show_header=False)
    phase = ""
    for case in cases:
        if case.phase.id != phase:
            phase = case.phase.id
            table.add_row(Text(phase, "bold"), Text(case.phase.title, "bold"), "")
        seeds = ", ".join(map(str, case.baseline))
        table.add_row(case.id, case.title, Text(f"seed {seeds}" if seeds else "", "dim"))
    console.print(table)
    seeds_covered = {number for case in cases for number in case.baseline}
    told = f"{len(cases)} cases; they "
    if suite.baseline is not None:
        told += f"replace {len(seeds_covered)} of the {len(suite.baseline.cases)} seed cases and "
    registry = suite.registry
    console.print(
        f"{told}leave {len(registry.uncovered(cases))} of "
        f"{len(registry.built)} requirements uncovered"
    )


def print_case(console: Console, case: CaseDefinition, registry: Registry, reproduce: str) -> None:
    """Print everything that is known of a case without running it."""
    console.print(Text(f"{case.id}  {case.title}", "bold"))
    console.print(Text(case.proves))
    if case.body.__doc__:
        console.print(Text(case.body.__doc__.strip(), "dim"))
    for requirement_id in case.requirements:
        requirement = registry.requirements[requirement_id]
        where = " ".join(filter(None, (requirement.source, requirement.anchor)))
        console.print(Text(f"  {requirement_id} {requirement.level}: {requirement.text} [{where}]"))
    for check_id, title, level in case.declared_checks:
        console.print(Text(f"  check {check_id} ({level}): {title}"))
    if case.baseline:
        console.print(Text(f"  replaces seed cases {', '.join(map(str, case.baseline))}"))
    console.print(Text(f"  run it: {reproduce}"))


def matrix(cases: Iterable[CaseDefinition], registry: Registry) -> list[dict[str, Any]]:
    """Return each requirement with the cases that name it."""
    known = list(cases)
    return [
        {
            "id": requirement.id,
            "text": requirement.text,
            "level": requirement.level,
            "planned": requirement.planned,
            "cases": [case.id for case in known if requirement.id in case.requirements],
        }
        for requirement in registry.requirements.values()
    ]


def print_matrix(console: Console, rows: Iterable[dict[str, Any]]) -> None:
    """Print the matrix; what is uncovered stands out."""
    table = Table(box=None)
    for heading in ("requirement", "cases", "text"):
        table.add_column(heading)
    for row in rows:
        cases = " ".join(row["cases"]) or ("planned" if row["planned"] else "UNCOVERED")
        style = "" if row["cases"] else ("dim" if row["planned"] else "yellow")
        table.add_row(row["id"], Text(cases, style), row["text"])
    console.print(table)


def summary(run: Run, directory: Path) -> dict[str, Any]:
    """Return what a script wants to know of a run."""
    return {
        "run_id": run.run_id,
        "verdict": run.verdict,
        "status": run.status,
        "exit_code": exit_code(run),
        "counts": {name: getattr(run.counts, name) for name in run.counts.__struct_fields__},
        "duration_ms": run.duration_ms,
        "gates": [
            {
                "name": g.name,
                "verdict": g.verdict,
                "expected": g.expected,
                "actual": g.actual,
                "detail": g.detail,
            }
            for g in run.gates
        ],
        "red": [
            {"case": case.id, "verdict": case.verdict, "reason": case.reason}
            for case in run.cases
            if case.verdict in RED
        ],
        "overhead_ms": {"median": run.overhead.median_ms, "p95": run.overhead.p95_ms},
        "directory": str(directory),
        "report": str(directory / HTML_REPORT),
    }


def print_summary(
    console: Console, run: Run, directory: Path, baseline: Baseline | None = None
) -> None:
    """Print verdict, counts, red cases, gates, overhead and where the report lies."""
    archive = Archive.beside(directory, run)
    _print_causes(console, run, archive)
    red = [case for case in run.cases if case.verdict in RED]
    for case in red[:RED_CASES_SHOWN]:
        line = Text(f"{case.id} ")
        line.append(f"{case.verdict:8}", STYLES[case.verdict])
        line.append(f" {case.title}")
        if case.reason:
            line.append(f"  ({case.reason})", "dim")
        console.print(line, soft_wrap=True)
    if len(red) > RED_CASES_SHOWN:
        console.print(Text(f"and {len(red) - RED_CASES_SHOWN} more", "dim"))
    for gate in run.gates:
        mark = Text("ok  " if gate.verdict is Verdict.PASSED else f"{gate.verdict} ")
        mark.stylize(STYLES[gate.verdict])
        mark.append(f" {gate.name}: {gate.actual} (expected {gate.expected})")
        if gate.detail:
            mark.append(f": {gate.detail}", "dim")
        console.print(mark, soft_wrap=True)
    counts = run.counts
    parts = [
        f"{getattr(counts, name)} {name.replace('_', ' ')}"
        for name in ("passed", "failed", "warning", "error", "skipped", "not_run", "vacuous",
                     "flaky")
        if getattr(counts, name) or name in ("passed", "failed", "vacuous")
    ]  # fmt: skip
    console.print(
        f"harness overhead per case: median {run.overhead.median_ms:.1f} ms, "
        f"p95 {run.overhead.p95_ms:.1f} ms; telemetry settled in "
        f"{run.overhead.telemetry_wait_ms:.0f} ms; "
        f"contract {run.overhead.contract_us_per_answer:.0f} us an answer",
        soft_wrap=True,
    )
    verdict = Text(f"{run.verdict.upper()}", "bold green" if run.verdict in GREEN else "bold red")
    verdict.append(f"  {counts.planned} cases: {', '.join(parts)} in ", "default")
    verdict.append(f"{run.duration_ms / 1000:.1f} s")
    if run.status != "finished":
        verdict.append(f" ({run.status})")
    console.print(verdict, soft_wrap=True)
    if baseline is not None:
        _print_comparison(console, run, baseline, archive)
    console.print(Text(f"report: {directory / HTML_REPORT}"), soft_wrap=True)


def _print_causes(console: Console, run: Run, archive: Archive) -> None:
    """Print what broke, the widest cause first."""
    found = [cause for cause in causes(run, archive).causes if cause.verdict in RED]
    for cause in found[:CAUSES_SHOWN]:
        line = Text(cause.title, "bold")
        cases = ", ".join(cause.cases[:CAUSE_CASES_SHOWN])
        more = len(cause.cases) - CAUSE_CASES_SHOWN
        line.append(f"  {cases}{f' and {more} more' if more > 0 else ''}", "not bold")
        console.print(line, soft_wrap=True)
    if len(found) > CAUSES_SHOWN:
        console.print(Text(f"and {len(found) - CAUSES_SHOWN} more causes", "dim"))


def _print_comparison(console: Console, run: Run, baseline: Baseline, archive: Archive) -> None:
    """Print how the seed's cases fare now, in one line; `caas report compare` lists them."""
    compared = comparison.with_seed(run, baseline, archive)
    changes = ", ".join(
        f"{count} {change.replace('_', ' ')}" for change, count in compared.counts.items() if count
    )
    console.print(f"{len(compared.rows)} seed cases then and now: {changes}", soft_wrap=True)
