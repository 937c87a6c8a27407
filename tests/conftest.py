"""Fixtures every test may use, and the account of what a run left out.

The servers are real: one MongoDB and one Valkey for each test process, started on first use and
thrown away at its end. Tests share them, so each takes its own database name or key prefix.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

from caas.kernel.ids import new_id
from caas.stack.servers.embedded import EmbeddedMongo, EmbeddedRedis
from caas.stack.servers.embedded import free_port as find_free_port
from caas.testing.patience import PATIENCE_S

# Speed is measured by `make bench`: an example that met a busy machine is no counter-example.
# The same examples each time: a red run is then the change's doing. `HYPOTHESIS_RANDOM=1` looks
# for new ones.
settings.register_profile(
    "patient",
    deadline=None,
    derandomize="HYPOTHESIS_RANDOM" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")

# A marked group runs when its program is on PATH: marker -> program, how to get it.
PROGRAMS = {
    "browser": ("chromium", "Chromium is not on PATH (on Debian: apt-get install chromium)"),
    "node": ("node", "Node.js is not on PATH (version 20 or newer)"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the groups whose program is missing."""
    for marker, (program, reason) in PROGRAMS.items():
        if shutil.which(program) is None:
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=f"{marker}: {reason}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every group that was left out and why, so that green is not taken for complete."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    terminalreporter.section("left out")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} tests left out: {reason}")
    if not reasons:
        terminalreporter.write_line("nothing: every group ran")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio only."""
    return "asyncio"


@pytest.fixture(scope="session")
def server_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the servers' files a home outside any test's own directory."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def mongodb_url(server_dir: Path) -> Iterator[str]:
    """Give the URL of a MongoDB replica set of one: `MONGODB_URI`, else an embedded one.

    Who uses it waits for a busy machine; tests of outages use servers and URLs of their own.
    """
    if given := os.environ.get("MONGODB_URI"):
        yield _patient(given)
        return
    server = EmbeddedMongo(server_dir / "mongodb", server_dir / "logs")
    server.start()
    yield _patient(server.url)
    server.kill()


def _patient(mongodb_url: str) -> str:
    limits = ("connect", "serverSelection", "socket", "waitQueue")
    options = "&".join(f"{limit}TimeoutMS={PATIENCE_S * 1000:.0f}" for limit in limits)
    parts = urlsplit(mongodb_url)
    return f"{mongodb_url}{'&' if parts.query else '?' if parts.path else '/?'}{options}"


@pytest.fixture(scope="session")
def redis_url(server_dir: Path) -> Iterator[str]:
    """Give the URL of a Valkey or Redis server: `REDIS_URL`, else an embedded one."""
    if given := os.environ.get("REDIS_URL"):
        yield given
        return
    server = EmbeddedRedis(server_dir / "redis", server_dir / "logs")
    server.start()
    yield server.url
    server.kill()


@pytest.fixture
def database() -> str:
    """Give a database name that no other test uses; also good as a key prefix."""
    return f"test_{new_id().replace('-', '')[:16]}"


@pytest.fixture
def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that was free a moment ago."""
    return find_free_port()
