"""`caas report`: what it writes, prints and exits with."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from caas_reports import formats
from caas_reports.commands import report
from caas_reports.comparison.context import Context
from caas_reports.testing import build_run

DATA = Path(__file__).parent / "data"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with two runs, the second the latest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name, cases in (("first", 12), ("second", 14)):
        directory = tmp_path / ".caas" / "runs" / name
        directory.mkdir(parents=True)
        formats.write_all(
            build_run(cases, run_id=name), directory, names=["json"], context=Context()
        )
    (tmp_path / ".caas" / "runs" / "latest").symlink_to("second")
    return tmp_path


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(report, arguments)


def test_render_writes_every_format_of_the_latest_run(project: Path) -> None:
    """And prints where each lies."""
    result = _call("render")

    directory = project / ".caas" / "runs" / "second"
    assert result.exit_code == 0, result.output
    assert set(result.output.split()) == {
        str(directory / name)
        for name in ("run.json", "report.md", "report.html", "junit.xml", "ctrf.json")
    }


def test_render_takes_a_run_by_id_path_or_file(project: Path) -> None:
    """Whatever is at hand."""
    first = project / ".caas" / "runs" / "first"
    for name in ("first", str(first), str(first / "run.json")):
        result = _call("render", name, "--format", "ctrf", "--output", str(project / "out"))

        assert result.exit_code == 0, result.output
        assert [path.name for path in (project / "out").iterdir()] == ["ctrf.json"]


def test_an_unknown_format_is_a_usage_error(project: Path) -> None:
    """Exit code 2, and the names there are."""
    result = _call("render", "--format", "pdf")

    assert result.exit_code == 2
    assert "markdown" in result.output
    assert project.is_dir()


@pytest.mark.parametrize(
    "arguments",
    [
        ("render", "nowhere"),
        ("compare", "nowhere"),
        ("compare", "first", "nowhere"),
        ("compare", "--baseline", "nowhere.json"),
        ("open", "nowhere"),
        ("import-baseline", "nowhere.txt"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(arguments: tuple[str, ...], project: Path) -> None:
    """Exit code 3: the environment, not the platform."""
    result = _call(*arguments)

    assert result.exit_code == 3
    assert result.output.startswith("error: ")
    assert "nowhere" in result.output
    assert result.output.count("\n") == 1
    assert project.is_dir()


def test_without_any_run_it_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing that people try."""
    monkeypatch.chdir(tmp_path)

    result = _call("render")

    assert result.exit_code == 3
    assert "caas conformance run" in result.output


def test_import_then_compare(project: Path) -> None:
    """The seed's report becomes a baseline, and a run is set beside it."""
    made = _call("import-baseline", str(DATA / "seed_excerpt.txt"), "--output", "small.json")
    assert made.exit_code == 0, made.output
    assert "3 of 5" in made.output

    result = _call("compare", "--baseline", "small.json")

    assert result.exit_code == 0, result.output
    assert "9 seed cases: 1 fixed, 2 same, 6 not yet covered" in result.output
    directory = project / ".caas" / "runs" / "second"
    table = (directory / "comparison.md").read_text("utf-8")
    assert table.count("\n| ") == 10
    assert "Own company" in table
    assert (directory / "comparison.html").stat().st_size > 0


def test_compare_prints_json_alone_for_scripts(project: Path) -> None:
    """Where the files went is told on the other stream."""
    _call("import-baseline", str(DATA / "seed_excerpt.txt"), "--output", "small.json")

    result = _call("compare", "second", "--baseline", "small.json", "--json")

    found = msgspec.json.decode(result.stdout)
    assert found["counts"]["not_covered"] == 6
    assert [row["number"] for row in found["rows"]] == list(range(1, 10))
    assert "comparison.md" in result.stderr
    assert project.is_dir()


def test_compare_two_runs(project: Path) -> None:
    """New cases are told; the files lie with the newer run."""
    result = _call("compare", "first", "second", "--output", "out")

    assert result.exit_code == 0, result.output
    assert "14 cases: 12 same, 2 new" in result.output
    assert "T04.03" in (project / "out" / "comparison.md").read_text("utf-8")


def test_a_regression_can_be_a_gate(project: Path) -> None:
    """Exit code 4, only when asked for."""
    run = build_run(14, run_id="third")
    worse = msgspec.structs.replace(
        run, cases=tuple(msgspec.structs.replace(c, verdict="failed") for c in run.cases)
    )
    directory = project / ".caas" / "runs" / "third"
    directory.mkdir()
    formats.write_all(worse, directory, names=["json"], context=Context())

    assert _call("compare", "second", "third").exit_code == 0
    assert _call("compare", "second", "third", "--fail-on-regression").exit_code == 4
    assert _call("compare", "first", "second", "--fail-on-regression").exit_code == 0


def test_open_prints_the_page_and_makes_it_when_missing(project: Path) -> None:
    """Nothing is opened where there is no display."""
    result = _call("open", "--print")

    page = project / ".caas" / "runs" / "second" / "report.html"
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(page)
    assert page.is_file()


def test_schema_is_written_and_checked(project: Path) -> None:
    """CI asks whether the committed files are what the models say."""
    assert _call("schema", "--output", "made").exit_code == 0
    assert _call("schema", "--output", "made", "--check").exit_code == 0
    (project / "made" / "run.schema.json").write_text("{}")

    stale = _call("schema", "--output", "made", "--check")
    assert stale.exit_code == 1
    assert "run.schema.json" in stale.output
