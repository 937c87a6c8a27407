"""Find the phases: every module below `caas_conformance.suites.caas.phases` that binds `PHASE`."""

import importlib
import pkgutil
from types import ModuleType

from caas_conformance.authoring.definition import Phase
from caas_conformance.errors import AuthoringError
from caas_conformance.suites.caas import phases as phases_package


def discover(package: ModuleType = phases_package) -> list[Phase]:
    """Import every phase module and return the phases in the order of their ids.

    Raises:
        AuthoringError: a module can't be imported, or two phases share an id.
    """
    found: dict[str, Phase] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        try:
            module = importlib.import_module(info.name)
        except AuthoringError:
            raise
        except Exception as error:
            raise AuthoringError(f"{info.name} can't be imported: {error!r}") from error
        phase = getattr(module, "PHASE", None)
        if phase is None:
            continue
        if not isinstance(phase, Phase):
            raise AuthoringError(f"{info.name}.PHASE is no Phase")
        if found.setdefault(phase.id, phase) is not phase:
            raise AuthoringError(f"{info.name}: phase {phase.id} is declared twice")
    return [found[phase_id] for phase_id in sorted(found)]
