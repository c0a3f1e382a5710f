"""What is known of a stored market, and what became of something handed in."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.span import Span

#: The `length_ns` under which coverage of the tape stands.
TAPE = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """A span that is whole: every trade (`length_ns` 0) or every candle of the length that had one is stored.

    `numbered` is false for trades without the exchange's own number.
    """

    venue: str
    symbol: str
    length_ns: int
    span: Span
    source: str
    numbered: bool


@dataclass(frozen=True, slots=True)
class StoredTape:
    """How many trades of an instrument are stored, and the first and last time among them."""

    venue: str
    symbol: str
    trades: int
    first_time_ns: int
    last_time_ns: int


@dataclass(frozen=True, slots=True)
class StoredPrice:
    """The last price known of a symbol, when it was made, and until when nothing else is known to have happened."""

    price: Decimal
    time_ns: int
    stands_until_ns: int


@dataclass(frozen=True, slots=True)
class TradesStored:
    """Of the trades handed in: new ones, those that were there, and those that are there with other figures.

    `candles_changed` are minutes that were known from elsewhere and disagreed with their trades, which now hold.
    """

    stored: int = 0
    known: int = 0
    different: int = 0
    candles_built: int = 0
    candles_changed: int = 0

    def __add__(self, other: TradesStored) -> TradesStored:
        return TradesStored(
            self.stored + other.stored,
            self.known + other.known,
            self.different + other.different,
            self.candles_built + other.candles_built,
            self.candles_changed + other.candles_changed,
        )


@dataclass(frozen=True, slots=True)
class CandlesStored:
    """Of the candles handed in: new ones, those that were known, and those known to be something else."""

    stored: int = 0
    known: int = 0
    different: int = 0

    def __add__(self, other: CandlesStored) -> CandlesStored:
        return CandlesStored(self.stored + other.stored, self.known + other.known, self.different + other.different)
