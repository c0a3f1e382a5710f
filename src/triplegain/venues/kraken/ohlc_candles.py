"""Closed candles of Kraken's REST interface: the last 720 of an interval."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from triplegain.domain.candle_time import MINUTE_NS
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle
from triplegain.domain.span import Span
from triplegain.market.feed import FeedError
from triplegain.market.fitting_tick import with_fitting_tick
from triplegain.market.scaling import Scale
from triplegain.venues.kraken.wire.rest import CandleRow, read_candles, read_reply

#: Intervals in minutes that Kraken offers and that add up to ours. Its weeks do not begin on Monday.
OHLC_MINUTES = (1, 5, 15, 30, 60, 240, 1440)


@dataclass(frozen=True, slots=True)
class ClosedCandles:
    """Candles that are over, oldest first, their volume-weighted prices as written, and the span they are whole in.

    `instrument` has a finer tick than today's where old prices need one.
    """

    instrument: Instrument
    length_ns: int
    candles: tuple[Candle, ...]
    weighted_prices: tuple[str, ...]
    span: Span


def closed_candles(reply: bytes, instrument: Instrument, minutes: int) -> ClosedCandles:
    """The candles of an OHLC reply without the one that is still open. Raises FeedError if it is none."""
    length = minutes * MINUTE_NS
    try:
        page = read_candles(read_reply(reply).result)
        rows = [row for row in page.rows if row.time <= page.last]
        instrument = with_fitting_tick(
            instrument, [text for row in rows for text in (row.open, row.high, row.low, row.close)]
        )
        candles = _candles(instrument, length, rows)
    except (msgspec.DecodeError, InvalidValueError) as error:
        raise FeedError(f"Kraken's candles of {instrument.symbol} cannot be read: {error}") from error
    if any(candle.open_time_ns % length for candle in candles):
        raise FeedError(f"Kraken's candles of {instrument.symbol} do not begin where those of {minutes} minutes do")
    span = Span(candles[0].open_time_ns, candles[-1].close_time_ns) if candles else Span(0, 0)
    return ClosedCandles(instrument, length, candles, tuple(row.vwap for row in rows), span)


def _candles(instrument: Instrument, length: int, rows: list[CandleRow]) -> tuple[Candle, ...]:
    price, quantity = Scale(instrument.tick).exact, Scale(instrument.lot).exact
    return tuple(
        Candle(
            instrument.symbol,
            row.time * SECOND_NS,
            length,
            price(row.open),
            price(row.high),
            price(row.low),
            price(row.close),
            quantity(row.volume),
            row.count,
        )
        for row in rows
    )
