"""What a platform says can't steer a terminal, nor what is written about it."""

import io
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from rich.text import Text

from caas_conformance.cli import presentation
from caas_reports.comparison.context import Context
from caas_reports.formats import available
from caas_reports.plain import ascii_only, plain
from caas_reports.terminal import Terminal, echo
from caas_reports.testing import build_run

CONTROLS = (
    "\x00\x07\x08\x0b\x1b\x7f\x80\x9b\x9f\xad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e"
    "\u2066\u2069\ufeff\ufffe\uffff\ud800\U000e0041"
)
HOSTILE = f"\x1b[2J\x1b[1;31mPWNED\x1b[0m\x07{CONTROLS}\u009b31m\r\x1b]8;;http://x\x07"


def raw_controls(text: str) -> set[str]:
    """Return what could steer whoever shows the text."""
    dangerous = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {c for c in text if unicodedata.category(c) in dangerous} - set("\n\t\u200c\u200d")


def test_controls_are_shown_as_json_shows_them() -> None:
    """And nothing else is changed."""
    other = "naïve ☃ 😀 سلام \u200c\u200d\n\tline"

    assert raw_controls(plain(HOSTILE)) == set()
    assert plain("a\x1bb\u202ec\U000e0041") == "a\\u001bb\\u202ec\\udb40\\udc41"
    assert plain(other) == other
    assert plain("two\r\nlines") == "two\nlines"


def test_json_means_the_same_afterwards() -> None:
    """`--json` may be shown on a terminal, too."""
    text = HOSTILE.replace("\ud800", "")
    document = msgspec.json.encode({"reason": text + "é😀"}).decode()
    for shown in (plain(document), ascii_only(document)):
        assert msgspec.json.decode(shown) == {"reason": text + "é😀"}


@pytest.mark.parametrize("name", ["markdown", "junit"])
def test_files_that_terminals_show_hold_no_control(name: str, context: Context) -> None:
    """In no member of a run."""
    stream = io.BytesIO()
    available()[name].write(build_run(14, hostile=HOSTILE), stream, context)
    text = stream.getvalue().decode()

    assert "PWNED" in text
    assert raw_controls(text) == set()
    if name == "junit":
        ET.fromstring(text)  # noqa: S314 - ours


@pytest.mark.parametrize("show", [presentation.print_summary])
def test_a_summary_shows_no_control(
    show: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a terminal only our own colours reach it."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    show(Terminal(), build_run(14, hostile=HOSTILE), tmp_path)

    assert "PWNED" in stream.getvalue()
    assert raw_controls(stream.getvalue()) == set()


def test_a_line_shows_no_control(capsys: pytest.CaptureFixture[str]) -> None:
    """What went wrong may quote what the platform said."""
    echo(HOSTILE, err=True)

    assert raw_controls(capsys.readouterr().err) == set()


def test_colours_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours are no text."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    Terminal(force_terminal=True, color_system="standard").print(
        Text("x\x1b[32my", "red"), highlight=False
    )

    assert stream.getvalue().startswith("\x1b[31mx\\u001b[32my\x1b[0m")


def test_a_service_s_name_makes_no_heading(context: Context) -> None:
    """Names come from telemetry, and anybody may send that."""
    stream = io.BytesIO()
    run = build_run(14, hostile="x\n# h <img>")
    available()["markdown"].write(run, stream, context)
    outside, fence = [], ""
    for line in stream.getvalue().decode().splitlines():
        mark = re.match("`{3,}", line)
        if mark and (not fence or line == fence):
            fence = "" if fence else mark[0]
        elif not fence:
            outside.append(line)

    assert fence == ""
    assert [line for line in outside if line.startswith("# ")] == ["# CAAS conformance report"]
    assert not [line for line in outside if "<img" in line and "`" not in line]
