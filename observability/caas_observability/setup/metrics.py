"""Metrics of one process in Prometheus' text format, cheap to record.

Names are semantic-convention names as Prometheus spells them. Series are bounded: a label value
is a route template, never a raw path, and what comes after `SERIES_MAX` counts as `other`.
"""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    exposition,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from caas_observability.setup.delivery import Delivery

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


class HttpServerMetrics:
    """`http.server.request.duration` and `http.server.active_requests`.

    Attributes:
        active: Requests being served now; the caller adds and subtracts.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.active = 0
        self._durations = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        # The library's own look-up by labels costs three times what counting does.
        self._series: dict[tuple[str, str, int], Histogram] = {}
        registry.register(self)

    def record(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one finished request under its route template."""
        series = self._series.get((method, route, status))
        if series is None:
            series = self._add(method, route, status)
        series.observe(duration_s)

    def _add(self, method: str, route: str, status: int) -> Histogram:
        known = method if method in _METHODS else "_OTHER"
        key = (known, route, status) if len(self._series) < SERIES_MAX else ("_OTHER", "other", 0)
        return self._series.setdefault(key, self._durations.labels(*key))

    def collect(self) -> Iterable[Metric]:
        """Yield the requests under way; called by the registry."""
        active = GaugeMetricFamily("http_server_active_requests", "HTTP requests being served.")
        active.add_metric((), self.active)
        yield active


class TelemetryMetrics:
    """What became of the telemetry: items waiting, exported and dropped, failed requests."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries

    def collect(self) -> Iterable[Metric]:
        """Yield the metric families; called by the registry."""
        queued = GaugeMetricFamily(
            "caas_telemetry_queue_items", "Items waiting for export.", labels=("signal",)
        )
        for delivery in self._deliveries:
            queued.add_metric((delivery.signal,), delivery.waiting)
        yield queued
        for name, attribute, text in (
            ("exported", "exported", "Items that a receiver accepted."),
            ("dropped", "dropped", "Items lost: queue full, refused, or retries used up."),
            ("export_failures", "failures", "Export requests that failed, retries included."),
        ):
            family = CounterMetricFamily(f"caas_telemetry_{name}", text, labels=("signal",))
            for delivery in self._deliveries:
                family.add_metric((delivery.signal,), getattr(delivery, attribute))
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


http_server = HttpServerMetrics(REGISTRY)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


_telemetry: TelemetryMetrics | None = None


def show_deliveries(deliveries: Sequence[Delivery]) -> None:
    """Show these figures among the metrics, in place of earlier ones."""
    global _telemetry  # noqa: PLW0603 - one per process
    if _telemetry is not None:
        REGISTRY.unregister(_telemetry)
    _telemetry = TelemetryMetrics(deliveries)
    REGISTRY.register(_telemetry)


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
