"""One execution as the portfolio tells it."""

from __future__ import annotations

from collections.abc import Mapping
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

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, exact."""
        return {
            "number": self.number,
            "time_ns": str(self.time_ns),
            "symbol": self.symbol,
            "side": self.side.value,
            "quantity": text(self.quantity),
            "price": text(self.price),
            "notional": text(self.notional),
            "fee": text(self.fee),
            "realised": None if self.realised is None else text(self.realised),
            "fill_id": self.fill_id,
        }

    def to_dict_public(self) -> dict[str, Any]:
        """What an outsider may see of it, with a readable time."""
        public = self.to_dict()
        del public["time_ns"]
        return {**public, "time": iso(self.time_ns)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> PaperTrade:
        return cls(
            number=stored["number"],
            time_ns=int(stored["time_ns"]),
            symbol=stored["symbol"],
            side=Side.parse(stored["side"]),
            quantity=Decimal(stored["quantity"]),
            price=Decimal(stored["price"]),
            notional=Decimal(stored["notional"]),
            fee=Decimal(stored["fee"]),
            realised=None if stored["realised"] is None else Decimal(stored["realised"]),
            fill_id=stored["fill_id"],
        )
