"""What the hodl account's money is for: coins bought, and dollars waiting to become coins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.money import EXACT, text

_ZERO = Decimal(0)


@dataclass(slots=True)
class Pot:
    """One asset: `quantity` owned, what it `cost` with fees, and what is `pending` for it, both in the currency.

    `pending` is below zero after a purchase that cost more than was there; the account's other money lent it, and the
    next allocation pays it back.
    """

    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    pending: Decimal = _ZERO


class HodlPots:
    """A pot for each asset of the split, the currency's first. At rest the currency's quantity and all pending money
    together are what the account has of the currency."""

    def __init__(self, assets: tuple[str, ...]) -> None:
        self._pots = {asset: Pot() for asset in assets}

    def __getitem__(self, asset: str) -> Pot:
        return self._pots[asset]

    def __contains__(self, asset: object) -> bool:
        return asset in self._pots

    @property
    def assets(self) -> tuple[str, ...]:
        return tuple(self._pots)

    def add_pending(self, shares: Mapping[str, Decimal]) -> None:
        for asset, amount in shares.items():
            pot = self._pots[asset]
            pot.pending = EXACT.add(pot.pending, amount)

    def bought(self, asset: str, quantity: Decimal, cost: Decimal) -> None:
        """Coins came in and `cost` (fee included) went out."""
        pot = self._pots[asset]
        pot.quantity = EXACT.add(pot.quantity, quantity)
        pot.cost = EXACT.add(pot.cost, cost)
        pot.pending = EXACT.subtract(pot.pending, cost)

    def state(self) -> dict[str, Any]:
        return {asset: [text(pot.quantity), text(pot.cost), text(pot.pending)] for asset, pot in self._pots.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        for asset, (quantity, cost, pending) in state.items():
            self._pots[asset] = Pot(Decimal(quantity), Decimal(cost), Decimal(pending))
