"""Read the seed runner's Markdown report: its totals and every case as it was written.

The report is UTF-8 in which some console output was once read as code page 437; its line ends may
be CRLF. Nothing is judged or redacted here: see `seed_findings` and `seed_secrets`.
"""

import re
from typing import Any

import msgspec

from caas_reports.errors import UnreadableSeedReportError

SEED_REPORT_MAX_BYTES = 32 * 1024 * 1024

_CASE_HEAD = re.compile(r"^## \[(\d+)\] (.+)$", re.MULTILINE)
_FIELD = re.compile(r"^- \*\*(\w+):\*\* (.*)$", re.MULTILINE)
_TOTAL = re.compile(r"^- (Total Cases|Passed|Warnings|Failed): (\d+)$", re.MULTILINE)
_GENERATED = re.compile(r"^\*\*Generated:\*\* (\S+) (\S+)$", re.MULTILINE)
_EXIT_CODE = re.compile(r"^\*\*Runner Exit Code:\*\* (-?\d+)$", re.MULTILINE)
_LOG_SECTION = re.compile(r"^#### (\S+)\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CONTAINER = re.compile(r"^\S+ +(?P<image>\S+) +\".*?\" +(?P<service>\S+) +.* ago ", re.MULTILINE)
# What `…` and its neighbours become when UTF-8 is read as code page 437.
_CODE_PAGE = re.compile("\u0393[\u0080-\uffff]{2}")


class RawLogs(msgspec.Struct, frozen=True):
    """The log excerpt of one service under a case, as printed."""

    service: str
    lines: tuple[str, ...]


class RawCase(msgspec.Struct, frozen=True, kw_only=True):
    """One case as printed."""

    number: int
    name: str
    kind: str
    outcome: str
    started_at: str
    ended_at: str
    tags: tuple[str, ...]
    request: dict[str, Any]
    response: dict[str, Any]
    logs: tuple[RawLogs, ...]


class RawReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report as printed."""

    generated_at: str
    runner_exit_code: int
    totals: dict[str, int]
    images: dict[str, str]
    cases: tuple[RawCase, ...]


def parse(content: bytes) -> RawReport:
    """Read a whole report.

    Raises:
        UnreadableSeedReportError: It is no such report, a case lacks a part, or the cases do not
            add up to the printed totals.
    """
    if len(content) > SEED_REPORT_MAX_BYTES:
        raise UnreadableSeedReportError(f"the report is over {SEED_REPORT_MAX_BYTES} bytes")
    text = decode(content)
    heads = list(_CASE_HEAD.finditer(text))
    if not heads:
        raise UnreadableSeedReportError("no case found: is this the seed runner's report?")
    ends = [*(head.start() for head in heads[1:]), len(text)]
    cases = tuple(
        _case(int(head[1]), head[2].strip(), text[head.end() : end])
        for head, end in zip(heads, ends, strict=True)
    )
    preamble = text[: heads[0].start()]
    report = RawReport(
        generated_at=_generated(preamble),
        runner_exit_code=int(_required(_EXIT_CODE, preamble, "exit code")[1]),
        totals={name: int(count) for name, count in _TOTAL.findall(preamble)},
        images={found["service"]: found["image"] for found in _CONTAINER.finditer(preamble)},
        cases=cases,
    )
    _check_totals(report)
    return report


def decode(content: bytes) -> str:
    """Give the text with unix line ends and code-page damage undone."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableSeedReportError(f"not UTF-8: byte {error.start}") from error
    return _CODE_PAGE.sub(_undo_code_page, text.replace("\r\n", "\n"))


def _undo_code_page(found: re.Match[str]) -> str:
    try:
        return found[0].encode("cp437").decode("utf-8")
    except UnicodeError:
        return found[0]


def _required(pattern: re.Pattern[str], text: str, name: str) -> re.Match[str]:
    found = pattern.search(text)
    if found is None:
        raise UnreadableSeedReportError(f"the report has no {name}")
    return found


def _generated(preamble: str) -> str:
    found = _required(_GENERATED, preamble, "date")
    return f"{found[1]}T{found[2]}"


def _check_totals(report: RawReport) -> None:
    outcomes = [case.outcome for case in report.cases]
    counted = {
        "Total Cases": len(outcomes),
        "Passed": outcomes.count("passed"),
        "Warnings": outcomes.count("warning"),
        "Failed": outcomes.count("failed"),
    }
    if counted != report.totals:
        raise UnreadableSeedReportError(f"the cases are {counted}, the summary {report.totals}")
    numbers = [case.number for case in report.cases]
    if numbers != list(range(1, len(numbers) + 1)):
        raise UnreadableSeedReportError("the cases are not numbered 1, 2, 3 and so on")


def _case(number: int, name: str, text: str) -> RawCase:
    fields = dict(_FIELD.findall(text))
    try:
        return RawCase(
            number=number,
            name=name,
            kind=fields["Type"].strip(),
            outcome=fields["Outcome"].strip(),
            started_at=fields["Started"].strip(),
            ended_at=fields["Ended"].strip(),
            tags=tuple(tag.strip() for tag in fields["Tags"].split(",") if tag.strip()),
            request=_document("Request", text),
            response=_document("Response", text),
            logs=tuple(
                RawLogs(service, tuple(lines.splitlines()))
                for service, lines in _LOG_SECTION.findall(text)
            ),
        )
    except KeyError as error:
        raise UnreadableSeedReportError(f"case {number} has no {error}") from error
    except msgspec.MsgspecError as error:
        raise UnreadableSeedReportError(f"case {number}: {error}") from error


def _document(title: str, text: str) -> dict[str, Any]:
    found = re.search(rf"^### {title}\n```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise KeyError(title)
    return msgspec.json.decode(found[1], type=dict[str, Any])
