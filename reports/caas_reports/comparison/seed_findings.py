"""Judge the cases of the seed's report: what was hollow, and what each was really worth."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from caas_reports.comparison.baseline import Finding, FindingCode, LogExcerpt, Then
from caas_reports.comparison.seed_report import RawCase, RawLogs

LOG_TEXT_LINES_MAX = 8
LOG_TIME_SLACK = timedelta(milliseconds=20)  # clocks of one host
_ERROR_STATUS_MIN = 400
_SERVER_ERROR_STATUS_MIN = 500

_ENTRY_HEAD = re.compile(r"^(?:\[(\d\d:\d\d:\d\d)(\.\d{3})?(?: UTC)?\]|\{\"level\":)")
_EPOCH_MS = re.compile(r"\"time\":(\d{13})")
_CORRELATION = re.compile(r"\b(?:correlationId|requestId): \"([^\"]+)\"")
_REQUEST_ID = re.compile(r"\breqId: \"([^\"]+)\"")
_LOGGED_URL = re.compile(r"\"?\burl\"?: \"([^\"]+)\"")
_ROUTE_MISSING = re.compile(r"\bRoute (?:GET|POST|PUT|PATCH|DELETE):\S+ not found")
_INTERNALS = re.compile(r"ZodObject|\"_def\\?\"|\bat \S+ \(/|node_modules")


class Entry(msgspec.Struct):
    """One log entry: a first line and the lines that hang on it."""

    lines: list[str]
    foreign: bool = False
    own: bool = False

    @property
    def text(self) -> str:
        """The entry as printed."""
        return "\n".join(self.lines)


class Rooms:
    """Remembers which conversations the seed's server refused, case after case."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def accepted_from_stranger(self, case: RawCase) -> bool:
        """Tell whether a conversation that refused the user answered `ok` to it all the same."""
        conversation = str((case.request.get("payload") or {}).get("conversationId", ""))
        answer = case.response.get("data")
        status = answer.get("status") if isinstance(answer, dict) else None
        if case.request.get("event") == "joinRoom":
            if status == "error":
                self._refused.add(conversation)
            elif status == "ok":
                self._refused.discard(conversation)
            return False
        return status == "ok" and conversation in self._refused


def http_findings(case: RawCase) -> list[Finding]:
    """List what was hollow in an HTTP case."""
    accepted = case.request.get("acceptableStatus")
    status = int(case.response.get("status") or 0)
    body = str(case.response.get("body") or "")
    found = []
    if accepted == "any":
        found.append(Finding(code=FindingCode.ANY_STATUS, detail="every status was accepted"))
    elif isinstance(accepted, list) and len(accepted) > 1:
        listed = ", ".join(map(str, accepted))
        found.append(Finding(code=FindingCode.WIDE_STATUS, detail=f"any of {listed} was accepted"))
    if case.outcome == "passed" and accepted == "any" and status >= _ERROR_STATUS_MIN:
        found.append(Finding(code=FindingCode.ERROR_PASSED, detail=f"it passed with {status}"))
    if _ROUTE_MISSING.search(body):
        found.append(Finding(code=FindingCode.ROUTE_MISSING, detail="there was no such route"))
    if _INTERNALS.search(body):
        found.append(
            Finding(code=FindingCode.INTERNALS_LEAKED, detail="the body shows code internals")
        )
    found.append(Finding(code=FindingCode.BODY_UNCHECKED, detail="nothing in the body was checked"))
    return found


def socket_findings(case: RawCase, rooms: Rooms) -> list[Finding]:
    """List what was hollow in a socket case."""
    found = []
    answer = case.response.get("data")
    refused = str(case.response.get("connectError") or "")
    expected = bool(case.request.get("expectConnect"))
    if refused and expected:
        found.append(Finding(code=FindingCode.CONNECT_FAILED, detail=refused))
    if case.response.get("timeout"):
        found.append(
            Finding(code=FindingCode.TIMEOUT_ACCEPTED, detail="no answer was only a warning")
        )
    if isinstance(answer, dict) and expected:
        found.append(Finding(code=FindingCode.ANY_ACK, detail="any acknowledgement was accepted"))
        if answer.get("status") == "error":
            said = str(answer.get("message", ""))
            found.append(Finding(code=FindingCode.ERROR_PASSED, detail=f"it passed with: {said}"))
    if rooms.accepted_from_stranger(case):
        found.append(
            Finding(
                code=FindingCode.NON_MEMBER_ACCEPTED,
                detail="the conversation had refused this user, and acknowledged it",
            )
        )
    return found


