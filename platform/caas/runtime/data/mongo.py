"""MongoDB clients: safe defaults, client spans, and a probe for readiness."""

from typing import Any

from pymongo import AsyncMongoClient

from caas_observability.setup.drivers import MongoCommands

SERVER_SELECTION_MAX_MS = 2_000
CONNECT_MAX_MS = 2_000
SOCKET_MAX_MS = 10_000
POOL_WAIT_MAX_MS = 2_000
POOL_MAX_CONNECTIONS = 64

Document = dict[str, Any]


def open_mongo(uri: str, *, app_name: str, traced: bool = True) -> AsyncMongoClient[Document]:
    """Return a client with bounded waits and majority writes; it connects on first use.

    Call it in the lifespan, never before a fork. What *uri* itself says wins over the defaults
    here, so that an operator can tune a cluster without a release. No compression is asked for:
    zlib costs more than the bytes it saves on one host, and the others are optional packages.

    Args:
        uri: `mongodb://` or `mongodb+srv://`; credentials in it are never logged.
        app_name: Shown in the server's own log and in currentOp.
        traced: Whether commands of a sampled request become client spans.
    """
    listeners = [MongoCommands()] if traced else []
    defaults: dict[str, Any] = {
        "serverselectiontimeoutms": SERVER_SELECTION_MAX_MS,
        "connecttimeoutms": CONNECT_MAX_MS,
        "sockettimeoutms": SOCKET_MAX_MS,
        "waitqueuetimeoutms": POOL_WAIT_MAX_MS,
        "maxpoolsize": POOL_MAX_CONNECTIONS,
        "retrywrites": True,
        "retryreads": True,
        "w": "majority",
        "appname": app_name,
    }
    stated = uri.partition("?")[2].lower()
    given = {part.partition("=")[0] for part in stated.split("&")}
    options = {name: value for name, value in defaults.items() if name not in given}
    return AsyncMongoClient(
        uri, tz_aware=True, uuidRepresentation="standard", event_listeners=listeners, **options
    )


async def ping_mongo(client: AsyncMongoClient[Document]) -> None:
    """Raise when no primary answers; a secondary can't serve writes, so it does not count."""
    await client.admin.command("ping")
