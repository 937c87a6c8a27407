"""The identity of one attempt in traces, logs and correlation ids."""

import secrets

RUN_ID_CHARS = 8


def run_marker(run_id: str) -> str:
    """Return with what every correlation id of a run begins."""
    return f"{run_id[-RUN_ID_CHARS:]}."


class AttemptTrace:
    """One trace per attempt; each exchange is a client span under its root span."""

    __slots__ = ("correlation_prefix", "root_span_id", "trace_id")

    def __init__(self, run_id: str, case_id: str, attempt: int) -> None:
        self.trace_id = secrets.token_hex(16)
        self.root_span_id = secrets.token_hex(8)
        # Within 1-128 of [A-Za-z0-9._-], so that the platform echoes it.
        self.correlation_prefix = f"{run_marker(run_id)}{case_id}.{attempt}"

    def new_span_id(self) -> str:
        """Return a fresh span id."""
        return secrets.token_hex(8)

    def traceparent(self, span_id: str, *, sampled: bool = True) -> str:
        """Return the W3C header for *span_id*."""
        return f"00-{self.trace_id}-{span_id}-{'01' if sampled else '00'}"
