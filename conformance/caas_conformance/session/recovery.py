"""Finish what a killed run left behind: its report, with what was on disk, and never green."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from caas_conformance.engine.run_directory import JOURNAL, RunDirectory, read_journal, unfinished
from caas_conformance.verdicts.judging import count, verdict_of_run
from caas_reports import archive
from caas_reports.model import Attempt, Case, Failure, Run, Status, Verdict

KILLED = "the run was killed before this case was judged"


def recover_killed_runs(runs: Path) -> list[Path]:
    """Rewrite `run.json` of every killed run as `aborted`, from its journal; return them."""
    recovered = []
    for path, run in unfinished(runs):
        events = list(read_journal(path / JOURNAL))
        evidence, found = archive.recovered(path / archive.FILENAME)
        briefs = {
            (case_id, attempt.number): archive.brief(attempt, kept)
            for case_id, attempt, kept in found
        }
        finished = msgspec.structs.replace(run, evidence=evidence)
        RunDirectory(path).write_run(rebuilt(finished, events, briefs))
        recovered.append(path)
    return recovered


Briefs = Mapping[tuple[str, int], Attempt]
"""What is kept of each attempt whose evidence was on disk, by case and number."""


def rebuilt(run: Run, events: list[dict[str, Any]], kept: Briefs) -> Run:
    """Return *run* with the verdicts that its journal holds; it stays aborted."""
    judged: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        if event.get("event") == "judged":
            judged.setdefault(str(event.get("case")), []).append(event)
    cases = tuple(_case(case, judged.get(case.id, []), kept) for case in run.cases)
    ended = max((float(e.get("at_ms", 0.0)) for e in events), default=0.0)
    aborted = msgspec.structs.replace(
        run, status=Status.ABORTED, cases=cases, counts=count(cases), duration_ms=ended
    )
    return msgspec.structs.replace(aborted, verdict=verdict_of_run(aborted))


def _case(case: Case, events: list[Mapping[str, Any]], kept: Briefs) -> Case:
    if not events:
        return msgspec.structs.replace(case, reason=KILLED)
    attempts = tuple(
        kept.get((case.id, int(event["attempt"]))) or _without_evidence(event) for event in events
    )
    return msgspec.structs.replace(case, attempts=attempts, verdict=Verdict(events[-1]["verdict"]))


def _without_evidence(event: Mapping[str, Any]) -> Attempt:
    return Attempt(
        number=int(event["attempt"]),
        status=Status(event["status"]),
        verdict=Verdict(event["verdict"]),
        started_at=str(event["started_at"]),
        duration_ms=float(event["duration_ms"]),
        trace_id=str(event["trace_id"]),
        failure=Failure(
            kind="harness",
            message=str(event.get("reason") or "judged; the evidence went with the run"),
        ),
    )
