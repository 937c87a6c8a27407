"""The suite as the runner finds it, and how a platform is started for it."""

import os
import sys
from importlib.resources import files
from pathlib import Path

from caas_conformance.authoring import AccessLine, Launch, Suite
from caas_conformance.suites import caas
from caas_conformance.suites.caas.context import ALLOWED_ORIGIN, SECRET_VARIABLE, CaasContext
from caas_conformance.suites.caas.contract import CONTRACT
from caas_conformance.suites.caas.fixtures import AUTH_SERVICE, GATEWAY

REACHABLE = {
    "CAAS_CORS_ORIGINS": ALLOWED_ORIGIN,
    "CAAS_GATEWAY_RATE_WINDOW_S": "10",
    "CAAS_GATEWAY_LIMIT_FREE_REQUESTS": "60",
    # A run registers and signs in over a thousand times: at full cost that is most of its time.
    "CAAS_AUTH_ARGON2_MEMORY_KIB": "1024",
    "CAAS_AUTH_ARGON2_PASSES": "1",
}
"""Settings with which each rule can be seen to grant and to refuse, and each limit to end."""


def _up(state_dir: Path) -> list[str]:
    """Return the command line that is all the runner knows of the platform.

    The kernel ends it when the runner ends, however that happens, so that not even a killed run
    leaves a platform behind.
    """
    return [
        sys.executable, "-m", "caas.stack.tied_exec", str(os.getpid()),
        sys.executable, "-m", "caas.cli", "up", "--profile", "caas", "--ports", "auto",
        "--instances", "2", "--ephemeral", "--json", "--state-dir", str(state_dir),
    ]  # fmt: skip


SUITE = Suite(
    name="caas",
    title="the CAAS platform",
    phases="caas_conformance.suites.caas.phases",
    requirements=files(caas) / "requirements.toml",
    proofs=files(caas) / "proofs.toml",
    context=CaasContext,
    services=(AUTH_SERVICE, GATEWAY),
    secrets={SECRET_VARIABLE: "service_secret"},
    health="/internal/health",
    document="/documentation/json",
    contract=CONTRACT,
    markers="/health",
    access=AccessLine(message="request", method="method", path="path", status="status"),
    launch=Launch(command=_up, environ=REACHABLE),
)
