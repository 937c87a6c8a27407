"""The seed's report: read, judged, and without its secrets."""

import re
from pathlib import Path

import msgspec
import pytest

from caas_reports.comparison import baseline as baselines
from caas_reports.comparison.baseline import Baseline, FindingCode, SeedCase, Then
from caas_reports.comparison.seed_import import import_report
from caas_reports.comparison.seed_report import decode, parse
from caas_reports.errors import UnreadableBaselineError, UnreadableSeedReportError

COMMITTED = Path(__file__).parents[3] / "conformance/caas_conformance/suites/caas/baseline.json"


def _case(baseline: Baseline, number: int) -> SeedCase:
    found = baseline.case(number)
    assert found is not None
    return found


def _codes(case: SeedCase) -> set[FindingCode]:
    return {finding.code for finding in case.findings}


def test_every_part_of_a_case_is_read(seed_excerpt: bytes) -> None:
    """Type, outcome, times, tags, request, response, logs."""
    case = parse(seed_excerpt).cases[0]

    assert (case.number, case.name, case.kind, case.outcome) == (
        1,
        "Front door answers",
        "http",
        "passed",
    )
    assert case.started_at == "2031-01-02T03:04:05.100Z"
    assert case.tags == ("health",)
    assert case.request["acceptableStatus"] == [200]
    assert case.response["body"] == '{"status":"ok"}'
    assert case.logs[0].service == "made-gateway"
    assert len(case.logs[0].lines) == 3


def test_line_ends_and_code_pages_are_undone(seed_excerpt: bytes) -> None:
    """A report saved by an editor of another system reads the same."""
    dos = b"\xef\xbb\xbf" + seed_excerpt.replace(b"\n", b"\r\n")

    assert parse(dos) == parse(seed_excerpt)
    assert '"entrypoint.s\u2026"' in decode(seed_excerpt)
    assert parse(seed_excerpt).images == {"gateway": "made/gateway:1"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"## [", b"## (", "no case found"),
        (b"- Passed: 7", b"- Passed: 8", "the summary"),
        (b"## [5] ", b"## [55] ", "numbered"),
        (b"- **Outcome:** passed\n", b"", "has no 'Outcome'"),
        (b"**Runner Exit Code:** 2\n", b"", "exit code"),
        (b'"status": 404,', b'"status": 404', "case 2"),
        (b"made-up-raw", b"made-up-\xff", "not UTF-8"),
    ],
)
def test_what_is_no_such_report_is_refused(
    old: bytes, new: bytes, message: str, seed_excerpt: bytes
) -> None:
    """A report that was read wrong would be a false witness."""
    assert old in seed_excerpt

    with pytest.raises(UnreadableSeedReportError, match=message):
        parse(seed_excerpt.replace(old, new))


@pytest.mark.parametrize(
    ("number", "then"),
    [
        (1, Then.STATED),
        (2, Then.WRONG),  # a 404 that nobody expected
        (3, Then.STATED),
        (4, Then.UNPROVEN),  # a negative case that got a 400
        (5, Then.WRONG),  # a negative case that never reached a handler
        (6, Then.WRONG),  # acknowledged an error
        (7, Then.WRONG),  # acknowledged to a user whom the room had refused
        (8, Then.UNANSWERED),
        (9, Then.FAILED),
    ],
)
def test_a_case_is_judged_by_what_came_back(number: int, then: Then, baseline: Baseline) -> None:
    """What it was reported as is one thing, what it was worth another."""
    assert _case(baseline, number).then is then


def test_what_was_hollow_is_named(baseline: Baseline) -> None:
    """Each kind on the case that has it, and not on one that has not."""
    assert FindingCode.ANY_STATUS in _codes(_case(baseline, 2))
    assert FindingCode.ANY_STATUS not in _codes(_case(baseline, 1))
    assert FindingCode.WIDE_STATUS in _codes(_case(baseline, 3))
    assert FindingCode.ROUTE_MISSING in _codes(_case(baseline, 5))
    assert FindingCode.NON_MEMBER_ACCEPTED in _codes(_case(baseline, 7))
    assert FindingCode.NON_MEMBER_ACCEPTED not in _codes(_case(baseline, 6))
    assert FindingCode.TIMEOUT_ACCEPTED in _codes(_case(baseline, 8))
    assert FindingCode.CONNECT_FAILED in _codes(_case(baseline, 9))


def test_log_lines_are_given_to_their_request(baseline: Baseline) -> None:
    """By correlation id, by address, by time."""
    own, foreign, by_address, by_time = (_case(baseline, n).logs[0] for n in (1, 2, 3, 6))

    assert (own.own_entries, own.foreign_entries, own.entries) == (1, 0, 1)
    assert (foreign.own_entries, foreign.foreign_entries, foreign.entries) == (0, 1, 2)
    assert (by_address.own_entries, by_address.foreign_entries) == (2, 1)
    assert (by_time.own_entries, by_time.foreign_entries) == (1, 1)


