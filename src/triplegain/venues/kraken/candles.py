"""Candles of Kraken's REST interface from before a feed began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import msgspec

from triplegain.domain.clock import MINUTE_NS, SECOND_NS
from triplegain.domain.errors import InvalidValueError
from triplegain.domain.instrument import Instrument
from triplegain.domain.market import Candle
from triplegain.market.candles.candles import empty_candles
from triplegain.market.feed import FeedError
from triplegain.market.scaling import Scale, with_fitting_tick
from triplegain.venues.kraken.wire.rest import CandleRow, Candles, read_candles, read_reply

#: Intervals in minutes that Kraken offers and that add up to ours. Its weeks do not begin on Monday.
OHLC_MINUTES = (1, 5, 15, 30, 60, 240, 1440)


def interval_for(length_ns: int) -> int | None:
    """The longest of Kraken's intervals that adds up to this length; None where none does."""
    fitting = [minutes for minutes in OHLC_MINUTES if length_ns % (minutes * MINUTE_NS) == 0]
    return max(fitting, default=None)


def past_candles(
    told: Candles, instrument: Instrument, interval: int, length_ns: int
) -> tuple[tuple[Candle, ...], Candle | None]:
    """Closed candles of `length_ns`, oldest first, and the open one, from rows of `interval` minutes.

    Intervals without trades are flat. Raises InvalidValueError for rows that cannot be.
    """
    step_ns = interval * MINUTE_NS
    if length_ns % step_ns:
        raise InvalidValueError(f"candles of {interval} min do not add up to {length_ns // SECOND_NS} s")
    price, quantity = Scale(instrument.tick, least=1), Scale(instrument.lot)
    rows = [_past_candle(row, instrument.symbol, step_ns, price, quantity) for row in told.rows]
    if not rows:
        return (), None
    parts = groupby(_without_gaps(rows), lambda row: row.open_time_ns // length_ns)
    candles = [_whole(list(part), length_ns) for _, part in parts]
    # The first one is whole only if the rows begin with it, the last one is still open.
    if rows[0].open_time_ns % length_ns:
        del candles[0]
    return tuple(candles[:-1]), candles[-1] if candles else None


def _past_candle(row: CandleRow, symbol: str, length_ns: int, price: Scale, quantity: Scale) -> Candle:
    made = _candle(row, symbol, length_ns, price.nearest, quantity.nearest)
    if not (made.open and made.high and made.low and made.close) or made.open_time_ns % length_ns:
        raise InvalidValueError(f"a candle of {symbol} at {row.time} cannot be")
    return made


def _candle(
    row: CandleRow, symbol: str, length_ns: int, price: Callable[[str], int], quantity: Callable[[str], int]
) -> Candle:
    opened, high, low, close = map(price, (row.open, row.high, row.low, row.close))
    volume = quantity(row.volume)
    return Candle(symbol, row.time * SECOND_NS, length_ns, opened, high, low, close, volume, row.count)


def _without_gaps(rows: list[Candle]) -> list[Candle]:
    whole = rows[:1]
    for row in rows[1:]:
        if row.open_time_ns < whole[-1].close_time_ns:
            raise InvalidValueError(f"candles of {row.symbol} do not follow each other")
        whole += [*empty_candles(whole[-1], row.open_time_ns), row]
    return whole


def _whole(part: list[Candle], length_ns: int) -> Candle:
    first = part[0]
    return Candle(
        first.symbol,
        first.open_time_ns - first.open_time_ns % length_ns,
        length_ns,
        first.open,
        max(row.high for row in part),
        min(row.low for row in part),
        part[-1].close,
        sum(row.volume for row in part),
        sum(row.trades for row in part),
    )


@dataclass(frozen=True, slots=True)
class ClosedCandles:
    """Candles that are over, oldest first, and their volume-weighted prices as written.

    `instrument` has a finer tick than today's where old prices need one.
    """

    instrument: Instrument
    length_ns: int
    candles: tuple[Candle, ...]
    weighted_prices: tuple[str, ...]


def closed_candles(reply: bytes, instrument: Instrument, minutes: int) -> ClosedCandles:
    """The candles of an OHLC reply without the one that is still open. Raises FeedError if it is none."""
    length = minutes * MINUTE_NS
    try:
        page = read_candles(read_reply(reply).result)
        rows = [row for row in page.rows if row.time <= page.last]
        instrument = with_fitting_tick(
            instrument, [text for row in rows for text in (row.open, row.high, row.low, row.close)]
        )
        price, quantity = Scale(instrument.tick, least=1).exact, Scale(instrument.lot).exact
        candles = tuple(_candle(row, instrument.symbol, length, price, quantity) for row in rows)
    except (msgspec.DecodeError, InvalidValueError) as error:
        raise FeedError(f"Kraken's candles of {instrument.symbol} cannot be read: {error}") from error
    if any(candle.open_time_ns % length for candle in candles):
        raise FeedError(f"Kraken's candles of {instrument.symbol} do not begin where those of {minutes} minutes do")
    return ClosedCandles(instrument, length, candles, tuple(row.vwap for row in rows))
