"""Telemetry that lacks its context, or says what nobody may know."""

from typing import Any

from faults.mutant import mutant, part


@mutant("X07", red="X07.06", place="")
def log_without_trace() -> None:
    """Log records leave without the ids that join them to their request."""
    record = part("opentelemetry._logs:LogRecord")
    made = record.__init__

    def without_ids(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.trace_id = self.span_id = 0

    record.__init__ = without_ids


@mutant("X07", red="X07.05", place="")
def trace_lost() -> None:
    """The gateway does not hand its trace on."""
    client = part("caas.runtime.calls.client.client")

    client._Call.add_context = lambda _self: None


@mutant("S02", red="S02.01", place="")
def secret_logged() -> None:
    """Registration tells its log the password, in words that no rule of redaction knows."""
    accounts = part("caas.auth.service.accounts:Accounts")
    log = part("caas_observability.setup.logs").get_logger("caas.auth")
    register = accounts.register

    async def talkative(self: Any, **account: Any) -> Any:
        log.info(f"somebody registers with {account['password']}")  # noqa: G004 - the fault
        return await register(self, **account)

    accounts.register = talkative
