"""CTRF: its rules, its sums, and ids that stay."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from caas_reports.comparison.context import Context
from caas_reports.formats import ctrf
from caas_reports.model import Run
from caas_reports.testing import build_run

SCHEMA = Path(__file__).parents[3] / "reports" / "schemas" / "ctrf.schema.json"


def _written(run: Run, context: Context) -> bytes:
    stream = BytesIO()
    ctrf.write(run, stream, context)
    return stream.getvalue()


def _tests(run: Run, context: Context) -> dict[str, dict[str, Any]]:
    document = msgspec.json.decode(_written(run, context))
    return {test["extra"]["caseId"]: test for test in document["results"]["tests"]}


def test_ctrf_is_as_committed(
    run: Run, context: Context, golden: Callable[[str, bytes], None]
) -> None:
    """Whatever changes in the file is seen in review."""
    golden("ctrf.json", _written(run, context))


@pytest.mark.parametrize("cases", [0, 14, 60])
def test_ctrf_keeps_to_the_rules(cases: int, context: Context) -> None:
    """No member that the format does not know, none missing."""
    schema = msgspec.json.decode(SCHEMA.read_bytes())
    jsonschema.Draft7Validator.check_schema(schema)
    document = msgspec.json.decode(_written(build_run(cases), context))

    jsonschema.Draft7Validator(schema).validate(document)

    summary = document["results"]["summary"]
    kinds = ("passed", "failed", "skipped", "pending", "other")
    assert summary["tests"] == cases == sum(summary[kind] for kind in kinds)


def test_our_verdict_stands_beside_theirs(run: Run, context: Context) -> None:
    """CTRF has no word for a warning, an error, or a case that never ran."""
    tests = _tests(run, context)

    told = {test["rawStatus"]: test["status"] for test in tests.values()}
    assert told == {
        "passed": "passed",
        "warning": "passed",
        "failed": "failed",
        "error": "other",
        "skipped": "skipped",
        "not_run": "pending",
    }


def test_an_id_is_the_cases_own(context: Context) -> None:
    """The same from run to run, and of no other case."""
    first = _tests(build_run(14, run_id="one"), context)
    second = _tests(build_run(60, run_id="two"), context)

    assert all(first[case]["id"] == second[case]["id"] for case in first)
    assert len({test["id"] for test in second.values()}) == 60
    assert first["S01.01"]["id"] == "9facf41a-2e63-521a-ac06-f5c6accf5016"


def test_retries_are_told(run: Run, context: Context) -> None:
    """Attempts before the last, with what each found."""
    flaky = _tests(run, context)["S02.02"]

    assert flaky["flaky"] is True
    assert flaky["retries"] == 1
    assert [attempt["status"] for attempt in flaky["retryAttempts"]] == ["failed"]
    assert flaky["retryAttempts"][0]["message"].startswith("created: status: expected 201")
