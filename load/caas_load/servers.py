"""Command lines of the servers that a benchmark starts beside the stack."""

import sys


def service_command(app: str, port: int, *, interface: str = "asgi") -> list[str]:
    """Return how a container would run *app*: the granian command line, one worker."""
    factory = ["--factory"] if interface == "asgi" else []
    return [
        sys.executable,
        "-m",
        "granian",
        app,
        "--interface",
        interface,
        "--loop",
        "uvloop",
        "--workers",
        "1",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ws",
        "--log-level",
        "warning",
        *factory,
    ]
