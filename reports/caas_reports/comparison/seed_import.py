"""Make a baseline of the seed's report: parse, judge, then take every secret out."""

import hashlib
from collections import Counter
from typing import Any, cast

import msgspec

from caas_reports.comparison.baseline import (
    SCHEMA_VERSION,
    Baseline,
    Finding,
    FindingCode,
    LogExcerpt,
    SeedAnswer,
    SeedCase,
    SeedRequest,
    Then,
    Totals,
)
from caas_reports.comparison.seed_findings import (
    Rooms,
    http_findings,
    judge_logs,
    log_findings,
    socket_findings,
    worth,
)
from caas_reports.comparison.seed_report import RawCase, parse
from caas_reports.comparison.seed_secrets import SecretCount
from caas_reports.errors import UnreadableSeedReportError

ANSWER_BODY_MAX_CHARS = 2_000
_TELLING_HEADERS = ("content-type", "retry-after", "www-authenticate", "x-correlation-id")
_TELLING_PREFIXES = ("x-ratelimit-",)


def import_report(content: bytes, *, name: str, source: str) -> Baseline:
    """Make a baseline of a seed report.

    Args:
        content: The report's bytes.
        name: What the baseline is called.
        source: The report's file name.

    Raises:
        UnreadableSeedReportError: It is no such report, or does not add up.
    """
    report = parse(content)
    rooms = Rooms()
    printed: Counter[str] = Counter()
    cases = tuple(_case(raw, rooms, printed) for raw in report.cases)
    return Baseline(
        schema_version=SCHEMA_VERSION,
        name=name,
        source=source,
        source_sha256=hashlib.sha256(content).hexdigest(),
        generated_at=report.generated_at,
        runner_exit_code=report.runner_exit_code,
        totals=_totals(cases, printed),
        images=report.images,
        cases=cases,
    )


def _case(raw: RawCase, rooms: Rooms, printed: Counter[str]) -> SeedCase:
    if raw.kind not in {"http", "socket"} or raw.outcome not in {"passed", "warning", "failed"}:
        raise UnreadableSeedReportError(f"case {raw.number} is {raw.kind!r}, {raw.outcome!r}")
    http = raw.kind == "http"
    findings = http_findings(raw) if http else socket_findings(raw, rooms)
    then = worth(raw, findings)
    secrets = SecretCount()
    # The whole excerpt is searched for secrets, though only its first lines are kept.
    for logs in raw.logs:
        secrets.clean_text("\n".join(logs.lines))
    from_logs = secrets.by_kind
    secrets = SecretCount()
    request = _http_request(raw, secrets) if http else _socket_request(raw, secrets)
    answer = _answer(raw, secrets)
    total = from_logs + secrets.by_kind
    printed.update(total)
    excerpts = judge_logs(raw)
    findings += log_findings(excerpts)
    if total:
        findings.append(_printed(total, in_logs=bool(from_logs)))
    return SeedCase(
        number=raw.number,
        name=raw.name,
        kind="http" if http else "socket",
        outcome=cast("Any", raw.outcome),
        then=then,
        started_at=raw.started_at,
        ended_at=raw.ended_at,
        tags=raw.tags,
        request=request,
        answer=answer,
        logs=tuple(_clean(excerpt) for excerpt in excerpts),
        findings=tuple(
            Finding(code=finding.code, detail=SecretCount().clean_text(finding.detail))
            for finding in findings
        ),
    )


def _printed(kinds: Counter[str], *, in_logs: bool) -> Finding:
    listed = ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items()))
    where = ", also in the logs" if in_logs else ""
    return Finding(code=FindingCode.SECRET_PRINTED, detail=f"{listed}{where}")


def _clean(excerpt: LogExcerpt) -> LogExcerpt:
    return LogExcerpt(
        service=excerpt.service,
        lines=excerpt.lines,
        entries=excerpt.entries,
        own_entries=excerpt.own_entries,
        foreign_entries=excerpt.foreign_entries,
        text=SecretCount().clean_text(excerpt.text),
    )


def _http_request(raw: RawCase, secrets: SecretCount) -> SeedRequest:
    accepted = raw.request.get("acceptableStatus")
    return SeedRequest(
        method=str(raw.request["method"]),
        url=secrets.clean_text(str(raw.request["url"])),
        headers=secrets.clean(raw.request.get("headers") or {}),
        body=secrets.clean(raw.request.get("body")),
        accepted="any" if accepted == "any" else [int(status) for status in accepted or ()],
    )


def _socket_request(raw: RawCase, secrets: SecretCount) -> SeedRequest:
    return SeedRequest(
        url=secrets.clean_text(str(raw.request["socketUrl"])),
        namespace=str(raw.request["namespace"]),
        event=str(raw.request["event"]),
        body=secrets.clean(raw.request.get("payload")),
        with_token=bool(raw.request.get("withToken")),
        expect_connect=bool(raw.request.get("expectConnect")),
    )


def _answer(raw: RawCase, secrets: SecretCount) -> SeedAnswer:
    headers = raw.response.get("headers") or {}
    body = raw.response.get("body")
    text = _clean_body(body, secrets) if isinstance(body, str) else ""
    cut = len(text) > ANSWER_BODY_MAX_CHARS
    return SeedAnswer(
        status=raw.response.get("status"),
        headers={
            name: secrets.clean_text(str(value))
            for name, value in headers.items()
            if name in _TELLING_HEADERS or name.startswith(_TELLING_PREFIXES)
        },
        body=text[:ANSWER_BODY_MAX_CHARS] + "\u2026" if cut else text,
        error=secrets.clean_text(str(raw.response.get("error") or "")),
        timeout=bool(raw.response.get("timeout")),
        connect_error=secrets.clean_text(str(raw.response.get("connectError") or "")),
        data=secrets.clean(raw.response.get("data")),
    )


def _clean_body(body: str, secrets: SecretCount) -> str:
    """Clean a body as JSON, whose member names tell secrets, or as text when it is none."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return secrets.clean_text(body)
    return msgspec.json.encode(secrets.clean(value)).decode()


def _totals(cases: tuple[SeedCase, ...], printed: Counter[str]) -> Totals:
    def having(code: FindingCode) -> list[SeedCase]:
        return [case for case in cases if any(found.code is code for found in case.findings)]

    outcomes = Counter(case.outcome for case in cases)
    excerpts = [excerpt for case in cases for excerpt in case.logs]
    return Totals(
        cases=len(cases),
        passed=outcomes["passed"],
        warning=outcomes["warning"],
        failed=outcomes["failed"],
        http_cases=sum(case.kind == "http" for case in cases),
        any_status=len(having(FindingCode.ANY_STATUS)),
        error_passes=sum(case.kind == "http" for case in having(FindingCode.ERROR_PASSED)),
        timeouts_accepted=len(having(FindingCode.TIMEOUT_ACCEPTED)),
        connect_failures=len(having(FindingCode.CONNECT_FAILED)),
        non_member_accepted=len(having(FindingCode.NON_MEMBER_ACCEPTED)),
        log_entries=sum(excerpt.entries for excerpt in excerpts),
        foreign_log_entries=sum(excerpt.foreign_entries for excerpt in excerpts),
        cases_with_foreign_logs=len(having(FindingCode.FOREIGN_LOGS)),
        secrets_printed=dict(sorted(printed.items())),
        then={then.value: sum(case.then is then for case in cases) for then in Then},
    )
