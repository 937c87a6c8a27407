"""The one table of what the gateway passes on, for routing, admission and documentation alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from caas.gateway.operations.auth import AUTH
from caas.gateway.operations.operation import Backend, Operation

BACKENDS: tuple[Backend, ...] = (AUTH,)


@dataclass(frozen=True, slots=True)
class OperationTable:
    """Finds the operation of a path: a look-up or two, no pattern is matched."""

    backends: tuple[Backend, ...] = BACKENDS
    by_path: Mapping[str, Mapping[str, Operation]] = field(init=False)

    def __post_init__(self) -> None:
        """Index the operations; a parameter's path ends in `/{}`."""
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in self.operations:
            path = operation.path
            if operation.parameter is not None:
                path = path.rpartition("/")[0] + "/{}"
            by_path.setdefault(path, {})[operation.method] = operation
        object.__setattr__(self, "by_path", by_path)

    @property
    def operations(self) -> list[Operation]:
        """Return the operations of all services, in the order of the tables."""
        return [operation for backend in self.backends for operation in backend.operations]

    @property
    def prefixes(self) -> list[str]:
        """Return what the paths of all operations begin with."""
        return [prefix for backend in self.backends for prefix in backend.prefixes]

    def find(self, path: str, method: str) -> Operation | None:
        """Return the operation, or None."""
        return self._at(path).get(method)

    def methods(self, path: str) -> list[str]:
        """Return the methods that *path* has; none for an unknown path."""
        return [*self._at(path)]

    def _at(self, path: str) -> Mapping[str, Operation]:
        """Return what *path* has; a fixed path hides what a parameter would match there."""
        path = path.rstrip("/")
        fixed = self.by_path.get(path)
        if fixed is not None:
            return fixed
        parent, _, last = path.rpartition("/")
        return self.by_path.get(parent + "/{}", {}) if last else {}
