"""The command that runs a case again, against the same target, from anywhere, in any shell."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from caas_conformance.wire import credentials


def options(
    *,
    suite: str,
    target: Path | None,
    urls: Sequence[str],
    otlp_listen: str | None,
    telemetry: bool | None,
) -> str:
    """Return what follows `--case ID`: every option that chose the suite and found the target.

    Credentials in a URL are left to a variable of the shell: `NAME_USERINFO` for a service NAME.
    """
    words = ["--suite", quote(suite)] if suite else []
    if target is not None:
        words += ["--target", quote(str(target.absolute()))]
    for pair in urls:
        words += ["--url", _pair(pair)]
    if otlp_listen:
        words += ["--otlp-listen", quote(otlp_listen)]
    if telemetry is not None:
        words.append("--telemetry" if telemetry else "--no-telemetry")
    return "".join(f" {word}" for word in words)


def _pair(pair: str) -> str:
    name, _, url = pair.partition("=")
    plain, userinfo = credentials.parted(url)
    if not userinfo:
        return quote(pair)
    scheme, _, rest = plain.partition("://")
    return f'{quote(f"{name}={scheme}://")}"${credentials.variable(name)}"{quote(f"@{rest}")}'
