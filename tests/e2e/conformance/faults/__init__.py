"""Every fault that the platform is given to see whether the runner notices, one module a kind."""

from faults import (
    answers,
    constraints,
    credentials,
    endings,
    idempotency,
    lifetimes,
    lists,
    permissions,
    reasons,
    telemetry,
    writes,
)
from faults.mutant import Mutant, found_in

MODULES = (
    answers,
    credentials,
    permissions,
    reasons,
    constraints,
    lists,
    endings,
    writes,
    idempotency,
    lifetimes,
    telemetry,
)
MUTANTS: dict[str, Mutant] = {m.name: m for module in MODULES for m in found_in(module)}
