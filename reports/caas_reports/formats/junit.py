"""JUnit XML as CI servers read it: the structure of `reports/schemas/junit.xsd`.

A suite is a phase. Retries are told in Surefire's words: `flakyFailure` for what failed before it
passed, `rerunFailure` for what failed again.
"""

from typing import BinaryIO
from xml.etree import ElementTree as ET

from caas_reports.comparison.context import Context
from caas_reports.model import Attempt, Case, Run, Verdict
from caas_reports.plain import plain
from caas_reports.wording import failure_message, failure_text

NAME = "junit"
FILENAME = "junit.xml"


def write(run: Run, stream: BinaryIO, context: Context) -> None:  # noqa: ARG001
    """Write the document."""
    suites = _element(
        None, "testsuites", name="caas conformance", time=_seconds(run.duration_ms),
        **_tally(run.cases),
    )  # fmt: skip
    for phase in sorted({case.phase for case in run.cases}):
        _suite(suites, run, phase)
    ET.indent(suites, " ")
    stream.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
    stream.write(ET.tostring(suites, encoding="utf-8", short_empty_elements=True) + b"\n")


def _element(parent: ET.Element | None, tag: str, text: str = "", **attributes: str) -> ET.Element:
    clean = {name: plain(value) for name, value in attributes.items()}
    made = ET.Element(tag, clean) if parent is None else ET.SubElement(parent, tag, clean)
    if text:
        made.text = plain(text)  # XML 1.0 can't hold most controls, even escaped
    return made


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _tally(cases: tuple[Case, ...]) -> dict[str, str]:
    verdicts = [case.verdict for case in cases]
    return {
        "tests": str(len(cases)),
        "failures": str(verdicts.count(Verdict.FAILED)),
        "errors": str(verdicts.count(Verdict.ERROR) + verdicts.count(Verdict.NOT_RUN)),
        "skipped": str(verdicts.count(Verdict.SKIPPED)),
    }


def _suite(suites: ET.Element, run: Run, phase: str) -> None:
    cases = tuple(case for case in run.cases if case.phase == phase)
    title = next((known.title for known in run.phases if known.id == phase), "")
    attempts = [attempt for case in cases for attempt in case.attempts]
    suite = _element(
        suites,
        "testsuite",
        name=f"{phase} {title}".strip(),
        timestamp=min((attempt.started_at for attempt in attempts), default=run.started_at),
        time=_seconds(sum(attempt.duration_ms for attempt in attempts)),
        **_tally(cases),
    )
    properties = _element(suite, "properties")
    _property(properties, "caas.run_id", run.run_id)
    _property(properties, "caas.tool_version", run.tool_version)
    for service, version in sorted(run.target.versions.items()):
        _property(properties, f"caas.version.{service}", version)
    for case in cases:
        _testcase(suite, case)


def _property(properties: ET.Element, name: str, value: str) -> None:
    _element(properties, "property", name=name, value=value)


def _testcase(suite: ET.Element, case: Case) -> None:
    last = case.attempts[-1] if case.attempts else None
    made = _element(
        suite,
        "testcase",
        name=f"{case.id} {case.title}",
        classname=f"caas.{case.phase}",
        time=_seconds(sum(attempt.duration_ms for attempt in case.attempts)),
    )
    properties = _element(made, "properties")
    _property(properties, "caas.case", case.id)
    _property(properties, "caas.verdict", case.verdict.value)
    _property(properties, "caas.proves", case.proves)
    for requirement in case.requirements:
        _property(properties, "caas.requirement", requirement)
    for number in case.baseline:
        _property(properties, "caas.baseline", str(number))
    for tag in case.tags:
        _property(properties, "caas.tag", tag)
    if last and last.trace_id:
        _property(properties, "caas.trace_id", last.trace_id)
    _outcome(made, case, last)
    if case.reproduce:
        _element(made, "system-out", f"reproduce: {case.reproduce}")


def _outcome(made: ET.Element, case: Case, last: Attempt | None) -> None:
    message = failure_message(case)
    text = failure_text(last) if last else message
    if case.verdict is Verdict.FAILED:
        _element(made, "failure", text, message=message, type="failed")
        _retries(made, "rerunFailure", case)
    elif case.verdict is Verdict.ERROR:
        kind = last.failure.kind if last and last.failure else "error"
        _element(made, "error", text, message=message, type=kind)
        _retries(made, "rerunError", case)
    elif case.verdict is Verdict.NOT_RUN:
        _element(made, "error", text, message=message or "planned and never run", type="not_run")
    elif case.verdict is Verdict.SKIPPED:
        _element(made, "skipped", message=message)
    else:
        _retries(made, "flakyFailure", case)


def _retries(made: ET.Element, tag: str, case: Case) -> None:
    for attempt in case.attempts[:-1]:
        text = failure_text(attempt)
        retry = _element(made, tag, message=text.partition("\n")[0], type=attempt.verdict.value)
        _element(retry, "stackTrace", text)
