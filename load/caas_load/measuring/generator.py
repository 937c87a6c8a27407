"""Drive one URL as hard as it takes, with wrk, and read what wrk saw."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 64


class GeneratorError(RuntimeError):
    """The load could not be made, or the server answered it with errors."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of load saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def require() -> None:
    """Raise `GeneratorError` when there is no load generator on PATH."""
    if shutil.which("wrk") is None:
        raise GeneratorError("the benchmarks need wrk on PATH (on Debian: apt-get install wrk)")


def script(
    directory: Path, method: str, headers: Mapping[str, str], variants: Sequence[Mapping[str, str]]
) -> Path:
    """Write a wrk script that sends the *variants* in turn.

    Args:
        directory: Where the script is written.
        method: HTTP method of every request.
        headers: Headers of every request.
        variants: Each may hold a `body` and headers of its own, so that no server can
            live off one hot token.
    """

    def quoted(text: str) -> str:
        return f"[==[{text}]==]"

    lines = [f"wrk.method = {quoted(method)}"]
    lines += [f"wrk.headers[ {quoted(k)} ] = {quoted(v)}" for k, v in headers.items()]
    lines += ["local requests = {}", "local n = 0", "init = function(args)"]
    for variant in variants:
        own = {k: v for k, v in variant.items() if k != "body"}
        table = ", ".join(f"[ {quoted(k)} ] = {quoted(v)}" for k, v in {**headers, **own}.items())
        body = quoted(variant["body"]) if "body" in variant else "nil"
        lines.append(f"  table.insert(requests, wrk.format(nil, nil, {{{table}}}, {body}))")
    lines += [
        "end",
        "request = function() n = n % #requests + 1; return requests[n] end",
    ]
    path = directory / "requests.lua"
    path.write_text("\n".join(lines) + "\n")
    return path


_UNIT_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def drive(url: str, requests: Path, *, seconds: float) -> Load:
    """Send *requests* to *url* for *seconds* over `CONNECTIONS` connections.

    Raises:
        GeneratorError: any answer was not a 2xx or 3xx, or a connection broke.
    """
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency", "-s"]
    done = subprocess.run(  # noqa: S603 - our own command line
        [*command, str(requests), url], capture_output=True, text=True, check=False
    )
    text = done.stdout
    totals = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", text)
    if done.returncode or done.stderr or totals is None:  # a script that fails is only reported
        raise GeneratorError(f"wrk failed: {done.stderr or text}")
    if "Non-2xx" in text or "Socket errors" in text:
        raise GeneratorError(f"{url} answered with errors: {text}")

    def percentile(name: str) -> float:
        found = re.search(rf"{name}%\s+([\d.]+)(us|ms|s|m)", text)
        return float(found[1]) * _UNIT_MS[found[2]] if found else 0.0

    return Load(
        requests=int(totals[1]),
        seconds=float(totals[2]) * _UNIT_MS[totals[3]] / 1000,
        p50_ms=percentile("50"),
        p99_ms=percentile("99"),
    )
