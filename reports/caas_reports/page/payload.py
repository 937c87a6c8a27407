"""Pack a run for the page: an index that is read at once, and evidence that is read on demand."""

import base64
import re
import zlib
from collections import Counter
from collections.abc import Container, Iterator
from typing import Any

import msgspec

from caas_reports.archive import Archive, services
from caas_reports.causes.grouping import Causes, causes
from caas_reports.comparison import compare as comparison
from caas_reports.comparison.context import Context
from caas_reports.comparison.history import PastRun, streak
from caas_reports.model import RED, Attempt, Case, Run, Verdict
from caas_reports.operations import slowest
from caas_reports.traceability import covered_line, matrix
from caas_reports.wording import failure_message, headline, seen_line

# So many cases share a block: one case opens in a few milliseconds, and alike texts pack well.
CASES_PER_BLOCK = 16
EMBEDDED_BYTES_MAX = 24 * 1024 * 1024
"""Of packed evidence that the run keeps beside itself; the page is sent by mail."""
COMPRESSION_LEVEL = 9
HARNESS = re.compile("runner|conformance")  # `service.name` of the harness


def blocks(run: Run, context: Context) -> Iterator[tuple[str, str]]:
    """Give the name and the packed text of every data block.

    `index`; `evidence-0`, ... with what the run itself holds, a list of attempts each; `kept-0`,
    ... with what lies beside it, as it lies there.
    """
    embedded = frozenset(_embedded(run, context))
    yield "index", pack(index(run, context, embedded))
    archive = context.archive
    for number, start in enumerate(range(0, len(run.cases), CASES_PER_BLOCK)):
        cases = run.cases[start : start + CASES_PER_BLOCK]
        inline = [a for case in cases for a in case.attempts if not _is_beside(a, archive)]
        if inline:
            yield f"evidence-{number}", pack(inline)
    for member in sorted(embedded):
        yield f"kept-{member}", base64.b64encode(archive.packed(member)).decode("ascii")


def _is_beside(attempt: Attempt, archive: Archive) -> bool:
    return attempt.kept is not None and attempt.kept.member in archive.members


def _embedded(run: Run, context: Context) -> Iterator[int]:
    """Choose the members that the page carries: first what a case opens with, its last attempt."""
    archive = context.archive
    last = {case.attempts[-1].kept for case in run.cases if case.attempts}
    first = sorted({kept.member for kept in last if kept and kept.member in archive.members})
    room = EMBEDDED_BYTES_MAX
    for member in dict.fromkeys([*reversed(first), *reversed(archive.members)]):
        room -= archive.size(member)
        if room < 0 and not context.full:
            return
        yield member


def pack(value: Any) -> str:
    """Deflate a value's JSON and write it in base64, which needs no escaping in HTML."""
    content = msgspec.json.encode(value, order="deterministic")
    packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(packer.compress(content) + packer.flush()).decode("ascii")


def unpack(text: str) -> Any:
    """Undo `pack`."""
    return msgspec.json.decode(zlib.decompress(base64.b64decode(text), -zlib.MAX_WBITS))


def index(run: Run, context: Context, embedded: Container[int] = ()) -> dict[str, Any]:
    """Give everything but the evidence: what lists, filters and the other pages need.

    Args:
        run: What happened.
        context: What it is shown with.
        embedded: The members of the archive that the page carries.
    """
    head = {
        name: value
        for name, value in msgspec.to_builtins(msgspec.structs.replace(run, cases=())).items()
        if name not in {"cases", "plan", "evidence"}
    }
    rows = matrix(run)
    archive = context.archive
    broken = causes(run, archive)
    seed = comparison.with_seed(run, context.baseline, archive) if context.baseline else None
    places = _places(run, archive, embedded)
    return {
        "headline": headline(run),
        "run": head,
        "causes": broken.causes,
        "slowest": slowest(run, archive),
        "cases": [
            _case(case)
            | {"places": places.get(case.id, [])}
            | _broken(case, broken, context.history)
            for case in run.cases
        ],
        "matrix": [
            {"id": row.id, "state": row.state, "cases": row.cases, "shown": row.shown_by}
            for row in rows
        ],
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


_Place = tuple[int, Verdict, str, int]


def _places(run: Run, archive: Archive, embedded: Container[int]) -> dict[str, list[_Place]]:
    """Say of each attempt of each case its number, its verdict, and its block and place there.

    The block is empty when the page does not carry it; the place is a line of the archive then.
    """
    slots: Counter[str] = Counter()
    found: dict[str, list[_Place]] = {}
    for number, case in enumerate(run.cases):
        block = f"evidence-{number // CASES_PER_BLOCK}"
        for attempt in case.attempts:
            kept = attempt.kept
            if kept is not None and kept.member in archive.members:
                there = f"kept-{kept.member}" if kept.member in embedded else ""
                place = (there, kept.line)
            else:
                place = (block, slots[block])
                slots[block] += 1
            found.setdefault(case.id, []).append((attempt.number, attempt.verdict, *place))
    return found


def _case(case: Case) -> dict[str, Any]:
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
    }


def _services(case: Case) -> list[str]:
    """List the services that took part: those asked, and those that left a span or a log line.

    The runner's own spans are the frame of every trace, so that it is no service to filter by.
    """
    found = {name for attempt in case.attempts for name in services(attempt)}
    return sorted(name for name in found if not HARNESS.search(name))


def _broken(case: Case, found: Causes, past: tuple[PastRun, ...]) -> dict[str, Any]:
    """Give what broke a case, which of the causes it has, and since when; nothing when green."""
    finding = found.findings.get(case.id)
    if finding is None:
        return {}
    cause = next(n for n, cause in enumerate(found.causes) if case.id in cause.cases)
    before = streak(case.id, past) if case.verdict in RED else None
    return {"finding": finding, "cause": cause, "before": before}
