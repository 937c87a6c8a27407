"""A small baseline, made-up runs, and golden files.

`UPDATE_GOLDEN=1 pytest tests/unit/reports` writes the golden files anew; look at the difference.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from caas_reports.comparison.baseline import Baseline
from caas_reports.comparison.context import Context
from caas_reports.comparison.seed_import import import_report
from caas_reports.model import Run
from caas_reports.testing import build_run

HERE = Path(__file__).parent

Golden = Callable[[str, bytes], None]


@pytest.fixture
def seed_excerpt() -> bytes:
    """A report in the seed runner's format with nine invented cases."""
    return (HERE / "data" / "seed_excerpt.txt").read_bytes()


@pytest.fixture
def baseline(seed_excerpt: bytes) -> Baseline:
    """The baseline of the excerpt."""
    return import_report(seed_excerpt, name="made-up", source="seed_excerpt.txt")


@pytest.fixture
def context(baseline: Baseline) -> Context:
    """What a run is shown beside: the small baseline, no runs before it."""
    return Context(baseline=baseline)


@pytest.fixture
def run() -> Run:
    """A made-up run with every verdict in it."""
    return build_run()


@pytest.fixture
def golden() -> Golden:
    """Compare a document with the committed one of that name."""

    def compare(name: str, content: bytes) -> None:
        path = HERE / "golden" / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        assert path.read_bytes() == content, f"{name} changed: UPDATE_GOLDEN=1 writes it anew"

    return compare
