"""run.json: the bytes, the round trip and the published schema."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import jsonschema
import msgspec
import pytest

from caas_reports import formats, schemas
from caas_reports.comparison.baseline import Baseline
from caas_reports.comparison.baseline import encode as encode_baseline
from caas_reports.comparison.context import Context
from caas_reports.errors import UnknownFormatError, UnreadableRunError
from caas_reports.formats import run_json
from caas_reports.model import Run
from caas_reports.testing import build_run

SCHEMAS = Path(__file__).parents[3] / "reports" / "schemas"


def _schema(name: str) -> jsonschema.Draft202012Validator:
    document = msgspec.json.decode((SCHEMAS / name).read_bytes())
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def test_run_json_is_as_committed(
    run: Run, context: Context, golden: Callable[[str, bytes], None]
) -> None:
    """Whatever changes in the file is seen in review."""
    stream = BytesIO()
    run_json.write(run, stream, context)

    golden("run.json", stream.getvalue())


def test_what_is_read_is_what_was_written(run: Run, tmp_path: Path) -> None:
    """Nothing is lost on the way."""
    (tmp_path / "run.json").write_bytes(run_json.encode(run))

    assert run_json.read(tmp_path) == run
    assert run_json.read(tmp_path / "run.json") == run


def test_equal_runs_give_equal_bytes() -> None:
    """The order in which free-form members were put in does not show."""
    one = msgspec.structs.replace(build_run(), environment={"a": "1", "b": "2"})
    other = msgspec.structs.replace(build_run(), environment={"b": "2", "a": "1"})

    assert run_json.encode(one) == run_json.encode(other)


@pytest.mark.parametrize("cases", [0, 1, 14, 60])
def test_every_run_keeps_to_the_published_schema(cases: int) -> None:
    """Other tools read run.json by its schema."""
    document = msgspec.json.decode(run_json.encode(build_run(cases)))

    _schema("run.schema.json").validate(document)


def test_the_schema_refuses_an_unknown_verdict(run: Run) -> None:
    """The schema can fail."""
    document = msgspec.json.decode(run_json.encode(run))
    document["cases"][0]["verdict"] = "fine"

    with pytest.raises(jsonschema.ValidationError, match="fine"):
        _schema("run.schema.json").validate(document)


def test_a_baseline_keeps_to_its_published_schema(baseline: Baseline) -> None:
    """Same for the other file that others read."""
    _schema("baseline.schema.json").validate(msgspec.json.decode(encode_baseline(baseline)))


def test_the_published_schemas_are_those_of_the_models() -> None:
    """`make schemas` writes them anew."""
    assert schemas.stale(SCHEMAS) == []


def test_a_stale_schema_is_named(tmp_path: Path) -> None:
    """One byte is enough, and so is a file that is missing."""
    schemas.write(tmp_path)
    (tmp_path / "run.schema.json").write_bytes(b"{}")
    (tmp_path / "baseline.schema.json").unlink()

    assert schemas.stale(tmp_path) == ["run.schema.json", "baseline.schema.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not a run"),
        (b'{"run_id": "x"}', "not a run"),
        (None, "No such file"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    """People see the path and the reason."""
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)

    with pytest.raises(UnreadableRunError, match=message) as caught:
        run_json.read(tmp_path)

    assert "run.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_of_another_model_is_refused(run: Run, tmp_path: Path) -> None:
    """A member that means something else is worse than no report."""
    other = msgspec.structs.replace(run, schema_version="2.0")
    (tmp_path / "run.json").write_bytes(run_json.encode(other))

    with pytest.raises(UnreadableRunError, match=r"version 2\.0"):
        run_json.read(tmp_path)


def test_every_format_is_written(run: Run, context: Context, tmp_path: Path) -> None:
    """One file a format, whole, and nothing beside them."""
    written = formats.write_all(run, tmp_path, context=context)

    names = {"run.json", "report.md", "report.html", "junit.xml", "ctrf.json"}
    assert {path.name for path in written.values()} == names
    assert {path.name for path in tmp_path.iterdir()} == names


def test_an_unknown_format_writes_nothing(run: Run, context: Context, tmp_path: Path) -> None:
    """The names are checked before the first file."""
    with pytest.raises(UnknownFormatError, match=r"'pdf'.*json"):
        formats.write_all(run, tmp_path, names=["json", "pdf"], context=context)

    assert list(tmp_path.iterdir()) == []
