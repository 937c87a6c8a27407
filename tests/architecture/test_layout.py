"""The promises the folder layout makes."""

import ast
import platform
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("platform", "conformance", "observability", "reports", "load")
MODULE_LINES_MAX = 400
ROOM_FILES_MAX = 13


def tracked() -> list[Path]:
    """Return every file git knows, as paths below the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def test_top_level_folders_are_not_packages() -> None:
    """`platform/__init__.py` would shadow the stdlib's `platform`."""
    assert not list(ROOT.glob("*/__init__.py"))
    assert not (ROOT / "platform" / "conftest.py").exists()
    assert not (ROOT / "tests" / "platform").exists()


def test_stdlib_platform_wins_from_the_repo_root() -> None:
    """`python -c` puts the cwd first on sys.path; the stdlib must still win."""
    code = "import platform; print(platform.__file__)"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert out.stdout.strip() == platform.__file__
    assert out.stdout.strip().endswith("platform.py")


def test_no_module_grows_beyond_one_concern() -> None:
    """A module over the cap is split before it is merged."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.suffix == ".py"
        and path.relative_to(ROOT).parts[0] in PACKAGES
        and (lines := len(path.read_text().splitlines())) > MODULE_LINES_MAX
    }

    assert not long


def test_no_room_is_crowded() -> None:
    """Over about a dozen files a folder's name no longer says where a line belongs."""
    files = Counter(
        path.relative_to(ROOT).parent
        for path in tracked()
        if path.suffix == ".py"
        and path.name != "__init__.py"
        and path.relative_to(ROOT).parts[0] in PACKAGES
    )

    assert not {str(room): count for room, count in files.items() if count > ROOM_FILES_MAX}


def test_every_room_says_what_lives_there_and_what_does_not() -> None:
    """The two lines that a newcomer reads first; a package without modules says what it is."""
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.name == "__init__.py"
        and path.relative_to(ROOT).parts[0] in PACKAGES
        and len((ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()) < 3
    ]

    assert not silent


def test_nothing_waits_in_a_way_that_loses_cancellations() -> None:
    """`asyncio.wait_for` of Python 3.11 does (gh-86296); `asyncio.timeout` and `wait` don't."""
    waiting = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py"
        and path.relative_to(ROOT).parts[0] in PACKAGES
        and path.relative_to(ROOT).parts[:3] != ("platform", "caas", "testing")
        and "asyncio.wait_for(" in path.read_text()
    ]

    assert not waiting


def test_no_committed_file_names_a_registry_host() -> None:
    """A lock that names a host works only where that host is reached."""
    hosts = re.compile(r"pypi\.[o]rg|python[h]osted\.org|registry\.[n]pmjs|deb\.[d]ebian")
    naming = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix not in {".png", ".ico"} and hosts.search(path.read_text(errors="replace"))
    ]

    assert not naming


def test_nothing_is_hidden_in_a_drawer_called_utils() -> None:
    """Names say what a module holds."""
    drawers = {"utils", "helpers", "common", "misc", "manager", "managers"}
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix == ".py" and drawers & {path.stem, *path.relative_to(ROOT).parts}
    ]

    assert not found
