"""Command lines of the servers that a benchmark starts beside the stack."""

import sys


def service_command(app: str, port: int) -> list[str]:
    """Return how a container would run the service or application that *app* makes."""
    return [
        *(sys.executable, "-m", "granian", app, "--interface", "asgi", "--loop", "uvloop"),
        *("--factory", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)),
        *("--http", "1", "--no-ws", "--log-level", "error"),
    ]


def plain_command(app: str, port: int) -> list[str]:
    """Return the leanest server of this environment for what is no service: RSGI on granian."""
    return [
        *(sys.executable, "-m", "granian", app, "--interface", "rsgi", "--loop", "uvloop"),
        *("--workers", "1", "--host", "127.0.0.1", "--port", str(port)),
        *("--no-ws", "--log-level", "warning"),
    ]
