"""When keys were last used: collected in memory, written in batches.

A use a second on every key would be a write a second on every key; seconds later is soon
enough for a date in a list. What is not written when a process dies is lost on purpose.
"""

from dataclasses import dataclass, field

from caas.auth.ports import KeyUseStore
from caas.kernel.clock import Clock
from caas.kernel.errors import UnavailableError

PENDING_MAX = 10_000
FLUSH_INTERVAL_S = 5.0


@dataclass(slots=True)
class KeyUses:
    """Collects uses until `flush`, which the service calls every `FLUSH_INTERVAL_S`."""

    store: KeyUseStore
    clock: Clock
    pending: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, key_id: str) -> None:
        """Remember that the key was used now; beyond `PENDING_MAX` keys it is not."""
        if key_id in self.pending or len(self.pending) < PENDING_MAX:
            self.pending[key_id] = self.clock.now_ms()

    async def flush(self) -> None:
        """Write what was collected; what can't be written is tried again next time."""
        if not self.pending:
            return
        batch, self.pending = self.pending, {}
        try:
            await self.store.record(batch)
        except UnavailableError:
            self.pending = batch | self.pending
