"""One execution as the portfolio tells it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from triplegain.domain.clock import iso
from triplegain.domain.money import text
from triplegain.domain.orders import Side


@dataclass(frozen=True, slots=True)
class PaperTrade:
    """Money in the quote currency. `realised` is what it realised net of its fee; None where a cost is unknown.

    `fill_id` is empty for a trade that was booked directly.
    """

    number: int
    time_ns: int
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    notional: Decimal
    fee: Decimal
    realised: Decimal | None
    fill_id: str = ""

    def to_dict_public(self) -> dict[str, Any]:
        """What an outsider may see of it, JSON-able, exact, with a readable time."""
        public: dict[str, Any] = {
            "number": self.number,
            "side": self.side.value,
            "symbol": self.symbol,
            "quantity": text(self.quantity),
            "price": text(self.price),
            "notional": text(self.notional),
            "fee": text(self.fee),
            "realised": None if self.realised is None else text(self.realised),
            "fill_id": self.fill_id,
            "time": iso(self.time_ns),
        }
        return public
