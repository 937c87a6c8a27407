"""OTEL_TRACES_SAMPLER."""

import random

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import SpanKind

from caas_observability.setup.sampling import (
    BURST_S,
    FORCED_PER_S,
    Sampler,
    TokenBucket,
    sampler_from_env,
)


@pytest.mark.parametrize(
    ("name", "root", "child_of_sampled", "child_of_unsampled"),
    [
        ("", True, True, False),
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
        ("always_on", True, True, True),
        ("always_off", False, False, False),
    ],
)
def test_samplers_of_the_specification(
    name: str,
    root: bool,  # noqa: FBT001
    child_of_sampled: bool,  # noqa: FBT001
    child_of_unsampled: bool,  # noqa: FBT001
) -> None:
    """Each decides for roots and for callers' traces as the table says."""
    sampler = sampler_from_env({"OTEL_TRACES_SAMPLER": name})
    trace_id = f"{random.getrandbits(128):032x}"

    assert sampler.root(int(trace_id, 16)) is root
    assert sampler.child(trace_id, True) is child_of_sampled  # noqa: FBT003
    assert sampler.child(trace_id, False) is child_of_unsampled  # noqa: FBT003


def test_a_ratio_is_decided_by_the_trace_id() -> None:
    """Every process decides alike, and the share is about right."""
    sampler = sampler_from_env(
        {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    )
    ids = [n * 0x9E3779B97F4A7C15 % (1 << 64) for n in range(1, 4001)]

    assert 900 < sum(map(sampler.root, ids)) < 1100
    sdk = sampler.for_provider()
    for trace_id in ids:
        decided = sdk.should_sample(Context(), trace_id, "GET", SpanKind.SERVER)
        assert (decided.decision is Decision.RECORD_AND_SAMPLE) is sampler.root(trace_id)
    assert Sampler(ratio=0.25).root(ids[0]) == sampler.root(ids[0])


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_SAMPLER": "sometimes"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "many"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.5"},
    ],
)
def test_a_misspelt_sampler_stops_the_start(environ: dict[str, str]) -> None:
    """Silently recording everything, or nothing, would be found out too late."""
    with pytest.raises(ValueError, match=r"OTEL|ratio|float"):
        sampler_from_env(environ)


def test_a_bucket_grants_its_rate_and_what_was_left_unused() -> None:
    """Never more, however it is asked; refusals are counted."""
    now = 0.0
    bucket = TokenBucket(5, lambda: now)
    assert sum(bucket.take() for _ in range(500)) == 5 * BURST_S
    assert bucket.refused == 450
    for _ in range(10):
        now += 0.5
        assert sum(bucket.take() for _ in range(500)) in {2, 3}
    now += 10 * BURST_S

    assert sum(bucket.take() for _ in range(500)) == 5 * BURST_S


@pytest.mark.parametrize("parent_based", [True, False])
@pytest.mark.parametrize("chosen", ["0" * 31 + "1", "f" * 16 + "0" * 16])
def test_callers_obtain_no_more_than_the_limit(chosen: str, *, parent_based: bool) -> None:
    """Neither by the flag nor by an id that a ratio says yes to."""
    sampler = Sampler(ratio=0.01, parent_based=parent_based, forced_per_s=3)
    sampler.forced = TokenBucket(3, lambda: 0.0)
    flood = 20_000

    recorded = sum(sampler.child(chosen, True) for _ in range(flood))  # noqa: FBT003

    # The limit, and by lot the ratio: 200 of the flood, 14 the standard deviation.
    assert 3 * BURST_S + 100 < recorded < 3 * BURST_S + 300
    assert sampler.refused()["forced"] == flood - 3 * BURST_S


def test_nothing_is_refused_where_everything_is_recorded_anyway() -> None:
    """Such a sampler is the operator's wish, not a caller's."""
    sampler = Sampler(forced_per_s=1)

    assert all(sampler.child(f"{random.getrandbits(128):032x}", True) for _ in range(1000))  # noqa: FBT003
    assert sampler.refused() == {"forced": 0, "flush": 0}


def test_the_limit_is_read_from_the_environment() -> None:
    """A word there stops the start; zero lets no caller force anything."""
    environ = {"OTEL_TRACES_SAMPLER": "parentbased_always_off", "CAAS_TRACE_FORCED_PER_S": "0"}

    assert not sampler_from_env(environ).child(f"{random.getrandbits(128):032x}", True)  # noqa: FBT003
    assert sampler_from_env({}).forced.per_s == FORCED_PER_S
    for wrong in ("many", "-1", "1.5"):
        with pytest.raises(ValueError, match="CAAS_TRACE_FORCED_PER_S"):
            sampler_from_env({"CAAS_TRACE_FORCED_PER_S": wrong})
