"""The server span of a request, by the HTTP semantic conventions."""

from typing import Any

from caas.kernel.ids import is_id
from caas.runtime.http.fast import FastRequest
from caas_observability.setup.tracing import ServerSpan

_SERVER_ERROR = 500
_VERSIONS = {"1": "1.0"}  # granian's name -> the convention's


def describe_connection(scope: Any) -> dict[str, Any]:
    """Return what is known of a request before anything of it is believed.

    Only what the connection says: the query, `User-Agent` and `Host` are texts of the client's
    choice, and people put tokens into each of them.
    """
    attributes = {
        "http.request.method": scope["method"],
        "url.scheme": scope["scheme"],
        "network.protocol.version": _VERSIONS.get(scope["http_version"], scope["http_version"]),
        "client.address": (scope.get("client") or ("",))[0],
    }
    server = scope.get("server")
    if server:
        attributes |= {"server.address": server[0], "server.port": int(server[1])}
    return attributes


def shown_path(route: str, path: str) -> str:
    """Return *path* as spans and logs may have it: a parameter that is no id shows its name.

    People put tokens there, too, and not every secret has a shape that redaction knows. Below a
    prefix, which says nothing about the rest, it is the prefix.
    """
    if path == route or "{" not in route:
        return route
    names, given = route.split("/"), path.rstrip("/").split("/")
    if len(names) != len(given):
        return route
    shown = (
        value if value == name or is_id(value) else name
        for name, value in zip(names, given, strict=True)
    )
    return "/".join(shown)


def describe_answer(span: ServerSpan, verb: str, request: FastRequest, status: int) -> None:
    """Name the span by its route and note how the request ended."""
    route = request.route
    attributes: dict[str, Any] = {"http.response.status_code": status}
    if route:
        # Not without: a path that no route has is a text of the client's choice, too.
        attributes |= {"url.path": shown_path(route, request.path), "http.route": route}
        span.update_name(f"{verb} {route}")
    span.set_many(attributes)
    if status >= _SERVER_ERROR:
        span.set_error(error_type=str(status))
