"""The Markdown report, in the shape of the seed's."""

from collections.abc import Callable
from io import BytesIO

import msgspec

from caas_reports.comparison.context import Context
from caas_reports.formats import markdown
from caas_reports.model import Run, Verdict
from caas_reports.testing import build_run


def _written(run: Run, context: Context) -> str:
    stream = BytesIO()
    markdown.write(run, stream, context)
    return stream.getvalue().decode()


def test_markdown_is_as_committed(
    run: Run, context: Context, golden: Callable[[str, bytes], None]
) -> None:
    """Whatever changes in the file is seen in review."""
    golden("report.md", _written(run, context).encode())


def test_what_failed_has_the_parts_of_the_seed_report(run: Run, context: Context) -> None:
    """The two reports can be read side by side."""
    text = _written(run, context)
    case = text[text.index("## [S08.01]") :].partition("\n---\n")[0]

    parts = ["**Type:**", "**Outcome:**", "**Started:**", "**Ended:**", "**Tags:**"]
    parts += ["### Request", "### Response", "### Service Reaction Logs", "### Trace"]
    places = [case.index(part) for part in parts]
    assert places == sorted(places)


def test_what_passed_has_a_line_unless_all_is_asked_for(run: Run, context: Context) -> None:
    """Who reads in a terminal reads what broke; a flaky case did not simply pass."""
    text = _written(run, context)
    full = _written(run, msgspec.structs.replace(context, full=True))

    for case in run.cases:
        in_a_line = case.verdict is Verdict.PASSED and not case.flaky
        assert (f"## [{case.id}]" in text) is not in_a_line
        assert (f"\n- **{case.id}** {case.title}: " in text) or case.flaky
        assert f"## [{case.id}]" in full


def test_of_many_red_attempts_the_last_are_shown(run: Run, context: Context) -> None:
    """And the rest is counted."""
    case = next(case for case in run.cases if case.verdict is Verdict.FAILED)
    many = tuple(
        msgspec.structs.replace(case.attempts[-1], number=number) for number in range(1, 10)
    )
    cases = (msgspec.structs.replace(case, attempts=many),)
    text = _written(msgspec.structs.replace(run, cases=cases), context)

    assert "### Attempt 4: failed" not in text
    assert "### Attempt 5: failed" in text
    assert "9 attempts; not shown: 4 failed." in text


def test_causes_come_before_cases(run: Run, context: Context) -> None:
    """Who reads in a terminal reads what broke, where, and the platform's own words first."""
    text = _written(run, context)
    told = text[text.index("## What broke") : text.index("## Needs attention")]

    assert told.splitlines()[1].startswith("- **gateway answered 404, not 200")
    for part in ("`200`, got `404`", "(1 case: S08.01)", "warning auth-service: tenant is not"):
        assert part in told


def test_what_a_service_said_can_not_leave_its_fence(context: Context) -> None:
    """Backticks, pipes, tags and line ends of a body stay a body."""
    hostile = "```\n# Own heading | <script>alert(1)</script>\n````"
    text = _written(build_run(14, hostile=hostile), context)

    outside = []
    fence = ""
    for line in text.splitlines():
        if not fence and line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        elif fence and line == fence:
            fence = ""
        elif not fence:
            outside.append(line)
    assert not fence
    assert not [line for line in outside if line.startswith("# Own")]
    assert not [line for line in outside if "<script" in line and "`" not in line]
