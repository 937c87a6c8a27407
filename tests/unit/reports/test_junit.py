"""JUnit XML: its schema, its sums and its retries."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
import xmlschema
from defusedxml import ElementTree

from caas_reports.comparison.context import Context
from caas_reports.formats import junit
from caas_reports.model import Run
from caas_reports.testing import build_run

SCHEMA = Path(__file__).parents[3] / "reports" / "schemas" / "junit.xsd"


def _written(run: Run, context: Context) -> bytes:
    stream = BytesIO()
    junit.write(run, stream, context)
    return stream.getvalue()


def _cases(content: bytes) -> dict[str, Element]:
    root = ElementTree.fromstring(content)
    return {case.attrib["name"].split()[0]: case for case in root.iter("testcase")}


def test_junit_is_as_committed(
    run: Run, context: Context, golden: Callable[[str, bytes], None]
) -> None:
    """Whatever changes in the file is seen in review."""
    golden("junit.xml", _written(run, context))


@pytest.mark.parametrize("hostile", ["", "]]></failure><x a='\"'>&amp;\x00\x1b\ud800\ufffe"])
@pytest.mark.parametrize("cases", [0, 14, 60])
def test_junit_keeps_to_its_schema(cases: int, hostile: str, context: Context) -> None:
    """What services say can't break the document, nor what XML can't hold."""
    content = _written(build_run(cases, hostile=hostile), context)

    xmlschema.XMLSchema(str(SCHEMA)).validate(content.decode())


def test_the_schema_refuses_what_is_not_junit() -> None:
    """The schema can fail."""
    schema = xmlschema.XMLSchema(str(SCHEMA))

    assert not schema.is_valid("<testsuites><testcase/></testsuites>")


def test_sums_are_those_of_the_cases(run: Run, context: Context) -> None:
    """A CI server shows what the run says."""
    root = ElementTree.fromstring(_written(run, context))

    assert {name: root.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "14",
        "failures": "2",
        "errors": "2",  # one that could not be judged, one that never ran
        "skipped": "1",
    }
    for suite in root.iter("testsuite"):
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))


def test_retries_are_told(run: Run, context: Context) -> None:
    """Passed after a failure is flaky; failed again is a rerun."""
    cases = _cases(_written(run, context))

    assert cases["S02.02"].find("flakyFailure") is not None
    assert cases["S02.02"].find("failure") is None
    assert cases["S11.02"].find("failure") is not None
    assert cases["S11.02"].find("rerunFailure") is not None


def test_a_case_that_never_ran_is_not_green(run: Run, context: Context) -> None:
    """It is an error, with its reason."""
    error = _cases(_written(run, context))["T04.02"].find("error")

    assert error is not None
    assert error.attrib == {"message": "the run ended before its turn", "type": "not_run"}


def test_a_failure_says_what_was_expected(run: Run, context: Context) -> None:
    """The message is enough to start with."""
    failure = _cases(_written(run, context))["S08.01"].find("failure")

    assert failure is not None
    assert failure.attrib["message"] == "found: status: expected 200, got 404"
