"""A price with its provenance."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class QuoteSource(StrEnum):
    """Where a price comes from. Mock prices may never fill an order."""

    LIVE = "live"
    REPLAY = "replay"
    DEMO = "demo"
    HISTORICAL = "historical"
    MOCK = "mock"


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask (None where only a tape or candles exist), last trade, sizes in base, both times."""

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    bid_quantity: Decimal | None
    ask_quantity: Decimal | None
    exchange_time_ns: int
    received_at_ns: int
    source: QuoteSource

    @property
    def mark(self) -> Decimal | None:
        """Price to value with: the middle of bid and ask, else the last trade."""
        if self.bid is not None and self.ask is not None:
            return (self.bid + self.ask) / 2
        return self.last
