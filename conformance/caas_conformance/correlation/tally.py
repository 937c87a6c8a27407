"""How much of the telemetry found its attempt, counted as it is let go of."""

from collections import Counter
from collections.abc import Collection, Sequence

from caas_conformance.correlation import ownership
from caas_conformance.engine.attempt import AttemptRecord
from caas_observability.correlation import AttemptTelemetry
from caas_observability.receiver.records import ReceivedLog, ReceivedSpan
from caas_reports.model import Correlation


class Tally:
    """Counts records, and notes those that name another attempt than the one they lie under."""

    def __init__(self, run_marker: str) -> None:
        self._run_marker = run_marker
        self._count: Counter[str] = Counter()
        self._uncorrelated: Counter[str] = Counter()
        self._traces: set[str] = set()
        self._trace_of_exchange: dict[str, str] = {}
        self._strangers: list[str] = []
        self._named: list[ownership.Naming] = []

    def attempt(self, record: AttemptRecord, found: AttemptTelemetry) -> None:
        """Count an attempt and what its trace holds."""
        self._traces.add(record.trace.trace_id)
        for exchange in record.context.wire.exchanges:
            if exchange.is_traced:
                self._trace_of_exchange[exchange.correlation_id] = record.trace.trace_id
        self._count["spans"] += len(found.spans) + len(found.orphan_spans)
        self._count["logs"] += len(found.logs) + len(found.orphan_logs)
        self._count["owned_spans"] += len(found.spans)
        self._count["orphan_spans"] += len(found.orphan_spans)
        self._count["owned_logs"] += len(found.logs)
        self._strangers += ownership.strangers(record, found, self._run_marker)
        records: list[ReceivedSpan | ReceivedLog] = [*found.spans, *found.orphan_spans]
        records += [*found.logs, *found.orphan_logs]
        mine = f"{record.trace.correlation_prefix}."
        named = ownership.namings(records, self._run_marker)
        self._named += (one for one in named if not one.name.startswith(mine))
        if not record.inconclusive:
            self._count["attempts"] += 1
            self._count["attempts_with_trace"] += bool(found.spans)
            self._count["attempts_with_log"] += bool(found.logs)

    def others(
        self, spans: Sequence[ReceivedSpan], logs: Sequence[ReceivedLog], markers: Collection[str]
    ) -> None:
        """Count what no attempt was given: markers', strangers', and what came too late."""
        self._count["spans"] += len(spans)
        self._count["logs"] += len(logs)
        records: list[ReceivedSpan | ReceivedLog] = [*spans, *logs]
        for record in records:
            kind = "spans" if isinstance(record, ReceivedSpan) else "logs"
            if record.trace_id in self._traces:
                self._count["late"] += 1
            elif not record.trace_id and kind == "logs":
                self._uncorrelated[record.service] += 1
            elif record.trace_id not in markers:
                self._count[f"foreign_{kind}"] += 1
        self._named += ownership.namings(records, self._run_marker)

    @property
    def mix_ups(self) -> list[str]:
        """What lies under one attempt and names another."""
        return self._strangers + ownership.strays(self._named, self._trace_of_exchange)

    def summary(self) -> Correlation:
        """Return the counts."""
        return Correlation(**self._count, uncorrelated_logs=dict(self._uncorrelated))
