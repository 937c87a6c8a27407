"""Metrics of one process in Prometheus' text format, cheap to record.

Names are semantic-convention names as Prometheus spells them. Series are bounded: a label value
is a route template, never a raw path, and what comes after `SERIES_MAX` counts as `other`.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    exposition,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

SERIES_MAX = 1000
# http.server.request.duration's advised buckets, in seconds.
DURATION_BUCKETS_S = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST

REGISTRY = CollectorRegistry(auto_describe=False)

_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}
)


class _Series:
    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(DURATION_BUCKETS_S) + 1)
        self.sum_s = 0.0


class HttpServerMetrics:
    """`http.server.request.duration` and `http.server.active_requests`.

    Attributes:
        active: Requests being served now; the caller adds and subtracts.
    """

    def __init__(self) -> None:
        self.active = 0
        self._series: dict[tuple[str, str, int], _Series] = {}

    def record(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one finished request under its route template."""
        series = self._series.get((method, route, status))
        if series is None:
            series = self._add(method, route, status)
        series.counts[bisect_left(DURATION_BUCKETS_S, duration_s)] += 1
        series.sum_s += duration_s

    def _add(self, method: str, route: str, status: int) -> _Series:
        known = method if method in _METHODS else "_OTHER"
        key = (known, route, status) if len(self._series) < SERIES_MAX else ("_OTHER", "other", 0)
        return self._series.setdefault(key, _Series())

    def collect(self) -> Iterable[Metric]:
        """Yield the metric families; called by the registry."""
        durations = HistogramMetricFamily(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            labels=("http_request_method", "http_route", "http_response_status_code"),
        )
        for (method, route, status), series in list(self._series.items()):
            buckets, total = [], 0
            for bound, count in zip((*DURATION_BUCKETS_S, "+Inf"), series.counts, strict=True):
                total += count
                buckets.append((str(bound), float(total)))
            durations.add_metric((method, route, str(status)), buckets, series.sum_s)
        yield durations
        active = GaugeMetricFamily("http_server_active_requests", "HTTP requests being served.")
        active.add_metric((), self.active)
        yield active


class TelemetryMetrics:
    """What the exporter did: queue length, items exported and dropped, failed requests."""

    def __init__(self, read: Callable[[], dict[str, dict[str, float]]]) -> None:
        """Read the figures with *read*: `queued`, `exported`, `dropped`, each by signal."""
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Yield the metric families; called by the registry."""
        figures = self._read()
        queued = GaugeMetricFamily("caas_telemetry_queue_items", "Items waiting for export.")
        queued.add_metric((), figures["queued"].get("all", 0.0))
        yield queued
        for name, text in (
            ("exported", "Items that a receiver accepted."),
            ("dropped", "Items lost: queue full, refused, or retries used up."),
            ("export_failures", "Export requests that failed, retries included."),
        ):
            family = CounterMetricFamily(f"caas_telemetry_{name}", text, labels=("signal",))
            for signal, value in figures[name].items():
                family.add_metric((signal,), value)
            yield family


class SamplingMetrics:
    """What callers asked of sampling and did not get."""

    def __init__(self, read: Callable[[], dict[str, float]]) -> None:
        """Read with *read* how often each kind of wish was refused: `forced`, `flush`."""
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Yield the metric family; called by the registry."""
        family = CounterMetricFamily(
            "caas_trace_wishes_refused",
            "Requests whose caller wanted them recorded, or flushed, beyond the limit.",
            labels=("wish",),
        )
        for wish, value in self._read().items():
            family.add_metric((wish,), value)
        yield family


http_server = HttpServerMetrics()
REGISTRY.register(http_server)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


_exporter: TelemetryMetrics | None = None


def show_exporter(read: Callable[[], dict[str, dict[str, float]]]) -> None:
    """Show an exporter's figures among the metrics, in place of an earlier one's."""
    global _exporter  # noqa: PLW0603 - one per process
    if _exporter is not None:
        REGISTRY.unregister(_exporter)
    _exporter = TelemetryMetrics(read)
    REGISTRY.register(_exporter)


_sampling: SamplingMetrics | None = None


def show_sampling(read: Callable[[], dict[str, float]]) -> None:
    """Show what sampling refused among the metrics, in place of an earlier sampler's."""
    global _sampling  # noqa: PLW0603 - one per process
    if _sampling is not None:
        REGISTRY.unregister(_sampling)
    _sampling = SamplingMetrics(read)
    REGISTRY.register(_sampling)


def render() -> bytes:
    """Write every metric of this process in Prometheus' text format (`CONTENT_TYPE`)."""
    return exposition.generate_latest(REGISTRY)
