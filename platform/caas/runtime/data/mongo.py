"""MongoDB clients: safe defaults, client spans, and a probe for readiness."""

from typing import Any

from pymongo import AsyncMongoClient, monitoring

from caas_observability.setup.context import current_scope
from caas_observability.setup.tracing import RecordingSpan, start_span

SERVER_SELECTION_MAX_MS = 2_000
CONNECT_MAX_MS = 2_000
SOCKET_MAX_MS = 10_000
POOL_WAIT_MAX_MS = 2_000
POOL_MAX_CONNECTIONS = 64
OPEN_COMMANDS_MAX = 4_096  # commands whose collection is remembered until they end

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
    listeners = [CommandSpans()] if traced else []
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


class CommandSpans(monitoring.CommandListener):
    """One client span for each command of a recorded request, by semantic conventions.

    The span is made when the command has ended, from the driver's own duration: a command whose
    task is cancelled reports no end, and must not leave a span open or current.
    """

    def __init__(self) -> None:
        self._collections: dict[int, str] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Remember the collection, which the closing events don't name."""
        scope = current_scope()
        if scope is None or not scope.sampled:
            return
        collection = event.command.get(event.command_name)
        if isinstance(collection, str):
            if len(self._collections) >= OPEN_COMMANDS_MAX:
                self._collections.pop(next(iter(self._collections)))
            self._collections[event.request_id] = collection

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Record the command."""
        self._record(event, None)

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Record the command with the server's error code; its text may hold data."""
        self._record(event, str(event.failure.get("code", "") or "network"))

    def _record(
        self,
        event: monitoring.CommandSucceededEvent | monitoring.CommandFailedEvent,
        failure: str | None,
    ) -> None:
        collection = self._collections.pop(event.request_id, "")
        scope = current_scope()
        if scope is None or not scope.sampled:
            return
        name = f"{event.command_name} {collection}" if collection else event.command_name
        with start_span(name, kind="client") as span:
            if not isinstance(span, RecordingSpan):
                return
            host, port = event.connection_id
            span.set_many(
                {
                    "db.system.name": "mongodb",
                    "db.operation.name": event.command_name,
                    "db.namespace": event.database_name,
                    "db.collection.name": collection or None,
                    "server.address": host,
                    "server.port": port,
                }
            )
            if failure is not None:
                span.set("db.response.status_code", failure)
                span.set_error(error_type=failure)
            span.start_ns -= event.duration_micros * 1_000
