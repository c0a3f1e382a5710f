"""What may be spent on models, and who keeps the record of it: reserved before a call leaves, settled after it."""

from __future__ import annotations

from typing import Protocol

from triplegain.domain.agent_records import ModelCall, OverBudget

__all__ = ["OverBudget", "Spending"]


class Spending(Protocol):
    """The cost ledger. A reservation is on disk before the call leaves; one that was never settled counts in full."""

    async def reserve(self, call: ModelCall) -> OverBudget | None:
        """Set `call.reserved_usd` aside for today (UTC, wall time of `call.started_at_ns`); None: go ahead."""
        ...

    async def settle(self, call: ModelCall) -> None:
        """The call is over: `call.cost_usd` takes the place of the reservation, and the call itself is stored."""
        ...