def test_the_sums_are_counted_again(baseline: Baseline) -> None:
    """What the summary did not print."""
    totals = baseline.totals

    assert (totals.cases, totals.passed, totals.warning, totals.failed) == (9, 7, 1, 1)
    assert (totals.http_cases, totals.any_status, totals.error_passes) == (5, 3, 3)
    assert (totals.timeouts_accepted, totals.connect_failures) == (1, 1)
    assert (totals.foreign_log_entries, totals.cases_with_foreign_logs) == (3, 3)
    assert totals.secrets_printed == {
        "api key": 1,
        "password": 1,
        "service secret": 2,
        "token": 1,
    }


def test_no_secret_is_kept(seed_excerpt: bytes, baseline: Baseline) -> None:
    """Every secret of the excerpt, and the telling start of one."""
    kept = baselines.encode(baseline).decode()
    secrets = ["eyJhbGci", "caas_prod_0", "Correct1!horse", "made-up-service-secret", "mad..."]

    assert all(secret in seed_excerpt.decode() for secret in secrets)
    assert not [secret for secret in secrets if secret in kept]
    assert _case(baseline, 3).request.body == {
        "email": "a@made.example",
        "password": "[redacted]",
    }


def test_the_same_report_gives_the_same_baseline(seed_excerpt: bytes, tmp_path: Path) -> None:
    """And reading it back gives the same again."""
    one = import_report(seed_excerpt, name="a", source="b")
    path = tmp_path / "baseline.json"
    path.write_bytes(baselines.encode(one))

    assert baselines.encode(import_report(seed_excerpt, name="a", source="b")) == path.read_bytes()
    assert baselines.load(path) == one


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"[]", "not a baseline")]
)
def test_what_is_no_baseline_is_refused(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    """In one line that names the file."""
    path = tmp_path / "baseline.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UnreadableBaselineError, match=message):
        baselines.load(path)


class TestCommitted:
    """The baseline that every run is compared with."""

    def test_it_has_the_sums_of_the_seed_report(self) -> None:
        """The design's own figures."""
        totals = baselines.load(COMMITTED).totals

        assert (totals.cases, totals.passed, totals.warning, totals.failed) == (121, 112, 4, 5)
        assert (totals.http_cases, totals.any_status, totals.error_passes) == (97, 73, 60)
        assert (totals.timeouts_accepted, totals.connect_failures) == (4, 5)
        assert totals.secrets_printed["service secret"] > 0

    def test_its_sums_are_those_of_its_cases(self) -> None:
        """Counted again from what is committed."""
        found = baselines.load(COMMITTED)
        cases = found.cases

        assert [case.number for case in cases] == list(range(1, 122))
        assert sum(case.request.accepted == "any" for case in cases) == 73
        passed_on_errors = [
            case
            for case in cases
            if case.outcome == "passed"
            and case.request.accepted == "any"
            and (case.answer.status or 0) >= 400
        ]
        assert len(passed_on_errors) == 60
        assert found.totals.then == {
            then.value: sum(case.then is then for case in cases) for then in Then
        }

    def test_what_everybody_remembers_is_in_it(self) -> None:
        """The 404 to a signed-in user, the stranger's receipt, the 500, the leaked schema."""
        found = baselines.load(COMMITTED)

        assert _case(found, 27).then is Then.WRONG
        assert _case(found, 27).answer.status == 404
        assert FindingCode.NON_MEMBER_ACCEPTED in _codes(_case(found, 49))
        assert _case(found, 40).answer.status == 500
        assert FindingCode.INTERNALS_LEAKED in _codes(_case(found, 74))
        assert [case.number for case in found.cases if case.then is Then.FAILED] == [
            53,
            54,
            55,
            56,
            66,
        ]

    def test_it_holds_no_secret(self) -> None:
        """No token, key, password or service secret of the seed is in the repository."""
        text = COMMITTED.read_text("utf-8")
        shapes = (
            r"eyJ[\w-]{6}",
            r"caas_(?:prod|test)_[0-9a-f]",
            r"service-secret-",
            r"(?i)\"(?:password|api_secret|app_secret|plaintext)\":\s*\"(?!\[redacted\])",
            r"(?i)bearer (?!\[redacted\])",
        )

        assert not [shape for shape in shapes if re.search(shape, text)]

    def test_it_is_of_modest_size(self) -> None:
        """It is cloned by everyone."""
        assert COMMITTED.stat().st_size < 300_000

    def test_it_is_written_as_the_model_writes_it(self) -> None:
        """Importing it again changes nothing but what changed."""
        content = COMMITTED.read_bytes()

        assert msgspec.json.decode(baselines.encode(baselines.load(COMMITTED))) == (
            msgspec.json.decode(content)
        )
