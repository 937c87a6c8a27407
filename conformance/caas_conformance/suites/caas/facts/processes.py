"""Takes away what the platform depends on, on a platform that the runner has started itself."""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from caas_conformance.laws.wide.facts import Death, Outage
from caas_conformance.suites.caas.context import CaasContext

SYNCED_S = 1.2
"""Valkey writes its log to disk each second: what was acknowledged earlier is kept."""


@asynccontextmanager
async def _valkey_stands_still(t: CaasContext) -> AsyncIterator[None]:
    """Connections stay, and nothing is answered."""
    pid = t.insides.stack()["servers"]["redis"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def _mongodb_is_gone(t: CaasContext) -> AsyncIterator[None]:
    """Connections are refused, as long as whoever would start it again stands still."""
    stack = t.insides.stack()
    os.kill(stack["pid"], signal.SIGSTOP)
    try:
        os.kill(stack["servers"]["mongodb"]["pid"], signal.SIGKILL)
        yield
    finally:
        os.kill(stack["pid"], signal.SIGCONT)


def _service_killed(service: str) -> Callable[[CaasContext], Awaitable[None]]:
    async def kill(t: CaasContext) -> None:
        """End one of its instances at once."""
        for name, entry in t.insides.stack()["services"].items():
            if entry["service"] == service:
                t.ends_process(name)
                os.kill(entry["pid"], signal.SIGKILL)
                return

    return kill


async def _valkey_killed(t: CaasContext) -> None:
    os.kill(t.insides.stack()["servers"]["redis"]["pid"], signal.SIGKILL)


OUTAGES = (
    Outage(number="A11", what="Valkey", away=_valkey_stands_still),
    Outage(number="A12", what="MongoDB", away=_mongodb_is_gone),
)

DEATHS = (
    Death(number="A21", what="an auth service", kill=_service_killed("auth-service")),
    Death(number="G21", what="a gateway", kill=_service_killed("gateway")),
    Death(number="A22", what="Valkey", kill=_valkey_killed, acknowledged_s=SYNCED_S),
)
