"""Keep what happened on disk as it comes, and in memory only what the reports list.

One thread turns judged attempts into the report's model, one after the other: the loop that
drives the platform is not held up by it, and what waits for it is bounded by the runner.
"""

import asyncio
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from caas_conformance.correlation import leaks
from caas_conformance.correlation.settling import TelemetryCollector
from caas_conformance.correlation.tally import Tally
from caas_conformance.engine.attempt import AttemptRecord
from caas_conformance.verdicts.build import AttemptBuilder
from caas_observability.correlation import AttemptTelemetry
from caas_observability.receiver.records import ReceivedLog, ReceivedSpan
from caas_observability.receiver.store import write_lines
from caas_observability.redaction import Redactor
from caas_reports import archive
from caas_reports.archive import ArchiveWriter
from caas_reports.model import Attempt, Check, Evidence, Kept, Verdict

TELEMETRY_FILE = "telemetry.jsonl"
INLINE_BYTES_MAX = 16 * 1024 * 1024
"""Evidence of attempts that did not pass, in `run.json` itself; what goes beyond is kept beside."""
_BRIEF = frozenset({Verdict.PASSED, Verdict.SKIPPED})


class EvidenceKeeper:
    """Writes evidence and telemetry into a run's directory, attempt by attempt.

    Attributes:
        tally: How much of the telemetry found its attempt.
        overhead_ms: What the harness cost, an attempt each.
        exchange_ms: How long each exchange took.
        secrets: Every secret that an attempt knew.

    Raises:
        OSError: the files can't be made.
    """

    def __init__(self, directory: Path, collector: TelemetryCollector | None) -> None:
        self._directory = directory
        self._collector = collector
        self._archive = ArchiveWriter(directory / archive.FILENAME)
        self._telemetry = (directory / TELEMETRY_FILE).open("wb") if collector else None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="evidence")
        self._inline_bytes = 0
        self._failed: OSError | None = None
        self._checks: dict[tuple[Check, ...], tuple[Check, ...]] = {}
        self.tally = Tally(collector.run_marker if collector else "")
        self.overhead_ms = array("d")
        self.exchange_ms = array("d")
        self.secrets: set[str] = set()

    async def keep(self, record: AttemptRecord) -> None:
        """Write down a judged attempt and let go of it."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._keep, record)

    def _keep(self, record: AttemptRecord) -> None:
        found = self._take(record)
        attempt, line = _built(record, found)
        self.secrets |= record.context.secrets
        self.overhead_ms.append(record.overhead_ms)
        self.exchange_ms.extend(x.timings.total_ms for x in attempt.exchanges)
        self.tally.attempt(record, found)
        record.release(self._written(attempt, line))

    def _take(self, record: AttemptRecord) -> AttemptTelemetry:
        if self._collector is None:
            return AttemptTelemetry(attempt_id=record.trace.correlation_prefix)
        spans, logs = self._collector.take_markers()
        self.tally.others(spans, logs, self._collector.marker_traces)
        self._record(spans, logs, Redactor())
        found = self._collector.take(record.context)
        spans, logs = [*found.spans, *found.orphan_spans], [*found.logs, *found.orphan_logs]
        self._record(spans, logs, record.context.redactor())
        return found

    def _record(
        self, spans: Sequence[ReceivedSpan], logs: Sequence[ReceivedLog], redactor: Redactor
    ) -> None:
        if self._telemetry is None or self._failed is not None:
            return
        try:
            write_lines(self._telemetry, spans, logs, redactor)
        except OSError as error:
            self._failed = error

    def _written(self, attempt: Attempt, line: bytes) -> Attempt:
        """Write an attempt down; return what stays of it in memory."""
        kept = self._add(line)
        if attempt.verdict not in _BRIEF and self._inline_bytes + len(line) <= INLINE_BYTES_MAX:
            self._inline_bytes += len(line)
            return attempt
        brief = archive.brief(attempt, kept)
        checks = self._checks.setdefault(brief.checks, brief.checks)  # alike in each repetition
        return msgspec.structs.replace(brief, checks=checks)

    def _add(self, line: bytes) -> Kept | None:
        if self._failed is not None:
            return None
        try:
            return self._archive.add_line(line)
        except OSError as error:
            self._failed = error
            return None

    def close(self) -> Evidence:
        """Write what belongs to no attempt, and end the files; nothing is kept after it.

        Raises:
            OSError: they could not be written: the run goes on without, and ends here.
        """
        self._worker.shutdown()
        if self._collector is not None:
            store = self._collector.receiver.store
            spans, logs = store.spans, store.logs
            self.tally.others(spans, logs, self._collector.marker_traces)
            self._record(spans, logs, Redactor())
        if self._telemetry is not None:
            self._telemetry.close()
        evidence = self._archive.close()
        if self._failed is not None:
            raise self._failed
        return evidence

    def scrub(self, evidence: Evidence, found: leaks.Leaks) -> Evidence:
        """Blot secrets out of what was written; return where the evidence is now."""
        if self._telemetry is not None:
            leaks.scrub_lines(self._directory / TELEMETRY_FILE, found)
        return leaks.scrub_archive(self._directory / archive.FILENAME, evidence, found)


def _built(record: AttemptRecord, found: AttemptTelemetry) -> tuple[Attempt, bytes]:
    """Return the attempt and its line of the archive."""
    builder = AttemptBuilder(record, found)
    try:
        attempt = builder.build()
        return attempt, archive.encode(record.case.id, attempt)
    except Exception as error:  # noqa: BLE001 - one odd text must not cost the whole run
        record.verdict = Verdict.ERROR
        record.reason = f"its evidence can't be shown: {type(error).__name__}"
        attempt = builder.without_evidence(record.reason)
        return attempt, archive.encode(record.case.id, attempt)