def worth(case: RawCase, findings: Iterable[Finding]) -> Then:
    """Judge a case by its outcome and by what was hollow in it.

    A negative case that got a 4xx was answered plausibly; one that never reached a handler, or got
    a 5xx, was not.
    """
    codes = {finding.code for finding in findings}
    if case.outcome == "failed":
        return Then.FAILED
    if FindingCode.TIMEOUT_ACCEPTED in codes:
        return Then.UNANSWERED
    status = int(case.response.get("status") or 0)
    plausible = (
        "negative" in case.tags
        and status < _SERVER_ERROR_STATUS_MIN
        and FindingCode.ROUTE_MISSING not in codes
    )
    if FindingCode.NON_MEMBER_ACCEPTED in codes:
        return Then.WRONG
    if FindingCode.ERROR_PASSED in codes and not plausible:
        return Then.WRONG
    if codes & {FindingCode.ANY_STATUS, FindingCode.ANY_ACK}:
        return Then.UNPROVEN
    return Then.STATED


def judge_logs(case: RawCase) -> tuple[LogExcerpt, ...]:
    """Count, service by service, whose the log lines under a case really were."""
    return tuple(_excerpt(case, logs) for logs in case.logs)


def log_findings(excerpts: Iterable[LogExcerpt]) -> list[Finding]:
    """Say what was wrong with the log lines that stood under a case."""
    listed = tuple(excerpts)
    foreign = sum(excerpt.foreign_entries for excerpt in listed)
    entries = sum(excerpt.entries for excerpt in listed)
    found = []
    if foreign:
        found.append(
            Finding(
                code=FindingCode.FOREIGN_LOGS,
                detail=f"{foreign} of {entries} log entries belong to other requests",
            )
        )
    if not any(excerpt.own_entries for excerpt in listed):
        found.append(
            Finding(code=FindingCode.NO_OWN_LOGS, detail="no log entry of its own was found")
        )
    return found


def _excerpt(case: RawCase, logs: RawLogs) -> LogExcerpt:
    entries = _entries(logs.lines)
    _mark(case, entries)
    return LogExcerpt(
        service=logs.service,
        lines=len(logs.lines),
        entries=len(entries),
        own_entries=sum(entry.own and not entry.foreign for entry in entries),
        foreign_entries=sum(entry.foreign for entry in entries),
        text="\n".join(logs.lines[:LOG_TEXT_LINES_MAX]),
    )


def _entries(lines: Iterable[str]) -> list[Entry]:
    entries: list[Entry] = []
    for line in lines:
        if not entries or _ENTRY_HEAD.match(line):
            entries.append(Entry([line]))
        else:
            entries[-1].lines.append(line)
    return entries


def _mark(case: RawCase, entries: list[Entry]) -> None:
    """Mark each entry own or foreign by time, correlation id and address.

    The address stands on the first entries of a request only; the others follow by its `reqId`.
    """
    headers = case.response.get("headers") or {}
    correlation = str(headers.get("x-correlation-id", ""))
    path = urlsplit(str(case.request.get("url", ""))).path
    foreign_requests: set[str] = set()
    own_requests: set[str] = set()
    for entry in entries:
        request_id = _REQUEST_ID.search(entry.text)
        url = _LOGGED_URL.search(entry.text)
        if request_id and url and path:
            matches = urlsplit(url[1]).path == path
            (own_requests if matches else foreign_requests).add(request_id[1])
    for entry in entries:
        logged = _CORRELATION.findall(entry.text)
        request_id = _REQUEST_ID.search(entry.text)
        known = request_id[1] if request_id else ""
        outside = _outside(case, entry)
        entry.foreign = (
            outside is True
            or (bool(logged) and bool(correlation) and correlation not in logged)
            or known in foreign_requests
        )
        entry.own = not entry.foreign and (
            (bool(correlation) and correlation in logged)
            or (known in own_requests and outside is False)
            or (case.kind == "socket" and outside is False)
        )


def _outside(case: RawCase, entry: Entry) -> bool | None:
    """Tell whether an entry was written outside the case's time; None when it has no time."""
    started = _time(case.started_at) - LOG_TIME_SLACK
    ended = _time(case.ended_at) + LOG_TIME_SLACK
    epoch = _EPOCH_MS.search(entry.lines[0])
    if epoch:
        return not started <= datetime.fromtimestamp(int(epoch[1]) / 1000, UTC) <= ended
    head = _ENTRY_HEAD.match(entry.lines[0])
    if head is None or head[1] is None:
        return None
    fraction = head[2] or ""
    written = datetime.fromisoformat(f"{case.started_at[:10]}T{head[1]}{fraction}+00:00")
    if not fraction:  # whole seconds only: it may be anything up to the next one
        started -= timedelta(seconds=1)
    return not started <= written <= ended


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
