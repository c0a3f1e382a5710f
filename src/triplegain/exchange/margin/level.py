"""The margin level of an account: what stands for its positions, against what they use of it.

Kraken (support, "Terminology used on the Overview page"): equity is the trade balance and the unrealised profit or
loss, free margin is equity less used margin, margin level is equity over used margin. Used margin of a purchase is its
opening cost over its leverage, of a sale its coins over its leverage at the price of now ("Margin trading examples").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, localcontext

import msgspec

from triplegain.domain.money import divide
from triplegain.exchange.margin.position import OpenPosition

_ZERO = Decimal(0)
#: Room enough for prices times shares times amounts.
_ROOMY = Context(prec=40)


class Exposure(msgspec.Struct, frozen=True):
    """A position at the `price` of now; `quote_usd` is the worth of its quote currency."""

    position: OpenPosition
    price: Decimal
    quote_usd: Decimal


class MarginFigures(msgspec.Struct, frozen=True):
    """In USD. `collateral` is the trade balance: balances by their shares, less what is owed."""

    collateral: Decimal
    unrealised: Decimal
    used: Decimal

    @property
    def equity(self) -> Decimal:
        return self.collateral + self.unrealised

    @property
    def free(self) -> Decimal:
        """Below zero where positions use more than there is."""
        return self.equity - self.used

    @property
    def level(self) -> Decimal | None:
        """A fraction; None where nothing is used."""
        return divide(self.equity, self.used) if self.used else None

    def is_below(self, level: Decimal) -> bool:
        """Compared without a division. False where nothing is used."""
        return self.used > 0 and self.equity < level * self.used


def collateral_usd(
    balances: Mapping[str, Decimal],
    owed: Mapping[str, Decimal],
    shares: Mapping[str, Decimal],
    usd: Mapping[str, Decimal],
) -> Decimal:
    """Of balances by asset; `usd` prices those that count. What is owed counts in full."""
    with localcontext(_ROOMY):
        total = _ZERO
        for asset, amount in balances.items():
            share = shares.get(asset, _ZERO)
            if share and amount:
                total += amount * share * usd[asset]
        for asset, amount in owed.items():
            if amount:
                total -= amount * usd[asset]
        return total


def margin_figures(collateral: Decimal, exposures: Iterable[Exposure]) -> MarginFigures:
    """Of a trade balance and positions."""
    with localcontext(_ROOMY):
        unrealised = used = _ZERO
        for each in exposures:
            unrealised += each.position.unrealised(each.price) * each.quote_usd
            used += each.position.lent(each.price) / each.position.leverage * each.quote_usd
        return MarginFigures(collateral, unrealised, used)
