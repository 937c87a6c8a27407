"""Times as reports write them."""

from datetime import UTC, datetime


def rfc3339(ms: float) -> str:
    """Write Unix milliseconds as `2026-02-24T20:14:20.885Z`."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
