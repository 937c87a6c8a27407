"""The file that keeps the evidence of a run: whole, torn, and changed."""

import gzip
from pathlib import Path

import msgspec
import pytest

from caas_reports import archive
from caas_reports.archive import Archive, ArchiveWriter
from caas_reports.errors import UnreadableRunError
from caas_reports.model import Attempt, Evidence, Kept, Run
from caas_reports.testing import build_run

MEMBER_BYTES = 20_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file lies."""
    return tmp_path / archive.FILENAME


def attempts_of(run: Run) -> list[tuple[str, Attempt]]:
    """Return every attempt with its case."""
    return [(case.id, attempt) for case in run.cases for attempt in case.attempts]


def written(run: Run, path: Path) -> tuple[Evidence, list[Kept]]:
    """Write every attempt of a run."""
    writer = ArchiveWriter(path, member_bytes=MEMBER_BYTES)
    places = [writer.add(case_id, attempt) for case_id, attempt in attempts_of(run)]
    return writer.close(), places


def test_each_attempt_is_found_by_its_place(path: Path) -> None:
    """In any order, and with nothing lost."""
    run = build_run(60)
    evidence, places = written(run, path)
    reader = Archive(path, evidence)

    assert len(evidence.members) > 5
    for (_, attempt), place in reversed(list(zip(attempts_of(run), places, strict=True))):
        brief = archive.brief(attempt, place)
        assert not brief.exchanges
        assert not brief.spans
        assert not brief.logs
        assert reader.full(brief) == attempt
    lines = [(line.case, line.attempt) for line in reader.everything()]
    assert lines == attempts_of(run)


def test_any_tool_reads_it(path: Path) -> None:
    """It is gzip, and a line is JSON."""
    run = build_run(20)
    written(run, path)

    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert [msgspec.json.decode(line)["case"] for line in lines] == [c for c, _ in attempts_of(run)]


def test_every_line_is_on_disk_before_the_run_goes_on(path: Path) -> None:
    """Killed at any moment, it has all that was added; the torn rest is dropped."""
    writer = ArchiveWriter(path, member_bytes=MEMBER_BYTES)
    for count, (case_id, attempt) in enumerate(attempts_of(build_run(30)), start=1):
        writer.add(case_id, attempt)
        torn = path.with_name("torn.gz")
        torn.write_bytes(path.read_bytes())
        _, found = archive.recovered(torn)
        assert len(found) == count
    writer.close()

    content = path.read_bytes()
    for cut in (1, 400, len(content) // 2):
        path.write_bytes(content[:-cut])
        evidence, found = archive.recovered(path)
        lines = [(line.case, line.attempt) for line in Archive(path, evidence).everything()]
        assert lines == attempts_of(build_run(30))[: len(lines)]
        assert [(c, a) for c, a, _ in found] == lines
        assert lines


def test_what_nobody_wrote_is_nothing(path: Path) -> None:
    """A run without the file shows what it holds itself."""
    attempt = attempts_of(build_run(3))[0][1]
    brief = archive.brief(attempt, Kept(member=0, line=0))

    assert archive.recovered(path) == (Evidence(), [])
    assert Archive(path, Evidence(bytes=9, members=(0,))).full(brief) == brief
    assert archive.NOTHING.full(attempt) == attempt


def test_a_file_of_another_run_is_refused(path: Path) -> None:
    """In one line, as every unreadable run."""
    evidence, _ = written(build_run(30), path)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(UnreadableRunError, match="cut off"):
        list(Archive(path, evidence).everything())
    path.write_bytes(b"x" * evidence.bytes)
    with pytest.raises(UnreadableRunError, match=archive.FILENAME):
        list(Archive(path, evidence).everything())


def test_a_change_keeps_every_place(path: Path) -> None:
    """Longer lines, too; and without one, the file is left alone."""
    run = build_run(60)
    evidence, places = written(run, path)
    before = path.stat().st_ino
    assert archive.rewrite(path, evidence, lambda plain: plain) == evidence
    assert path.stat().st_ino == before

    changed = archive.rewrite(
        path, evidence, lambda plain: plain.replace(b"gateway", b"gateway" * 9)
    )
    reader = Archive(path, changed)
    for (_, attempt), place in zip(attempts_of(run), places, strict=True):
        found = reader.full(archive.brief(attempt, place))
        assert found.number == attempt.number
        assert found.trace_id == attempt.trace_id
        assert ("gateway" * 9 in str(found)) is ("gateway" in str(attempt))


def test_a_brief_says_why_it_failed() -> None:
    """Messages of every format are made of the first failed assertion; the rest is beside."""
    failed = [a for _, a in attempts_of(build_run(60)) if a.verdict == "failed"]

    for attempt in failed:
        brief = archive.brief(attempt, Kept(member=0, line=0))
        for check, whole in zip(brief.checks, attempt.checks, strict=True):
            assert check.assertions == tuple(a for a in whole.assertions if not a.passed)[:1]
    assert failed
