"""What is known about a path before it is served: asked of Litestar's own router."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException  # noqa: TID251 - raised by the router we ask
from litestar.types import Method

from caas.runtime.http.operations import IDEMPOTENT_OPTION

PATHS_CACHED_MAX = 1_024
_ASKED: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")


class RouteTable:
    """Finds the methods of a path, and what its route declared."""

    def __init__(self, litestar: Litestar) -> None:
        self._litestar = litestar
        self._fast: dict[str, set[str]] = {}
        self._lookups: list[Callable[[str], Iterable[str]]] = []
        # Bound here: a decorated method would keep every application alive for ever.
        self.methods = lru_cache(PATHS_CACHED_MAX)(self._methods)

    def add_fast(self, routes: Mapping[tuple[str, str], object]) -> None:
        """Count *routes* in, for those that have no Litestar route beside them."""
        for method, path in routes:
            self._fast.setdefault(path, set()).add(method)
        self.methods.cache_clear()

    def add_lookup(self, methods_of: Callable[[str], Iterable[str]]) -> None:
        """Count in what *methods_of* says of a path, for raw handlers with own patterns."""
        self._lookups.append(methods_of)
        self.methods.cache_clear()

    def is_idempotent(self, path: str, method: str) -> bool:
        """Tell whether the route was declared with `operation(idempotent=True)`."""
        route = self._route(path, "POST") if method == "POST" else None
        return route is not None and bool(route.opt.get(IDEMPOTENT_OPTION))

    async def authorize(self, path: str, method: Method, scope: Any) -> None:
        """Run the route's guards on *scope* and nothing else of it; raise what they raise."""
        route = self._route(path, method)
        if route is not None:
            scope["litestar_app"] = self._litestar  # as the application itself would
            await route.authorize_connection(ASGIConnection(scope))

    def _methods(self, path: str) -> tuple[str, ...]:
        found: set[str] = {m for m in _ASKED if self._route(path, m) is not None}
        found |= self._fast.get(path.rstrip("/") or "/", set())
        for methods_of in self._lookups:
            found.update(methods_of(path))
        if not found:
            return ()
        if "GET" in found:
            found.add("HEAD")
        return tuple(sorted(found | {"OPTIONS"}))

    def _route(self, path: str, method: Method) -> Any:
        router = self._litestar.asgi_router
        try:
            return router.handle_routing(path=path.rstrip("/") or "/", method=method)[1]
        except HTTPException:
            return None
