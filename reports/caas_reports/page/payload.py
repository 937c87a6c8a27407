"""Pack a run for the page: an index that is read at once, and evidence that is read on demand."""

import base64
import re
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from caas_reports.causes.grouping import Causes, causes
from caas_reports.comparison import compare as comparison
from caas_reports.comparison.context import Context
from caas_reports.comparison.history import PastRun, streak
from caas_reports.model import RED, Case, Run, Verdict
from caas_reports.operations import slowest
from caas_reports.traceability import covered_line, matrix
from caas_reports.wording import failure_message, headline, seen_line

# So many cases share a block: one case opens in a few milliseconds, and alike texts pack well.
CASES_PER_BLOCK = 16
COMPRESSION_LEVEL = 9
HARNESS = re.compile("runner|conformance")  # `service.name` of the harness


def blocks(run: Run, context: Context) -> Iterator[tuple[str, str]]:
    """Give the name and the packed text of every data block: `index`, `evidence-0`, ..."""
    yield "index", pack(index(run, context))
    for number, start in enumerate(range(0, len(run.cases), CASES_PER_BLOCK)):
        cases = run.cases[start : start + CASES_PER_BLOCK]
        yield f"evidence-{number}", pack([case.attempts for case in cases])


def pack(value: Any) -> str:
    """Deflate a value's JSON and write it in base64, which needs no escaping in HTML."""
    content = msgspec.json.encode(value, order="deterministic")
    packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(content) + packer.flush()).decode("ascii")


def unpack(text: str) -> Any:
    """Undo `pack`."""
    return msgspec.json.decode(zlib.decompress(base64.b64decode(text), -zlib.MAX_WBITS))


def index(run: Run, context: Context) -> dict[str, Any]:
    """Give everything but the evidence: what lists, filters and the other pages need."""
    head = {
        name: value
        for name, value in msgspec.to_builtins(msgspec.structs.replace(run, cases=())).items()
        if name not in {"cases", "plan"}
    }
    rows = matrix(run)
    broken = causes(run)
    seed = comparison.with_seed(run, context.baseline) if context.baseline else None
    return {
        "headline": headline(run),
        "run": head,
        "causes": broken.causes,
        "slowest": slowest(run),
        "cases": [
            _case(case, number) | _broken(case, broken, context.history)
            for number, case in enumerate(run.cases)
        ],
        "matrix": [{"id": row.id, "state": row.state, "cases": row.cases} for row in rows],
        "covered": covered_line(rows),
        "seen": seen_line(run.contract),
        "seed": seed,
        "seedTotals": context.baseline.totals if context.baseline else None,
        "history": [_without_verdicts(past) for past in context.history],
        "other": context.other,
    }


def _without_verdicts(past: PastRun) -> dict[str, Any]:
    """Give a run before without its cases, of which only the streaks are shown."""
    return {
        name: value for name, value in msgspec.structs.asdict(past).items() if name != "verdicts"
    }


def _case(case: Case, number: int) -> dict[str, Any]:
    last = case.attempts[-1] if case.attempts else None
    checks = last.checks if last else ()
    return {
        "id": case.id,
        "title": case.title,
        "phase": case.phase,
        "proves": case.proves,
        "verdict": case.verdict,
        "tags": case.tags,
        "requirements": case.requirements,
        "baseline": case.baseline,
        "flaky": case.flaky,
        "reason": case.reason,
        "reproduce": case.reproduce,
        "attempts": len(case.attempts),
        "duration": last.duration_ms if last else 0,
        "checks": len(checks),
        "passed": sum(check.verdict is Verdict.PASSED for check in checks),
        "services": _services(case),
        "message": failure_message(case),
        "block": number // CASES_PER_BLOCK,
        "slot": number % CASES_PER_BLOCK,
    }


def _services(case: Case) -> list[str]:
    """List the services that took part: those asked, and those that left a span or a log line.

    The runner's own spans are the frame of every trace, so that it is no service to filter by.
    """
    found = {
        item.service
        for attempt in case.attempts
        for group in (attempt.exchanges, attempt.spans, attempt.logs)
        for item in group
    }
    return sorted(name for name in found if not HARNESS.search(name))


def _broken(case: Case, found: Causes, past: tuple[PastRun, ...]) -> dict[str, Any]:
    """Give what broke a case, which of the causes it has, and since when; nothing when green."""
    finding = found.findings.get(case.id)
    if finding is None:
        return {}
    cause = next(n for n, cause in enumerate(found.causes) if case.id in cause.cases)
    before = streak(case.id, past) if case.verdict in RED else None
    return {"finding": finding, "cause": cause, "before": before}
