"""The HTML page as bytes: its data, its policy, and that nothing in it is markup of a service."""

import base64
import hashlib
import re
from collections.abc import Callable
from gzip import decompress as gunzip
from html.parser import HTMLParser
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from caas_reports import formats
from caas_reports.comparison import history
from caas_reports.comparison.compare import with_run
from caas_reports.comparison.context import Context
from caas_reports.comparison.history import PastRun, Streak
from caas_reports.formats import html
from caas_reports.model import Run, Verdict
from caas_reports.page import payload
from caas_reports.page.payload import blocks, unpack
from caas_reports.testing import build_run, kept_beside

HOSTILE = "</script></style><img src=x onerror=alert(1)>\"'`{{7*7}}<!--\u2028]]>"
THOUSAND_CASES_MAX_BYTES = 10 * 1000 * 1000


def _written(run: Run, context: Context) -> bytes:
    stream = BytesIO()
    html.write(run, stream, context)
    return stream.getvalue()


class _Page(HTMLParser):
    """Collects the elements of a page and the texts of its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  (the parser's signature)
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.texts:
            self.texts[self._inside].append(data)


def _parsed(content: bytes) -> _Page:
    page = _Page()
    page.feed(content.decode())
    return page


def test_what_the_page_carries_is_as_committed(
    run: Run, context: Context, golden: Callable[[str, bytes], None]
) -> None:
    """The data, unpacked: packed bytes may differ between builds of zlib."""
    found = _unpacked(run, context)

    golden("page.json", msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def test_equal_runs_give_equal_pages(context: Context) -> None:
    """No time of day, no random id."""
    assert _written(build_run(), context) == _written(build_run(), context)


def _shown(found: dict[str, Any], place: list[Any]) -> dict[str, Any] | None:
    """Follow a place of the index as the page does."""
    _, _, block, slot = place
    if not block:
        return None
    attempt: dict[str, Any] = found[block][slot]
    return attempt["attempt"] if block.startswith("kept-") else attempt


def _unpacked(run: Run, context: Context) -> dict[str, Any]:
    return {
        name: [msgspec.json.decode(line) for line in gunzip(base64.b64decode(text)).splitlines()]
        if name.startswith("kept-")
        else unpack(text)
        for name, text in blocks(run, context)
    }


def test_every_attempt_finds_its_evidence(context: Context) -> None:
    """Block and slot of the index lead to that attempt, and no other."""
    run = build_run(60)
    found = _unpacked(run, context)

    for case, shown in zip(run.cases, found["index"]["cases"], strict=True):
        attempts = [_shown(found, place) for place in shown["places"]]
        assert attempts == msgspec.json.decode(msgspec.json.encode(case.attempts))


def test_evidence_beside_the_run_is_found_as_well(tmp_path: Path) -> None:
    """In many members; what failed is in the run itself."""
    run = build_run(60)
    brief = kept_beside(run, tmp_path, member_bytes=20_000)
    context = Context.beside(tmp_path, brief)
    found = _unpacked(brief, context)

    assert len(brief.evidence.members) > 5
    for case, shown in zip(run.cases, found["index"]["cases"], strict=True):
        attempts = [_shown(found, place) for place in shown["places"]]
        assert attempts == msgspec.json.decode(msgspec.json.encode(case.attempts))
    whole = _unpacked(run, Context.beside(tmp_path.parent, run))["index"]
    for part in ("slowest", "causes", "matrix"):
        assert found["index"][part] == whole[part]


def test_a_page_too_big_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out has a place without a block, and `full` leaves nothing out."""
    brief = kept_beside(build_run(60), tmp_path, member_bytes=20_000)
    context = Context.beside(tmp_path, brief)
    monkeypatch.setattr(payload, "EMBEDDED_BYTES_MAX", brief.evidence.bytes // 2)

    def left_out(context: Context) -> int:
        found = _unpacked(brief, context)
        places = [place for case in found["index"]["cases"] for place in case["places"]]
        return sum(_shown(found, place) is None for place in places)

    assert 0 < left_out(context) < 60
    assert left_out(msgspec.structs.replace(context, full=True)) == 0


def test_nothing_of_a_service_becomes_markup(context: Context) -> None:
    """The same elements with and without hostile text in every field."""
    clean = _parsed(_written(build_run(), context))
    hostile_page = _written(build_run(hostile=HOSTILE), context)
    hostile = _parsed(hostile_page)

    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in clean.elements]
    assert b"onerror" not in hostile_page.replace(b"onerror=alert(1)&gt;", b"")
    assert HOSTILE.encode() not in hostile_page


