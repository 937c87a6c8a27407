"""A suite that a stranger wrote, of a service that greets."""

import sys
from importlib.resources import files
from pathlib import Path

from caas_conformance.authoring import Launch, Suite
from greeter_suite.context import GREETER, GreeterContext


def _start(state_dir: Path) -> list[str]:
    return [sys.executable, "-m", "greeter_suite.server", str(state_dir)]


SUITE = Suite(
    name="greeter",
    title="a service that greets",
    phases="greeter_suite.phases",
    requirements=files(__name__) / "requirements.toml",
    context=GreeterContext,
    services=(GREETER,),
    health="/alive",
    launch=Launch(command=_start, target_file="greeter.json"),
)
