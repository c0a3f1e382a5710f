"""Trades of one market that close no candle, added up: a candle takes them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from triplegain.domain.event_rows import EventRows
from triplegain.domain.market import PublicTrade
from triplegain.market.candles.candles import Prices


@dataclass(frozen=True, slots=True)
class TradeRun:
    """`prices` are the first, the highest, the lowest and that of the newest, which is told last among those of its
    moment; `volume` in lots."""

    symbol: str
    earliest_ns: int
    newest_ns: int
    prices: Prices
    volume: int
    count: int
    _rows: EventRows
    _numbers: Sequence[int]

    @classmethod
    def of(cls, rows: EventRows, numbers: Sequence[int]) -> TradeRun:
        """`numbers` are those of trades, at least one, in their order."""
        places = [rows.begin(number) for number in numbers]
        prices, times = [rows.prices[place] for place in places], [rows.times[number] for number in numbers]
        newest_ns = max(times)
        last = len(times) - 1 - times[::-1].index(newest_ns)
        spanned = prices[0], max(prices), min(prices), prices[last]
        volume = sum(rows.lots[place] for place in places)
        return cls(rows.symbols[numbers[0]], min(times), newest_ns, spanned, volume, len(prices), rows, numbers)

    def trades(self) -> Iterator[PublicTrade]:
        """One by one."""
        return (cast("PublicTrade", self._rows.event(number)) for number in self._numbers)
