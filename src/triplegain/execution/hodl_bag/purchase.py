"""One purchase of the hodl bag: how much can be bought for what is there, and how far the order has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from triplegain.domain.exchange_events import OrderFilled
from triplegain.domain.fees import RATE_UNIT
from triplegain.domain.instrument import Instrument
from triplegain.domain.money import EXACT, divide, floor_to, text
from triplegain.domain.orders import OrderRequest

_ZERO = Decimal(0)


def affordable(instrument: Instrument, money: Decimal, ask: Decimal, headroom: Decimal) -> Decimal | None:
    """Base quantity that `money` buys at `ask`, with the highest fee and a price up to `headroom` (a fraction) higher.

    None if the exchange would not take an order that small.
    """
    rate = EXACT.add(1, EXACT.divide(instrument.fees.tiers[0].taker_ppm, RATE_UNIT))
    unit = EXACT.multiply(EXACT.multiply(ask, EXACT.add(1, headroom)), rate)
    if money < unit * instrument.quantity_min:
        return None
    quantity = floor_to(divide(money, unit), instrument.lot)
    too_small = quantity < instrument.quantity_min or EXACT.multiply(quantity, ask) < instrument.cost_min
    return None if too_small or quantity <= 0 else quantity


@dataclass(slots=True)
class Purchase:
    """An order under way. `reference` is the ask it was decided on, `sends` how often it was sent under its one name.

    `filled`, `notional` and `fees` are what its fills say so far.
    """

    request: OrderRequest
    reference: Decimal
    sent_at_ns: int
    sends: int = 1
    filled: Decimal = _ZERO
    notional: Decimal = _ZERO
    fees: Decimal = _ZERO

    def fill(self, event: OrderFilled) -> None:
        self.filled = EXACT.add(self.filled, event.quantity)
        self.notional = EXACT.add(self.notional, event.notional)
        self.fees = EXACT.add(self.fees, event.fee)

    @property
    def price(self) -> Decimal:
        """Average price of what was filled."""
        return divide(self.notional, self.filled)

    @property
    def slippage(self) -> Decimal:
        """How much dearer than the reference it was, as a fraction; below zero if cheaper."""
        return divide(EXACT.subtract(self.price, self.reference), self.reference)

    def state(self) -> dict[str, Any]:
        return {
            "request": msgspec.to_builtins(self.request),
            "reference": text(self.reference),
            "sent_at_ns": str(self.sent_at_ns),
            "sends": self.sends,
            "filled": text(self.filled),
            "notional": text(self.notional),
            "fees": text(self.fees),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Purchase:
        return cls(
            msgspec.convert(state["request"], OrderRequest),
            Decimal(state["reference"]),
            int(state["sent_at_ns"]),
            state["sends"],
            Decimal(state["filled"]),
            Decimal(state["notional"]),
            Decimal(state["fees"]),
        )
