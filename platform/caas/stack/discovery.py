"""Which services there are: every package of `caas` whose `settings` declares a `SERVICE`."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from importlib import util
from typing import Any

import caas
from caas.contracts.services import ServiceSpec
from caas.stack.errors import StackError


def find_services(profile: str) -> list[ServiceSpec]:
    """Return the services of *profile*, by seed port.

    Raises:
        StackError: A service's settings can't be imported, or nothing is in the profile.
    """
    declared = [spec for name in _package_names() if (spec := _declared(name)) is not None]
    chosen = [spec for spec in declared if profile in spec.profiles]
    if not chosen:
        raise StackError(f"no service belongs to the profile {profile!r}")
    return sorted(chosen, key=lambda spec: (spec.seed_port, spec.name))


def load_app(spec: ServiceSpec) -> Callable[[], Any]:
    """Import a service and return its application factory.

    Raises:
        StackError: Its module can't be imported or lacks the factory.
    """
    module_name, _, attribute = spec.app.partition(":")
    try:
        factory: Callable[[], Any] = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:
        message = (
            f"{spec.name} cannot be loaded from {spec.app}: {type(error).__name__}: {error}; "
            f"`python -c 'import {module_name}'` shows where"
        )
        raise StackError(message) from error
    return factory


def _package_names() -> Sequence[str]:
    return [found.name for found in pkgutil.iter_modules(caas.__path__) if found.ispkg]


def _declared(package: str) -> ServiceSpec | None:
    module_name = f"caas.{package}.settings"
    try:
        if util.find_spec(module_name) is None:
            return None
        declared = getattr(importlib.import_module(module_name), "SERVICE", None)
    except Exception as error:
        message = f"{module_name} cannot be imported: {type(error).__name__}: {error}"
        raise StackError(message) from error
    return declared if isinstance(declared, ServiceSpec) else None
