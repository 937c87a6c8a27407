"""One self-contained HTML file: offline, nothing fetched, safe under a strict policy.

Values from the run reach the page as text only: the shell is autoescaped, and the scripts make
text nodes of what they unpack. See docs/adr/0009-one-file-html-report.md.
"""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import BinaryIO

import jinja2
from markupsafe import Markup

from caas_reports.comparison.context import Context
from caas_reports.model import Run, Verdict
from caas_reports.page.payload import blocks
from caas_reports.wording import counts_line, duration, headline

NAME = "html"
FILENAME = "report.html"


def write(run: Run, stream: BinaryIO, context: Context) -> None:
    """Write the page; it opens on the comparison when the run is set beside another."""
    script, style = _joined("script", ".js"), _joined("style", ".css")
    shell = _template().stream(
        run=run,
        headline=headline(run),
        summary=f"{counts_line(run)} in {duration(run.duration_ms)}",
        start="#/comparison" if context.other else "#/",
        policy=_policy(script, style),
        wanting=[case for case in run.cases if case.verdict is not Verdict.PASSED],
        # Our own files, and base64: nothing of the run.
        script=Markup(script),  # noqa: S704
        style=Markup(style),  # noqa: S704
        data=((name, Markup(content)) for name, content in blocks(run, context)),  # noqa: S704
    )
    shell.enable_buffering(64)
    shell.dump(stream, encoding="utf-8")
    stream.write(b"\n")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    folder = resources.files("caas_reports.page")
    return environment.from_string((folder / "report.html.jinja").read_text("utf-8"))


@cache
def _joined(folder: str, suffix: str) -> str:
    """Join the files of a folder in the order of their names; scripts share one scope."""
    files = [
        entry
        for entry in (resources.files("caas_reports.page") / folder).iterdir()
        if entry.name.endswith(suffix)
    ]
    text = "\n".join(entry.read_text("utf-8") for entry in sorted(files, key=lambda e: e.name))
    return f"(() => {{\n'use strict';\n{text}\n}})();" if suffix == ".js" else text


def _policy(script: str, style: str) -> str:
    """Allow this script, this style, and nothing else: no request can leave the page."""
    return (
        "default-src 'none'; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
