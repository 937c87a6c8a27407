"""Prometheus text of one process."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from caas_observability.setup import metrics
from caas_observability.setup.delivery import Delivery
from caas_observability.setup.metrics import SERIES_MAX, HttpServerMetrics


def samples(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_a_request_is_counted_in_its_bucket() -> None:
    """Buckets are cumulative and their bound belongs to them."""
    registry = CollectorRegistry()
    http = HttpServerMetrics(registry)
    http.record("GET", "/v1/{id}", 200, 0.005)
    http.record("GET", "/v1/{id}", 200, 0.3)
    http.record("GET", "/v1/{id}", 200, 99.0)
    labels = {
        "http_request_method": "GET", "http_route": "/v1/{id}", "http_response_status_code": "200",
    }  # fmt: skip
    found = samples(registry)

    def bucket(bound: str) -> float:
        name = "http_server_request_duration_seconds_bucket"
        return found[name, frozenset({**labels, "le": bound}.items())]

    assert [bucket(b) for b in ("0.005", "0.25", "0.5", "10.0", "+Inf")] == [1, 1, 2, 2, 3]
    name = "http_server_request_duration_seconds"
    assert found[f"{name}_count", frozenset(labels.items())] == 3
    assert found[f"{name}_sum", frozenset(labels.items())] == pytest.approx(99.305)


def test_series_are_bounded() -> None:
    """Neither invented methods nor many routes can fill the memory."""
    registry = CollectorRegistry()
    http = HttpServerMetrics(registry)
    for n in range(SERIES_MAX + 500):
        http.record(f"M{n}", f"/{n}", 200, 0.1)
    found = [
        labels
        for family in registry.collect()
        for sample in family.samples
        if (labels := sample.labels).get("http_route")
    ]

    series = {labels["http_route"] for labels in found}
    assert len(series) == SERIES_MAX + 1
    assert "other" in series
    assert {labels["http_request_method"] for labels in found} == {"_OTHER"}


def test_the_page_is_valid_and_shows_process_and_exporter() -> None:
    """What Prometheus scrapes; the exporter's figures can be replaced."""
    spans, logs = Delivery("span", max_items=4), Delivery("log")
    admitted = [spans.admit() for _ in range(5)]
    spans.settle(1, accepted=True)
    logs.admit()
    logs.settle(1, accepted=False)
    metrics.show_deliveries((spans, logs))
    metrics.show_deliveries((spans, logs))
    metrics.http_server.active += 1
    try:
        families = {f.name: f for f in text_string_to_metric_families(metrics.render().decode())}
    finally:
        metrics.http_server.active -= 1

    dropped = {s.labels["signal"]: s.value for s in families["caas_telemetry_dropped"].samples}
    assert admitted == [True] * 4 + [False]
    assert dropped == {"span": 1, "log": 1}
    assert families["caas_telemetry_queue_items"].samples[0].value == 3
    assert families["http_server_active_requests"].samples[0].value == 1
    assert families["process_resident_memory_bytes"].samples[0].value > 0
