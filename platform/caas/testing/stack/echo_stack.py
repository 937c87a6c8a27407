"""`python -m caas.testing.stack.echo_stack up`: `caas` with two echo services for the real ones.

`CAAS_ECHO_NEEDS` names the data servers they say they need (`mongodb redis`),
`CAAS_ECHO_SEED_PORT` the first of their documented ports.
"""

import os

import msgspec

from caas.cli.main import main as caas
from caas.contracts.services import ServiceSpec
from caas.stack.console import front
from caas.testing.stack.echo_service import FRONT, INNER


def echo_services(profile: str) -> list[ServiceSpec]:  # noqa: ARG001  # both are in all
    """Return the two services, as the environment wants them."""
    needs = tuple(os.environ.get("CAAS_ECHO_NEEDS", "").split())
    first = int(os.environ.get("CAAS_ECHO_SEED_PORT", INNER.seed_port))
    return [
        msgspec.structs.replace(spec, needs=needs, seed_port=first + index)
        for index, spec in enumerate((INNER, FRONT))
    ]


def main() -> None:
    """Run the command line over the echo services."""
    front.find_services = echo_services  # type: ignore[attr-defined]
    caas()


if __name__ == "__main__":
    main()
