"""Prometheus text of one process."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from caas_observability.setup import metrics
from caas_observability.setup.metrics import SERIES_MAX, HttpServerMetrics


def samples(collected: HttpServerMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in collected.collect()
        for sample in family.samples
    }


def test_a_request_is_counted_in_its_bucket() -> None:
    """Buckets are cumulative and their bound belongs to them."""
    http = HttpServerMetrics()
    http.record("GET", "/v1/{id}", 200, 0.005)
    http.record("GET", "/v1/{id}", 200, 0.3)
    http.record("GET", "/v1/{id}", 200, 99.0)
    labels = {
        "http_request_method": "GET", "http_route": "/v1/{id}", "http_response_status_code": "200",
    }  # fmt: skip
    found = samples(http)

    def bucket(bound: str) -> float:
        name = "http_server_request_duration_seconds_bucket"
        return found[name, frozenset({**labels, "le": bound}.items())]

    assert [bucket(b) for b in ("0.005", "0.25", "0.5", "10.0", "+Inf")] == [1, 1, 2, 2, 3]
    name = "http_server_request_duration_seconds"
    assert found[f"{name}_count", frozenset(labels.items())] == 3
    assert found[f"{name}_sum", frozenset(labels.items())] == pytest.approx(99.305)


def test_series_are_bounded() -> None:
    """Neither invented methods nor many routes can fill the memory."""
    http = HttpServerMetrics()
    for n in range(SERIES_MAX + 500):
        http.record(f"M{n}", f"/{n}", 200, 0.1)
    families = list(http.collect())

    series = {s.labels["http_route"] for s in families[0].samples}
    assert len(series) == SERIES_MAX + 1
    assert "other" in series
    assert {s.labels["http_request_method"] for s in families[0].samples} == {"_OTHER"}


def test_the_page_is_valid_and_shows_process_and_exporter() -> None:
    """What Prometheus scrapes; the exporter's figures can be replaced."""
    figures: dict[str, dict[str, float]] = {
        "queued": {"all": 3}, "exported": {"span": 7, "log": 8},
        "dropped": {"span": 1, "log": 2}, "export_failures": {"span": 0, "log": 4},
    }  # fmt: skip
    metrics.show_exporter(lambda: figures)
    metrics.show_exporter(lambda: figures)
    metrics.http_server.active += 1
    try:
        families = {f.name: f for f in text_string_to_metric_families(metrics.render().decode())}
    finally:
        metrics.http_server.active -= 1

    dropped = {s.labels["signal"]: s.value for s in families["caas_telemetry_dropped"].samples}
    assert dropped == {"span": 1, "log": 2}
    assert families["caas_telemetry_queue_items"].samples[0].value == 3
    assert families["http_server_active_requests"].samples[0].value == 1
    assert families["process_resident_memory_bytes"].samples[0].value > 0
