"""The last 24 hours of a market."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from triplegain.domain.instrument import Instrument
from triplegain.market.candles.candle_series import CandleSeries
from triplegain.market.candles.timeframe import DAY_NS


@dataclass(frozen=True, slots=True)
class Day:
    """24 hours up to the last closed candle of `timeframe`, the finest that has them all, in ticks and lots."""

    timeframe: str
    end_ns: int
    open: int
    high: int
    low: int
    volume: int

    def change_pct(self, instrument: Instrument, price: Decimal) -> float:
        """From the first price of the day to this one."""
        return (float(price / instrument.price(self.open)) - 1) * 100


def last_day(series: Iterable[CandleSeries]) -> Day | None:
    """From the finest timeframe that has 24 hours of candles; None if none has."""
    for each in sorted(series, key=lambda one: one.timeframe.length_ns):
        frame, history = each.timeframe, each.history
        count = DAY_NS // frame.length_ns
        if frame.length_ns < DAY_NS and len(history) >= count:
            return Day(frame.name, history.end_ns, *history.window(count))
    return None
