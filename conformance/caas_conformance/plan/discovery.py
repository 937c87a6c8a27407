"""Find the phases of a suite: every module below its `phases` that binds `PHASE`."""

import importlib
import pkgutil
from types import ModuleType

from caas_conformance.authoring.definition import Phase
from caas_conformance.errors import AuthoringError


def discover(package_name: str) -> list[Phase]:
    """Import every module of a package and return its phases in the order of their ids.

    Raises:
        AuthoringError: a module can't be imported, or two phases share an id.
    """
    package = _imported(package_name)
    found: dict[str, Phase] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = _imported(info.name)
        phase = getattr(module, "PHASE", None)
        if phase is None:
            continue
        if not isinstance(phase, Phase):
            raise AuthoringError(f"{info.name}.PHASE is no Phase")
        if found.setdefault(phase.id, phase) is not phase:
            raise AuthoringError(f"{info.name}: phase {phase.id} is declared twice")
    return [found[phase_id] for phase_id in sorted(found)]


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except AuthoringError:
        raise
    except Exception as error:
        raise AuthoringError(f"{name} can't be imported: {error!r}") from error
