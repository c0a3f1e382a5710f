"""One position on margin: what was lent for an order, as it stands now. Pure: a change makes another record."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, atoms, from_atoms
from triplegain.domain.orders import Side

_ZERO = Decimal(0)
#: Rates of lending are reckoned in these parts: a ten-thousandth of a percent is still exact.
_RATE_PARTS = RATE_UNIT * 100


class OpenPosition(msgspec.Struct, frozen=True):
    """`number` is that of the order that opened it, `fill_number` of its first fill; its fills are one position, and
    positions are closed in the order of their first fills.

    `quantity` (base) and `cost` (quote) are those of what is still open, `opened` all that its order has opened.
    `rate` is locked when it is opened. `realised` is the gain or loss of what was closed, in the quote currency and
    without fees, `fees` all that it has cost: trading, opening and rollovers. `rollover_at_ns`: when it is lent anew.
    `position_id` is that of its order, where that has one.
    """

    number: int
    fill_number: int
    order_id: str
    symbol: str
    side: Side
    leverage: int
    quantity: Decimal
    cost: Decimal
    opened: Decimal
    rate: Decimal
    opened_at_ns: int
    rollover_at_ns: int
    fees: Decimal = _ZERO
    realised: Decimal = _ZERO
    rollovers: int = 0
    position_id: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def sign(self) -> int:
        """1 where it gains with a rising price."""
        return 1 if self.side is Side.BUY else -1

    def lots(self, instrument: Instrument) -> int:
        return instrument.lots(self.quantity)

    def grown(self, instrument: Instrument, lots: int, cost: int, fees: int) -> OpenPosition:
        """With `lots` more, for so much (atoms of the quote currency)."""
        more = instrument.quantity(lots)
        return replace(
            self,
            quantity=EXACT.add(self.quantity, more),
            opened=EXACT.add(self.opened, more),
            cost=EXACT.add(self.cost, from_atoms(cost)),
            fees=EXACT.add(self.fees, from_atoms(fees)),
        )

    def closed(self, instrument: Instrument, lots: int, worth: int) -> tuple[OpenPosition, int]:
        """Without `lots` of it, which the market has paid `worth` for, and what they gained in atoms of the quote
        currency: a loss is rounded up to what balances can tell, a gain down.

        Their share of the cost is rounded against the trader; the last ones take all that is left of it.
        """
        cost, there = atoms(self.cost), self.lots(instrument)
        share = -(-cost * lots // there) if self.side is Side.BUY else cost * lots // there
        gain = self.sign * (worth - share)
        gain -= gain % instrument.balance_unit_atoms
        left = replace(
            self,
            quantity=EXACT.subtract(self.quantity, instrument.quantity(lots)),
            cost=from_atoms(cost - share),
            realised=EXACT.add(self.realised, from_atoms(gain)),
        )
        return left, gain

    def charged(self, fee: int) -> OpenPosition:
        return replace(self, fees=EXACT.add(self.fees, from_atoms(fee)))

    def rolled_over(self, fee: int, period_ns: int) -> OpenPosition:
        return replace(self.charged(fee), rollover_at_ns=self.rollover_at_ns + period_ns, rollovers=self.rollovers + 1)

    def worth(self, price: Decimal) -> Decimal:
        """What is open of it at `price`, in the quote currency."""
        return EXACT.multiply(self.quantity, price)

    def unrealised(self, price: Decimal) -> Decimal:
        """Gain or loss of what is open at `price`, in the quote currency; leverage has no part in it."""
        return EXACT.multiply(self.sign, EXACT.subtract(self.worth(price), self.cost))

    def lent(self, price: Decimal) -> Decimal:
        """What is lent for it, in the quote currency: to buy what was paid, to sell the coins, at `price`."""
        return self.cost if self.side is Side.BUY else self.worth(price)


def lending_fee(lent: int, rate: Decimal, instrument: Instrument) -> int:
    """Atoms of the quote currency for one period, rounded up to what balances can tell."""
    parts = int(EXACT.multiply(rate, _RATE_PARTS))
    step = instrument.balance_unit_atoms
    return -(-lent * parts // (step * _RATE_PARTS)) * step