def test_the_policy_allows_this_script_and_this_style_alone(run: Run, context: Context) -> None:
    """No request can leave the page, and no other script runs."""
    page = _parsed(_written(run, context))
    policy = next(
        str(attributes["content"])
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    programs = page.texts["script"][-1:] + page.texts["style"]
    digests = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in programs]

    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests[0]}'; style-src 'sha256-{digests[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_the_page_asks_for_nothing(run: Run, context: Context) -> None:
    """No element with an address of its own, no attribute that runs."""
    page = _parsed(_written(run, context))

    for tag, attributes in page.elements:
        assert "src" not in attributes, tag
        assert tag not in {"link", "iframe", "object", "embed"}
        assert str(attributes.get("href", "#")).startswith("#")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def _sources() -> list[tuple[str, str]]:
    folder = resources.files("caas_reports.page") / "script"
    return [(entry.name, entry.read_text("utf-8")) for entry in folder.iterdir()]


@pytest.mark.parametrize(("name", "source"), _sources())
def test_scripts_make_text_nodes_only(name: str, source: str) -> None:
    """What parses text as HTML or code, or fetches, is not there to be misused."""
    banned = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|"
        r"DOMParser|\beval\b|\bFunction\(|fetch\(|XMLHttpRequest|WebSocket|import\(|</script"
    )

    assert not re.search(banned, source), name


def test_a_thousand_cases_stay_small(context: Context) -> None:
    """The page is sent by mail and opened on phones."""
    assert len(_written(build_run(1000, bulk=8), context)) < THOUSAND_CASES_MAX_BYTES


def _index(content: bytes) -> dict[str, Any]:
    packed = re.search(rb'id="index">([^<]+)<', content)
    assert packed is not None
    index: dict[str, Any] = unpack(packed[1].decode())
    return index


def test_the_runs_before_are_its_history(context: Context, tmp_path: Path) -> None:
    """The trend line has what lies beside the run, oldest first, and not the run itself."""
    names = ["20310101-000000-a", "20310102-000000-b", "20310103-000000-c"]
    for day, name in enumerate(names, start=1):
        (tmp_path / name).mkdir()
        one = msgspec.structs.replace(
            build_run(run_id=name), started_at=f"2031-01-{day:02d}T00:00:00.000Z"
        )
        formats.write_all(one, tmp_path / name, names=["json"], context=context)
    (tmp_path / "latest").symlink_to(tmp_path / names[-1])
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")

    assert [past.run_id for past in history.read(tmp_path, suite="caas")] == names
    assert history.read(tmp_path, suite="another") == ()
    before = history.read(tmp_path, suite="caas", before=names[1])
    assert [past.run_id for past in before] == names[:1]
    assert before[0].counts == build_run().counts

    index = _index(_written(build_run(), Context(history=before)))
    assert [past["run_id"] for past in index["history"]] == names[:1]


def _past(day: int, **verdicts: Verdict) -> PastRun:
    return PastRun(
        run_id=f"r{day}", verdict=Verdict.FAILED, started_at=f"2031-01-{day:02d}",
        duration_ms=1.0, verdicts=dict(verdicts),
    )  # fmt: skip


P, F, S = Verdict.PASSED, Verdict.FAILED, Verdict.SKIPPED


@pytest.mark.parametrize(
    ("before", "streak"),
    [
        ([], None),
        ([_past(1, other=F)], None),
        ([_past(1, case=F), _past(2, case=P)], Streak(runs=0, since="2031-01-02")),
        ([_past(1, case=P), _past(2, case=F)], Streak(runs=1, since="2031-01-02")),
        ([_past(1, case=F), _past(2, case=F)], Streak(runs=2, since="2031-01-01")),
        ([_past(1, case=P), _past(2, other=F)], Streak(runs=0, since="2031-01-01")),
        (
            [_past(1, case=P), _past(2, case=F), _past(3, case=S)],
            Streak(runs=1, since="2031-01-02"),
        ),
        ([_past(1, case=F), _past(2, case=Verdict.WARNING)], Streak(runs=0, since="2031-01-02")),
    ],
)
def test_a_red_case_is_new_or_known(before: list[PastRun], streak: Streak | None) -> None:
    """A run that left the case out, or skipped it, says nothing about it."""
    assert history.streak("case", before) == streak


def test_the_verdicts_before_are_those_of_the_cases(context: Context, tmp_path: Path) -> None:
    """They come from the small file; a broken one costs no report."""
    for name in ("20310101-000000-a", "20310102-000000-b"):
        (tmp_path / name).mkdir()
        formats.write_all(build_run(run_id=name), tmp_path / name, names=["json", "ctrf"],
                          context=context)  # fmt: skip
    (tmp_path / "20310102-000000-b" / "ctrf.json").write_text("{")

    one, other = history.read(tmp_path, suite="caas")
    assert one.verdicts == {case.id: case.verdict for case in build_run().cases}
    assert other.verdicts == {}

    index = _index(_written(build_run(), Context(history=(one,))))
    red = {case["id"]: case["before"] for case in index["cases"] if case.get("before")}
    assert set(red) == {"S05.02", "S08.01", "S11.02", "T04.02"}
    assert red["S08.01"] == {"runs": 1, "since": one.started_at}
    assert "verdicts" not in index["history"][0]


def test_a_run_written_by_another_tool_has_its_place_too(tmp_path: Path) -> None:
    """The short way through our own layout is not the only one."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run.json").write_bytes(msgspec.json.encode(build_run(run_id="one")))

    assert [past.counts for past in history.read(tmp_path, suite="caas")] == [build_run().counts]


def test_beside_another_run_the_page_opens_on_the_comparison(run: Run) -> None:
    """`caas report compare A B` writes the same page with another first view."""
    other = with_run(build_run(10, run_id="before"), run)
    content = _written(run, Context(other=other))

    assert b'data-start="#/comparison"' in content
    assert _index(content)["other"]["before"] == "before"


def test_no_name_is_given_twice() -> None:
    """The scripts share one scope: a second function of a name would replace the first."""
    files = (resources.files("caas_reports.page") / "script").iterdir()
    text = "\n".join(file.read_text("utf-8") for file in files if file.name.endswith(".js"))
    names = re.findall(r"^(?:async )?(?:function|const|let|class) (\w+)", text, re.MULTILINE)

    assert len(names) > 100
    assert [name for name in set(names) if names.count(name) > 1] == []
