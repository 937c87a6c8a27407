"""Which methods a path has, for `Allow`: asked of Litestar's own router, plus the fast routes."""

from collections.abc import Mapping
from functools import lru_cache

from litestar import Litestar
from litestar.exceptions import HTTPException

PATHS_CACHED_MAX = 1_024
_ASKED = ("GET", "POST", "PUT", "PATCH", "DELETE")


class AllowedMethods:
    """Finds the methods of a path, in the order they are listed to clients."""

    def __init__(self, litestar: Litestar) -> None:
        self._litestar = litestar
        self._fast: dict[str, set[str]] = {}
        self.of = lru_cache(PATHS_CACHED_MAX)(self._of)

    def add_fast(self, routes: Mapping[tuple[str, str], object]) -> None:
        """Count *routes* in, for those that have no Litestar route beside them."""
        for method, path in routes:
            self._fast.setdefault(path, set()).add(method)

    def _of(self, path: str) -> tuple[str, ...]:
        found = {method for method in _ASKED if self._routable(path, method)}
        found |= self._fast.get(path.rstrip("/") or "/", set())
        if not found:
            return ()
        if "GET" in found:
            found.add("HEAD")
        return tuple(sorted(found | {"OPTIONS"}))

    def _routable(self, path: str, method: str) -> bool:
        router = self._litestar.asgi_router
        try:
            router.handle_routing(path=path.rstrip("/") or "/", method=method)
        except HTTPException:
            return False
        return True
