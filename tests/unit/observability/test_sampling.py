"""OTEL_TRACES_SAMPLER."""

import pytest

from caas_observability import context
from caas_observability.sampling import Sampler, sampler_from_env


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
    trace_id = context.new_trace_id()

    assert sampler.root(trace_id) is root
    assert sampler.child(trace_id, True) is child_of_sampled  # noqa: FBT003
    assert sampler.child(trace_id, False) is child_of_unsampled  # noqa: FBT003


def test_a_ratio_is_decided_by_the_trace_id() -> None:
    """Every process decides alike, and the share is about right."""
    sampler = sampler_from_env(
        {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    )
    ids = [f"{n * 0x9E3779B97F4A7C15 % (1 << 64):032x}" for n in range(1, 4001)]

    assert 900 < sum(map(sampler.root, ids)) < 1100
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
