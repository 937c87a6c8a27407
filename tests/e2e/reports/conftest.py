"""Chromium, driven over its DevTools protocol, and pages to open in it."""

import base64
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
import websocket

from caas.testing.patience import PATIENCE_S
from caas_reports.comparison.compare import with_run
from caas_reports.comparison.context import Context
from caas_reports.comparison.history import PastRun
from caas_reports.comparison.seed_import import import_report
from caas_reports.formats import html
from caas_reports.model import Run, Verdict
from caas_reports.page import payload
from caas_reports.testing import build_run, kept_beside

POLL_S = 0.02
EXCERPT = Path(__file__).parents[2] / "unit" / "reports" / "data" / "seed_excerpt.txt"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-port=0", "--remote-allow-origins=*", "--window-size=1280,900",
)  # fmt: skip


class Browser:
    """One tab. Every request it makes and every complaint it prints is kept."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=PATIENCE_S)
        self._number = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        # Without it a headless tab gives no element the focus.
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and wait for its answer."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(msgspec.json.encode(command).decode())
        while True:
            message = msgspec.json.decode(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._keep(message)

    def _keep(self, event: dict[str, Any]) -> None:
        kind, details = event["method"], event["params"]
        if kind == "Network.requestWillBeSent":
            self.requests.append(details["request"]["url"])
        elif kind == "Runtime.exceptionThrown":
            self.complaints.append(str(details["exceptionDetails"]))
        elif kind == "Runtime.consoleAPICalled" and details["type"] in {"error", "warning"}:
            self.complaints.append(str(details["args"]))
        elif kind == "Log.entryAdded" and details["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(details["entry"]["text"])

    def evaluate(self, expression: str) -> Any:
        """Give the value of an expression in the page."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true in the page; give its value."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(POLL_S)
        raise AssertionError(f"never true: {expression}")

    def open(self, page: Path, address: str = "") -> None:
        """Open a page at an address, from scratch, and wait until it is ready."""
        self.call("Page.navigate", url="about:blank")
        self.wait("location.href === 'about:blank'")
        self.requests.clear()
        self.call("Page.navigate", url=page.as_uri() + address)
        self.wait("document.documentElement?.dataset.ready === 'true'")

    def press(self, key: str, code: str = "") -> None:
        """Press and let go of a key."""
        text = key if len(key) == 1 else ""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=code or key,
                text=text if kind == "keyDown" else "",
            )  # fmt: skip

    def write(self, text: str) -> None:
        """Type a text into whatever has the focus."""
        self.call("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        """Give the visible text of an element."""
        found = self.evaluate(f"document.querySelector({selector!r})?.innerText ?? ''")
        assert isinstance(found, str)
        return found

    def texts(self, selector: str) -> list[str]:
        """Give the texts of all elements that a selector finds."""
        script = f"[...document.querySelectorAll({selector!r})].map((e) => e.textContent)"
        found = self.evaluate(script)
        assert isinstance(found, list)
        return found

    def click(self, selector: str) -> None:
        """Click an element."""
        self.evaluate(f"document.querySelector({selector!r}).click()")

    def picture(self) -> bytes:
        """Take a screenshot."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _debugger(profile: Path) -> str:
    """Wait for Chromium to say where it listens; give the address of its tab."""
    told = profile / "DevToolsActivePort"
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if told.is_file() and len(lines := told.read_text().splitlines()) > 1:
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json") as answer:
                tabs = msgspec.json.decode(answer.read())
            pages = [tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"]
            if pages:
                return str(pages[0])
        time.sleep(POLL_S)
    raise AssertionError("Chromium never said where it listens")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chromium of this module's own."""
    program = shutil.which("chromium")
    assert program is not None
    profile = tmp_path_factory.mktemp("chromium")
    process = subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _debugger(profile)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    """A tab that must not complain and must not ask for anything but the page."""
    found = Browser(chromium)
    yield found
    complaints, asked = found.complaints, found.requests
    found.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "about:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1


def _page(directory: Path, run: Run, context: Context) -> Path:
    stream = BytesIO()
    html.write(run, stream, context)
    path = directory / "report.html"
    path.write_bytes(stream.getvalue())
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every verdict, beside the small baseline and another run."""
    baseline = import_report(EXCERPT.read_bytes(), name="made-up", source=EXCERPT.name)
    run = build_run()
    other = with_run(build_run(12, run_id="the-run-before"), run)
    earlier = PastRun(
        run_id="earlier", verdict=Verdict.FAILED, started_at="2026-03-01T09:15:00.000Z",
        duration_ms=1.0, verdicts={"S08.01": Verdict.PASSED, "S11.02": Verdict.FAILED},
    )  # fmt: skip
    context = Context(baseline=baseline, other=other, history=(earlier,))
    return _page(tmp_path_factory.mktemp("page"), run, context)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pages of a run that keeps its evidence beside itself: with all of it, and with an eighth."""
    folder = tmp_path_factory.mktemp("beside")
    run = build_run()
    case = next(case for case in run.cases if case.id == "S02.02")
    passed = [msgspec.structs.replace(case.attempts[-1], number=n) for n in range(1, 31)]
    many = msgspec.structs.replace(case, id="S02.99", attempts=tuple(passed), flaky=False)
    run = msgspec.structs.replace(run, cases=(*run.cases, many))
    run = kept_beside(run, folder, member_bytes=20_000)
    context = Context.beside(folder, run)
    (folder / "small").mkdir()
    whole = _page(folder, run, context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "EMBEDDED_BYTES_MAX", run.evidence.bytes // 8)
        return whole, _page(folder / "small", run, context)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a thousand cases, each with as much evidence as real ones have."""
    return _page(tmp_path_factory.mktemp("thousand"), build_run(1000, bulk=8), Context())


HOSTILE = "</script><img src=x onerror=\"window.hacked='yes'\"><b>\"'`"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with markup in every field that a service can fill."""
    return _page(tmp_path_factory.mktemp("hostile"), build_run(hostile=HOSTILE), Context())
