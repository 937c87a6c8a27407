"""One round of HTTP load on one server, as a sample."""

from pathlib import Path

from caas_load.measuring.generator import drive
from caas_load.measuring.processes import Server
from caas_load.measuring.rounds import Sample


def sample(server: Server, path: str, requests: Path, *, seconds: float) -> Sample:
    """Drive *path* of *server* and count the CPU that its processes used for it."""
    before = server.cpu_s()
    load = drive(server.url + path, requests, seconds=seconds)
    used = server.cpu_s() - before
    return Sample(rate=load.rate, cpu_us=used / load.requests * 1e6, p99_ms=load.p99_ms)
